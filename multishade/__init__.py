# SPDX-License-Identifier: Apache-2.0
"""MultiShade: render shading-sequence data sets, train on them, and turn shading into normals."""

__version__ = "0.1.0"
