# SPDX-License-Identifier: GPL-3.0-or-later
"""A material with a grey image in the place of a normal map -> the same without it.

A normal map of a tangent space is blue where it is plain. A grey image is a height: what an OBJ calls `bump`, and what
authors mistake for a normal map. Importers make a normal map of it, along which every normal would lean to one side.
How high its white is, no such file says, so that no relief can be made of it.
"""

import bpy
import numpy as np

from blender_scripts import audit
from multishade.protocol import limits

SIDE = 256  # pixels to which an image is reduced to be looked at
COMBINED = ("COMBINE_COLOR", "COMBRGB", "COMBXYZ")  # nodes that make a colour of grey


def leave_out_grey(material: bpy.types.Material) -> bool:
    """Remove the normal-map nodes of a material that read one grey image; whether there were any."""
    removed = False
    for node in audit.nodes_in_use(material):
        if node.type != "NORMAL_MAP" or not node.inputs["Color"].is_linked:
            continue
        behind = list(audit.upstream(node.inputs["Color"].links[0].from_node))
        images = {each.image for each in behind if each.type == "TEX_IMAGE"}
        if len(images) == 1 and not any(each.type in COMBINED for each in behind) and _is_grey(images.pop()):
            node.id_data.nodes.remove(node)
            removed = True
    return removed


def _is_grey(image: bpy.types.Image) -> bool:
    """Whether an image that decodes has no colour."""
    if image.source != "FILE":
        return False
    small = image.copy()
    try:
        if max(small.size) > SIDE:
            small.scale(*(min(SIDE, side) for side in small.size))
        pixels = np.empty(small.size[0] * small.size[1] * small.channels, np.float32)
        small.pixels.foreach_get(pixels)
        colours = 3 if small.channels > 2 else 1  # the rest is alpha
        return limits.has_no_colour(np.clip(pixels.reshape(-1, small.channels)[:, :colours], 0, 1))
    finally:
        bpy.data.images.remove(small)
