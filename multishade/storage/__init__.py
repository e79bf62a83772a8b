# SPDX-License-Identifier: Apache-2.0
"""Files, local and remote: atomic writes, streams that resume."""
