# SPDX-License-Identifier: Apache-2.0
"""What marks a line of the Blender child's output as an answer; every other line is Blender talking to itself."""

MARK = "@multishade "
