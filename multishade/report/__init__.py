# SPDX-License-Identifier: Apache-2.0
"""Pages, contact sheets and tiles."""
