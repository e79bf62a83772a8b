# SPDX-License-Identifier: Apache-2.0
"""Where shards are rendered: on Ray, local or on a cluster."""
