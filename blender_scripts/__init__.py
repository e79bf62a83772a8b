# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender side: render requests (see `multishade.scene`) -> arrays. The only code that imports bpy, hence GPL."""
