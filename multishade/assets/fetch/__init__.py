# SPDX-License-Identifier: Apache-2.0
"""Remote sources of assets in, checked files in a cache and manifest rows out; one module per source."""
