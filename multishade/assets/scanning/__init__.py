# SPDX-License-Identifier: Apache-2.0
"""A folder of foreign files -> checked manifest rows."""
