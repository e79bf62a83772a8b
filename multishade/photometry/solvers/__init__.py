# SPDX-License-Identifier: Apache-2.0
"""Images under known lights -> normals, albedo, residual and confidence."""
