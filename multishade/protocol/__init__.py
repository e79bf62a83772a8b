# SPDX-License-Identifier: Apache-2.0
"""What a worker and Blender say to each other. Standard library only, since Blender's Python imports it too."""
