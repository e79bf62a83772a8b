# SPDX-License-Identifier: GPL-3.0-or-later
"""Metals: brushed, hammered, oxidised, polished."""

from statistics import NormalDist
from typing import Any

from blender_scripts.procedural.graph import NOISE_SLOPE, Graph, Triple, Vector
from blender_scripts.procedural.surface import Surface


def brushed(g: Graph, p: dict[str, Any]) -> Surface:
    """Fine scratches, straight or turned on a lathe, with the highlight drawn out across them.

    Scratches are the intersections of the surface with planes across z, so they continue over any shape. If the
    surface itself faces z, these are no lines: scratches follow planes across x (straight) or circles about z (turned).
    """
    width, length = p["streak_width"], p["streak_length"]
    fine, coarse = 1 / width, 1 / length
    at = g.rotated + g.offset
    first = g.noise(at * (coarse, coarse, fine), 1.0, 1)
    if p["pattern"] == "spun":
        radius = (g.rotated * (1.0, 1.0, 0.0)).length()
        second = g.noise(g.combine(radius * fine, at.dot((coarse, 0.7 * coarse, 0.0)), 0.0), 1.0, 1)
        outward = g.vector_math("CROSS_PRODUCT", g.object_position, g.axes[2]).cross(g.axes[2]) * -1.0
        aside: Vector | Triple = outward.normalised()
    else:
        second = g.noise(at * (fine, coarse, coarse), 1.0, 1)
        aside = g.axes[0]
    facing = g.normal.dot(g.axes[2]).absolute().ramp(0.72, 0.88)
    streaks = g.mix(facing, first, second)
    shade = streaks.ramp(0.3, 0.7, 0.8, 1.0, smooth=False)
    return Surface(
        {
            "Base Color": g.constant(p["base_color"]) * shade,
            "Specular Tint": p["edge_color"],
            "Metallic": 1.0,
            "Roughness": streaks.ramp(0.25, 0.75, p["roughness"] * 0.8, p["roughness"] * 1.25, smooth=False),
            # Zero between the two directions; otherwise the rotating tangent would show as a bright line.
            "Anisotropic": facing.times_plus(-2.0, 1.0).absolute() * p["anisotropy"],
            # Across the scratches, the direction in which the highlight is wide.
            "Tangent": g.mix_vector(facing, g.axes[2], aside),
        },
        height=streaks * (p["streak_slope"] * width / NOISE_SLOPE),
    )


def hammered(g: Graph, p: dict[str, Any]) -> Surface:
    """Overlapping round dimples, tarnished in the hollows, bright on the ridges."""
    fall, level, shade = g.bowls(p["dimple_size"], p["dimple_slope"])
    patches = g.noise(g.position, 0.25)
    tarnish = (level.ramp(0.9, 0.2, smooth=False) * patches.ramp(0.3, 0.65)) * p["tarnish"]
    return Surface(
        {
            "Base Color": g.mix_colour(tarnish, p["base_color"], [0.3 * c + 0.01 for c in p["base_color"]]),
            "Specular Tint": p["edge_color"],
            "Metallic": 1.0,
            "Roughness": shade.parts()[0].times_plus(0.08, p["roughness"]) + tarnish * 0.25,
        },
        fall=fall,
    )


def oxidised(g: Graph, p: dict[str, Any]) -> Surface:
    """Bare metal under a crust (rust, verdigris, tarnish) that covers it in patches; one shader, its inputs mixed."""
    patches = g.noise(g.position, p["patch_size"], 3, 0.62)
    grain = g.noise(g.position, p["grain_size"], 1)
    spread = NormalDist(0.5, 0.085)  # the distribution of `noise` with this many octaves
    edge = spread.inv_cdf(1 - p["coverage"])
    # The grain eats into the border of the patches, as corrosion creeps along it.
    mask = grain.times_plus(0.10, patches).ramp(edge + 0.05 - 0.02, edge + 0.05 + 0.03)
    thickness = patches.ramp(edge, edge + 0.14)
    shade = grain.ramp(0.25, 0.75, 0.65, 1.35, smooth=False)
    oxide = g.mix_colour(thickness, p["oxide_thin"], p["oxide_thick"]) * shade
    grains = (grain - 0.5) * (p["grain_slope"] * p["grain_size"] / NOISE_SLOPE)
    crust = grains + thickness.times_plus(p["layer_height"], p["layer_height"])
    return Surface(
        {
            "Base Color": g.mix_colour(mask, p["base_color"], oxide),
            "Specular Tint": g.mix_colour(mask, p["edge_color"], (1.0, 1.0, 1.0)),
            "Metallic": 1.0 - mask,
            "Roughness": g.mix(mask, p["metal_roughness"], p["oxide_roughness"]),
        },
        height=crust * mask + patches * (0.03 * p["patch_size"]),
    )


def polished(g: Graph, p: dict[str, Any]) -> Surface:
    """A mirror with fingerprints and the faint undulation of buffing."""
    smudge = g.noise(g.position, 0.16, 2, 0.6).ramp(0.45, 0.62)
    return Surface(
        {
            "Base Color": p["base_color"],
            "Specular Tint": p["edge_color"],
            "Metallic": 1.0,
            "Roughness": smudge.times_plus(p["smudges"], p["roughness"]),
        },
        height=g.relief(g.position, p["wave_length"], p["wave_slope"], 1),
    )
