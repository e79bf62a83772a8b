# SPDX-License-Identifier: Apache-2.0
"""The messages between a worker and Blender. Standard library only, since Blender's Python imports it, too."""
