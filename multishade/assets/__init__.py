# SPDX-License-Identifier: Apache-2.0
"""Assets people bring: folders or remote sources of meshes, map sets and environments in, manifest rows
out."""
