# SPDX-License-Identifier: GPL-3.0-or-later
"""Moulded, glazed and painted materials: plastic, ceramic, painted metal."""

from statistics import NormalDist
from typing import Any

from blender_scripts.procedural.graph import NOISE_SLOPE, Graph, Scalar, Value
from blender_scripts.procedural.surface import Surface


def plastic(g: Graph, p: dict[str, Any]) -> Surface:
    """Moulded plastic: glossy, satin, with a fine mould grain, or with the grain of leather."""
    size, slope = p["grain_size"], p["grain_slope"]
    if p["finish"] == "leather":
        fall, level, shade = g.bowls(size, -slope)
        relief: dict[str, Any] = {"fall": fall}
        gain = level.ramp(0.5, 1.0, 1.0, 0.8)
        roughness: Value = shade.parts()[0].times_plus(0.08, p["roughness"])
    else:
        relief = {"height": g.relief(g.position, size, slope, 1)}
        gain = g.noise(g.position, 0.4, 1).ramp(0.3, 0.7, 0.94, 1.0)
        roughness = g.noise(g.position, 0.2, 2).ramp(0.35, 0.65, p["roughness"], p["roughness"] * 1.25)
    return Surface(
        {"Base Color": g.constant(p["base_color"]) * gain, "Roughness": roughness, "IOR": p["ior"]}, **relief
    )


def ceramic(g: Graph, p: dict[str, Any]) -> Surface:
    """Thrown pottery: the rings of the wheel, and a glaze that is plain, speckled or crackled; or bare bisque."""
    sway = g.noise(g.position, 0.5)
    rise = sway.times_plus(2.0 * p["ring_spacing"], g.object_position.dot((0.0, 0.0, 1.0)))
    rings = g.noise_along(rise, p["ring_spacing"]) * (p["ring_slope"] * p["ring_spacing"] / NOISE_SLOPE)
    height = rings + g.relief(g.position, 0.014 if p["finish"] == "bisque" else 0.05, p["grain_slope"])
    pool = g.noise(g.position, 0.25, 1).ramp(0.4, 0.75, 0.0, 0.45)
    pooled = g.mix_colour(pool, p["base_color"], p["second_color"])
    match p["finish"]:
        case "speckled":
            distance, random = g.cells(g.position, p["speckle_size"])
            size, chosen, _ = random.parts()
            speck = (size.times_plus(0.3, 0.1) - distance).ramp(-0.03, 0.03) * chosen.above(0.45)
            colour = g.mix_colour(speck * 0.9, pooled, p["second_color"])
        case "crackle":
            border = g.cell_borders(g.warped(g.position, 0.1, 0.02), p["crackle_size"])
            line = border.ramp(0.045, 0.01)
            colour = g.mix_colour(line * 0.8, pooled, p["second_color"])
        case _:
            colour = pooled
    return Surface(
        {
            "Base Color": colour,
            "Roughness": p["roughness"],
            "Coat Weight": p["coat"],
            "Coat Roughness": p["coat_roughness"],
        },
        height,
    )


def painted(g: Graph, p: dict[str, Any]) -> Surface:
    """Sprayed paint with orange peel, chipped down to steel or primer; the chips' edges have the paint's thickness."""
    flakes = g.noise(g.position, p["chip_size"], 3, 0.55)
    edge = NormalDist(0.5, 0.08).inv_cdf(1 - 0.5 * p["chips"])
    chipped = flakes.ramp(edge - 0.008, edge + 0.008)
    film = flakes.ramp(edge + 0.025, edge - 0.025, smooth=False)
    peel = g.relief(g.position, p["peel_size"], p["peel_slope"])
    steel = p["substrate"] == "steel"
    shade = g.noise(g.position, 0.04, 1).ramp(0.3, 0.7, 0.7, 1.1)
    substrate = g.constant(p["substrate_color"]) * shade
    intact: Scalar = 1.0 - chipped
    metal: dict[str, Value] = {}
    if steel:
        tint = g.mix_colour(chipped, (1.0, 1.0, 1.0), p["substrate_edge_color"])
        metal = {"Metallic": chipped, "Specular Tint": tint}
    return Surface(
        metal
        | {
            "Base Color": g.mix_colour(chipped, p["base_color"], substrate),
            "Roughness": g.mix(chipped, p["roughness"], 0.38 if steel else 0.75),
            "Coat Weight": intact * p["coat"],
            "Coat Roughness": p["coat_roughness"],
        },
        (peel + p["thickness"]) * film,
    )
