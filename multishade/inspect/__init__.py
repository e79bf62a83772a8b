# SPDX-License-Identifier: Apache-2.0
"""Is a shard sound? Tar -> checks, a report, a contact sheet. Knows nothing of Blender and of Ray."""
