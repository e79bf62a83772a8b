# SPDX-License-Identifier: Apache-2.0
"""Built-in assets: meshes and material parameters from a family and a seed."""
