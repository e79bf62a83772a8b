# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender side: requests (see `multishade.protocol`) -> arrays. The only code that imports bpy, hence GPL."""
