# SPDX-License-Identifier: Apache-2.0
"""Shards in, a RoSE model out: settings, objectives, and a loop that can be read in one sitting."""
