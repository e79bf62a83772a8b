# SPDX-License-Identifier: Apache-2.0
"""Normal maps -> depth maps and meshes."""
