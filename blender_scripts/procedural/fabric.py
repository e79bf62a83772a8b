# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloth: plain weave, twill and felt.

Threads need two directions on the surface, which an object without UVs does not have. The weave is computed in the
three coordinate planes at once (the three components of each vector node are the planes across x, y and z) and blended
by the normal.
"""

import math
from typing import Any

from blender_scripts.procedural.graph import Graph, Scalar
from blender_scripts.procedural.surface import Surface


def fabric(g: Graph, p: dict[str, Any]) -> Surface:
    if p["weave"] == "felt":
        height = g.relief(g.position, 0.02, p["fuzz_slope"], 1)
        tangle = g.noise(g.position, 0.03, 2)
        colour = g.mix_colour(tangle.ramp(0.35, 0.65), p["warp_color"], p["weft_color"])
        shade = tangle.ramp(0.3, 0.7, 0.8, 1.05)
    else:
        top, warp_on_top = _weave(g, p["thread_width"], p["weave"] == "twill")
        height = top * (p["relief"] * p["thread_width"])
        colour = g.mix_colour(warp_on_top, p["weft_color"], p["warp_color"])
        slub = g.noise(g.position, 3 * p["thread_width"], 1).ramp(0.3, 0.7, 0.78, 1.05, smooth=False)
        shade = (
            top.ramp(0.2, 1.0, 0.45, 1.0) * slub
        )  # threads are darker at crossings, below the other thread
    return Surface(
        {
            "Base Color": colour * shade,
            "Roughness": p["roughness"],
            "Specular IOR Level": 0.15,
            "Sheen Weight": p["sheen"],
            "Sheen Roughness": p["sheen_roughness"],
            "Sheen Tint": [0.3 + 0.7 * c for c in p["warp_color"]],
        },
        height=height,
    )


def _weave(g: Graph, thread_width: float, twill: bool) -> tuple[Scalar, Scalar]:
    """Height of the upper thread (0 to about 1, in thread widths) and 1 where that thread is of the warp."""
    x, y, z = (g.position * (math.pi / thread_width)).parts()
    u, v = g.combine(y, z, x), g.combine(z, x, y)  # in the planes across x, y, z; a thread every pi
    across, along = u.sine(), v.sine()
    if twill:
        # Warp over three, under one, each thread starting one further than its neighbour: the ribs run diagonally.
        lift = ((u - v) * 0.5).sine().times_plus((0.35,) * 3, (0.21,) * 3)
    else:
        lift = across * along * 0.35
    warp, weft = across.absolute() + lift, along.absolute() - lift
    weights = g.normal * g.normal
    weights = weights * weights * weights
    share = weights.dot((1.0, 1.0, 1.0))
    top = g.math("DIVIDE", weights.dot(warp.maximum(weft)), share)
    difference = g.math("DIVIDE", weights.dot(warp - weft), share)
    return top, difference.ramp(-0.05, 0.05)
