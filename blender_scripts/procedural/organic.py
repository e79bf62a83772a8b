# SPDX-License-Identifier: GPL-3.0-or-later
"""Organic materials: wood and skin."""

from typing import Any

from blender_scripts.procedural.graph import NOISE_SLOPE, Graph
from blender_scripts.procedural.surface import Surface


def wood(g: Graph, p: dict[str, Any]) -> Surface:
    """Solid wood: growth rings about a pith that runs along z beside the object, fibres and pores along it."""
    at = g.rotated + g.offset
    trunk = g.rotated.times_plus((1.0, 1.0, 0.0), (p["pith_distance"], 0.0, 0.0))
    sway = g.noise(at * (1.0, 1.0, 0.35), 0.4)
    radius = sway.times_plus(2.5 * p["waviness"], trunk.length())
    ring = radius * (1 / p["ring_width"])
    season = ring.fraction()  # 0 in spring, rising to 1 in autumn, then winter's sharp edge
    late = season.ramp(0.1, 0.9) * season.ramp(1.0, 0.82)
    years = g.noise_along(ring, 2.3).ramp(0.25, 0.75, 0.45, 1.0)
    width = p["fibre_width"]
    fibres = g.noise(at * (1 / width, 1 / width, 0.06 / width), 1.0, 1)
    pores = fibres.ramp(0.42, 0.3) * (p["pores"] * 0.8)
    shade = fibres.ramp(0.25, 0.75, 0.82, 1.12, smooth=False)
    colour = g.mix_colour(late * years, p["early_color"], p["late_color"]) * shade
    dark = [0.45 * c for c in p["late_color"]]
    slope = p["relief_slope"]
    height = (
        fibres * (slope * width / NOISE_SLOPE)
        - pores * (slope * width)
        + late * (0.35 * slope * p["ring_width"])
    )
    return Surface(
        {
            "Base Color": g.mix_colour(pores, colour, dark),
            "Roughness": late.times_plus(-0.12, p["roughness"]),
            "Coat Weight": p["coat"],
            "Coat Roughness": p["coat_roughness"],
        },
        height,
    )


def skin(g: Graph, p: dict[str, Any]) -> Surface:
    """Skin: light scatters beneath it; a fine net of furrows, soft wrinkles, flushed patches and freckles."""
    fall, furrow, random = g.bowls(p["cell_size"], -p["cell_slope"])
    flush = g.noise(g.position, 0.3, 2, 0.6).ramp(0.42, 0.68) * p["flush"]
    toned = g.mix_colour(flush, p["base_color"], p["flush_color"])
    spotted = random.parts()[1].ramp(1.0 - 0.25 * p["freckles"], 1.02)
    freckle = spotted * furrow.ramp(0.6, 0.1) * (1.2 * p["freckles"])
    colour = g.mix_colour(freckle, toned, [0.55 * c for c in p["flush_color"]])
    return Surface(
        {
            "Base Color": colour,
            "Roughness": furrow.ramp(0.0, 1.0, p["roughness"] * 0.9, p["roughness"] * 1.15),
            "IOR": 1.4,
            "Subsurface Weight": 1.0,
            "Subsurface Radius": p["free_path"],
            "Subsurface Scale": 1.0,
        },
        height=g.relief(g.position, 0.07, p["wrinkle_slope"]),
        fall=fall,
    )
