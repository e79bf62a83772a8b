# SPDX-License-Identifier: Apache-2.0
"""A folder of shards -> what its samples look like as a whole, and whether that is what its recipe says."""
