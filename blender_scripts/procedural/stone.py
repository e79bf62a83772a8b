# SPDX-License-Identifier: GPL-3.0-or-later
"""Stone: marble, granite, sandstone."""

from typing import Any

from blender_scripts.procedural.graph import NOISE_SLOPE, Graph
from blender_scripts.procedural.surface import Surface


def stone(g: Graph, p: dict[str, Any]) -> Surface:
    return {"marble": _marble, "granite": _granite, "sandstone": _sandstone}[p["stone"]](g, p)


def _marble(g: Graph, p: dict[str, Any]) -> Surface:
    """Veins where a warped noise crosses its mean: broad soft ones, and fine sharp ones."""
    ground, vein = p["colors"]
    size = p["feature_size"]
    warped = g.position + g.noise_vector(g.position, 0.8 * size, 1) * (1.1 * size)
    broad = (g.noise(warped, size, 3, 0.55) - 0.5).absolute()
    fine = (g.noise(warped + (3.1, 1.7, 0.4), 0.55 * size, 2) - 0.5).absolute()
    cloud = g.noise(warped, 1.6 * size, 1)
    veins = (broad.ramp(0.04, 0.0) * cloud.ramp(0.35, 0.6)).maximum(fine.ramp(0.012, 0.0) * 0.6)
    haze = cloud.ramp(0.3, 0.75, 0.0, 0.25)
    colour = g.mix_colour(veins * 0.85, g.mix_colour(haze, ground, vein), vein)
    height = g.relief(g.position, 0.1, p["grain_slope"], 1)
    return Surface({"Base Color": colour, "Roughness": veins.times_plus(0.08, p["roughness"])}, height)


def _granite(g: Graph, p: dict[str, Any]) -> Surface:
    """Interlocked crystals of four minerals, some of them large."""
    quartz, feldspar, plagioclase, mica = p["colors"]
    size = p["feature_size"]
    _, random = g.cells(g.warped(g.position, 0.7 * size, 0.45 * size), size)
    which, shade, _ = random.parts()
    blotch = g.noise(g.position, 5 * size, 1).ramp(0.35, 0.65, -0.2, 0.2)
    pick = which + blotch
    colour = g.mix_colour(pick.above(0.42), quartz, feldspar)
    colour = g.mix_colour(pick.above(0.72), colour, plagioclase)
    colour = g.mix_colour(pick.above(0.88), colour, mica)
    gain = shade.times_plus(0.4, 0.8)
    height = g.relief(g.position, p["grain_size"], p["grain_slope"], 1)
    return Surface({"Base Color": colour * gain, "Roughness": which.times_plus(0.1, p["roughness"])}, height)


def _sandstone(g: Graph, p: dict[str, Any]) -> Surface:
    """Weathered layers of sand: the softer layers recede, the grains protrude."""
    light, dark = p["colors"]
    size = p["feature_size"]
    sway = g.noise(g.position, 0.4)
    depth = sway.times_plus(0.25 * size, g.rotated.dot((0.0, 0.0, 1.0)))
    beds = g.noise_along(depth, size / 3, 2)
    grains = g.noise(g.position, p["grain_size"], 1)
    weather = g.noise(g.position, 0.08)
    colour = g.mix_colour(beds.ramp(0.4, 0.6), light, dark) * grains.ramp(0.25, 0.75, 0.72, 1.2, smooth=False)
    height = (
        grains * (p["grain_slope"] * p["grain_size"] / NOISE_SLOPE)
        + weather * (0.4 * p["grain_slope"] * 0.1 / NOISE_SLOPE)
        + beds * (0.06 * size)
    )
    return Surface({"Base Color": colour, "Roughness": p["roughness"], "Specular IOR Level": 0.35}, height)
