# SPDX-License-Identifier: Apache-2.0
"""A material family and a seed in, the family's parameters out, as plain JSON-able data.

`blender_scripts.materials` builds the node tree from the parameters. Lengths and heights are in scene units (an
object's bounding sphere has radius 0.5), colours are linear Rec.709, angles are in radians.
"""

import zlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from multishade.errors import AssetError
from multishade.procedural.reflectance import (
    GRANITES,
    MARBLES,
    METALS,
    OXIDES,
    SANDSTONES,
    SKIN,
    SKIN_FREE_PATH_CM,
    WOODS,
)
from multishade.procedural.sampling import (
    choice,
    clip_albedo,
    log_uniform,
    sample_pigment,
    sample_tint,
    uniform,
)

Kind = Literal["metallic", "non-metallic"]


def _sample_metal(
    rng: np.random.Generator, names: list[str], weights: list[float] | None = None
) -> dict[str, Any]:
    name = choice(rng, names, weights)
    normal_incidence, grazing = METALS[name]
    # A real surface carries a film and never reaches the reflectance of the clean crystal.
    clean = rng.uniform(0.86, 0.96)
    return {
        "metal": name,
        "base_color": clip_albedo(np.array(normal_incidence) * clean),
        "edge_color": [round(v, 4) for v in grazing],
    }


def _metal_brushed(rng: np.random.Generator) -> dict[str, Any]:
    names = ["aluminium", "iron", "titanium", "nickel", "brass", "copper", "gold", "chromium"]
    return _sample_metal(rng, names) | {
        "pattern": choice(rng, ["linear", "spun"]),
        "streak_width": log_uniform(rng, 0.004, 0.008),
        "streak_length": log_uniform(rng, 0.12, 0.5),
        "streak_slope": uniform(rng, 0.03, 0.10),
        "roughness": uniform(rng, 0.24, 0.42),
        "anisotropy": uniform(rng, 0.5, 0.85),
    }


def _metal_hammered(rng: np.random.Generator) -> dict[str, Any]:
    names = ["copper", "brass", "silver", "iron", "gold", "aluminium", "nickel"]
    return _sample_metal(rng, names) | {
        "dimple_size": log_uniform(rng, 0.05, 0.12),
        "dimple_slope": uniform(rng, 0.15, 0.40),
        "roughness": uniform(rng, 0.13, 0.34),
        "tarnish": uniform(rng, 0.0, 0.6),
    }


def _metal_oxidised(rng: np.random.Generator) -> dict[str, Any]:
    metal = _sample_metal(rng, list(OXIDES), [0.4, 0.25, 0.15, 0.1, 0.1])
    thin, thick = OXIDES[metal["metal"]]
    return metal | {
        "oxide_thin": sample_tint(rng, thin),
        "oxide_thick": sample_tint(rng, thick),
        "coverage": uniform(rng, 0.3, 0.75),
        "patch_size": log_uniform(rng, 0.15, 0.4),
        "grain_size": log_uniform(rng, 0.014, 0.026),
        "grain_slope": uniform(rng, 0.12, 0.32),
        "layer_height": log_uniform(rng, 0.0008, 0.002),
        "metal_roughness": uniform(rng, 0.2, 0.4),
        "oxide_roughness": uniform(rng, 0.7, 0.95),
    }


def _metal_polished(rng: np.random.Generator) -> dict[str, Any]:
    return _sample_metal(rng, list(METALS)) | {
        "roughness": uniform(rng, 0.13, 0.3),
        "smudges": uniform(rng, 0.0, 0.12),
        "wave_length": log_uniform(rng, 0.1, 0.3),
        "wave_slope": uniform(rng, 0.0, 0.035),
    }


def _plastic(rng: np.random.Generator) -> dict[str, Any]:
    finish = choice(rng, ["glossy", "satin", "grained", "leather"])
    roughness = {"glossy": (0.1, 0.22), "satin": (0.25, 0.45), "grained": (0.35, 0.6), "leather": (0.3, 0.5)}
    slope = {"glossy": (0.0, 0.02), "satin": (0.01, 0.04), "grained": (0.08, 0.2), "leather": (0.15, 0.35)}
    size = {"glossy": (0.1, 0.3), "satin": (0.03, 0.08), "grained": (0.012, 0.024), "leather": (0.02, 0.045)}
    neutral = rng.uniform() < 0.25
    return {
        "finish": finish,
        "base_color": sample_pigment(rng, (0.0, 0.06), (0.22, 0.9))
        if neutral
        else sample_pigment(rng, (0.45, 0.95), (0.4, 0.92)),
        "roughness": uniform(rng, *roughness[finish]),
        "grain_size": log_uniform(rng, *size[finish]),
        "grain_slope": uniform(rng, *slope[finish]),
        "ior": uniform(rng, 1.46, 1.58),
    }


def _ceramic(rng: np.random.Generator) -> dict[str, Any]:
    finish = choice(rng, ["glazed", "speckled", "crackle", "bisque"], [0.3, 0.3, 0.2, 0.2])
    glaze = sample_pigment(rng, (0.05, 0.75), (0.45, 0.95))
    terracotta = sample_tint(rng, [0.42, 0.18, 0.095], 0.2)
    return {
        "finish": finish,
        "base_color": terracotta if finish == "bisque" else glaze,
        "second_color": sample_tint(rng, np.array(glaze) * rng.uniform(0.25, 0.6)),
        "coat": 0.0 if finish == "bisque" else 1.0,
        "coat_roughness": uniform(rng, 0.03, 0.14),
        "roughness": uniform(rng, 0.6, 0.85) if finish == "bisque" else uniform(rng, 0.3, 0.55),
        "speckle_size": log_uniform(rng, 0.02, 0.045),
        "crackle_size": log_uniform(rng, 0.08, 0.18),
        "ring_spacing": log_uniform(rng, 0.035, 0.09),
        "ring_slope": uniform(rng, 0.0, 0.12),
        "grain_slope": uniform(rng, 0.1, 0.22) if finish == "bisque" else uniform(rng, 0.01, 0.05),
    }


def _wood(rng: np.random.Generator) -> dict[str, Any]:
    species = choice(rng, list(WOODS))
    varnished = bool(rng.uniform() < 0.5)
    early, late = WOODS[species]
    gain = np.exp(rng.normal(0.0, 0.12))
    return {
        "species": species,
        "early_color": clip_albedo(np.array(early) * gain),
        "late_color": clip_albedo(np.array(late) * gain),
        "pith_distance": uniform(rng, 0.1, 0.9),
        "ring_width": log_uniform(rng, 0.025, 0.07),
        "waviness": uniform(rng, 0.03, 0.09),
        "fibre_width": log_uniform(rng, 0.007, 0.012),
        "pores": uniform(rng, 0.2, 1.0)
        if species in ("oak", "walnut", "mahogany", "teak")
        else uniform(rng, 0.0, 0.25),
        "relief_slope": uniform(rng, 0.02, 0.07) if varnished else uniform(rng, 0.08, 0.22),
        "coat": 1.0 if varnished else 0.0,
        "coat_roughness": uniform(rng, 0.06, 0.25),
        "roughness": uniform(rng, 0.35, 0.5) if varnished else uniform(rng, 0.5, 0.75),
    }


def _fabric(rng: np.random.Generator) -> dict[str, Any]:
    weave = choice(rng, ["plain", "twill", "felt"], [0.45, 0.35, 0.2])
    warp = sample_pigment(rng, (0.1, 0.8), (0.3, 0.9))
    two_tone = rng.uniform() < 0.4 and weave != "felt"
    other = sample_pigment(rng, (0.0, 0.6), (0.35, 0.92)) if two_tone else sample_tint(rng, warp, 0.2)
    return {
        "weave": weave,
        "warp_color": warp,
        "weft_color": other,
        "thread_width": log_uniform(rng, 0.014, 0.03),
        "relief": uniform(rng, 0.14, 0.3),
        "fuzz_slope": uniform(rng, 0.25, 0.5),
        "roughness": uniform(rng, 0.8, 1.0),
        "sheen": uniform(rng, 0.1, 0.5),
        "sheen_roughness": uniform(rng, 0.3, 0.6),
    }


def _stone(rng: np.random.Generator) -> dict[str, Any]:
    kind = choice(rng, ["marble", "granite", "sandstone"])
    if kind == "marble":
        name = choice(rng, list(MARBLES))
        colours = [sample_tint(rng, colour, 0.06) for colour in MARBLES[name]]
        roughness, slope = uniform(rng, 0.08, 0.35), uniform(rng, 0.01, 0.05)
    elif kind == "granite":
        name = choice(rng, list(GRANITES))
        colours = [sample_tint(rng, colour, 0.08) for colour in GRANITES[name]]
        rough = rng.uniform() < 0.4
        roughness = uniform(rng, 0.6, 0.85) if rough else uniform(rng, 0.1, 0.35)
        slope = uniform(rng, 0.15, 0.35) if rough else uniform(rng, 0.01, 0.05)
    else:
        name = choice(rng, list(SANDSTONES))
        colours = [sample_tint(rng, colour, 0.1) for colour in SANDSTONES[name]]
        roughness, slope = uniform(rng, 0.8, 0.95), uniform(rng, 0.2, 0.45)
    return {
        "stone": kind,
        "variety": name,
        "colors": colours,
        "roughness": roughness,
        "feature_size": log_uniform(rng, 0.2, 0.45) if kind != "granite" else log_uniform(rng, 0.016, 0.035),
        "grain_size": log_uniform(rng, 0.014, 0.024),
        "grain_slope": slope,
    }


def _skin(rng: np.random.Generator) -> dict[str, Any]:
    tone = rng.uniform(0.0, len(SKIN) - 1.0)
    lower, fraction = int(tone), tone - int(tone)
    colour = (1 - fraction) * SKIN[lower] + fraction * SKIN[min(lower + 1, len(SKIN) - 1)]
    free_path = (1 - fraction) * SKIN_FREE_PATH_CM[lower] + fraction * SKIN_FREE_PATH_CM[
        min(lower + 1, len(SKIN) - 1)
    ]
    object_size_cm = log_uniform(rng, 12.0, 30.0)  # the unit-sized object is between a fist and a head
    return {
        "base_color": sample_tint(rng, colour, 0.05),
        "flush_color": sample_tint(rng, colour * np.array([0.92, 0.66, 0.62]), 0.03),
        "flush": uniform(rng, 0.2, 0.7),
        "freckles": uniform(rng, 0.0, 0.6),
        "free_path": [round(float(v), 6) for v in free_path / object_size_cm],
        "cell_size": log_uniform(rng, 0.013, 0.022),
        "cell_slope": uniform(rng, 0.06, 0.16),
        "wrinkle_slope": uniform(rng, 0.03, 0.1),
        "roughness": uniform(rng, 0.35, 0.55),
    }


def _painted(rng: np.random.Generator) -> dict[str, Any]:
    substrate = choice(rng, ["steel", "primer"])
    bare, edge = METALS["iron"]
    return {
        "base_color": sample_pigment(rng, (0.1, 0.92), (0.35, 0.93)),
        "substrate": substrate,
        "substrate_color": clip_albedo(np.array(bare) * 0.9)
        if substrate == "steel"
        else sample_tint(rng, [0.28, 0.12, 0.08], 0.3),
        "substrate_edge_color": [round(v, 4) for v in edge],
        "chips": uniform(rng, 0.05, 0.4),
        "chip_size": log_uniform(rng, 0.09, 0.25),
        "thickness": log_uniform(rng, 0.0012, 0.003),
        "peel_size": log_uniform(rng, 0.02, 0.04),
        "peel_slope": uniform(rng, 0.015, 0.07),
        "roughness": uniform(rng, 0.25, 0.55),
        "coat": uniform(rng, 0.0, 1.0),
        "coat_roughness": uniform(rng, 0.04, 0.2),
    }


_SAMPLERS: dict[str, tuple[Kind, Callable[[np.random.Generator], dict[str, Any]]]] = {
    "metal_brushed": ("metallic", _metal_brushed),
    "metal_hammered": ("metallic", _metal_hammered),
    "metal_oxidised": ("metallic", _metal_oxidised),
    "metal_polished": ("metallic", _metal_polished),
    "plastic": ("non-metallic", _plastic),
    "ceramic": ("non-metallic", _ceramic),
    "wood": ("non-metallic", _wood),
    "fabric": ("non-metallic", _fabric),
    "stone": ("non-metallic", _stone),
    "skin": ("non-metallic", _skin),
    "painted": ("non-metallic", _painted),
}

FAMILIES: dict[str, Kind] = {family: kind for family, (kind, _) in _SAMPLERS.items()}


def sample_parameters(family: str, seed: int) -> dict[str, Any]:
    """Sample the parameters of one built-in material: a family and a seed always give the same.

    Args:
        family: One of `FAMILIES`.
        seed: 0 or more. Families do not share random numbers.

    Returns:
        Parameters by name: numbers, strings, lists of numbers. Every family has `orientation` (three Euler XYZ
        angles in radians) and `offset` (three scene units), which place the texture in the object's frame. `*_slope`
        is the typical slope (rise over run) of a relief; `*_size`, `*_width` and the like are lengths.

    Raises:
        AssetError: If the family does not exist or the seed is negative.
    """
    if family not in _SAMPLERS:
        raise AssetError(
            f"built-in material family {family!r} does not exist; choose one of: {', '.join(_SAMPLERS)}"
        )
    if seed < 0:
        raise AssetError(f"built-in material {family!r}: seed {seed} is negative; use 0 or more")
    rng = np.random.default_rng([seed, zlib.crc32(family.encode())])
    placement = {
        "orientation": [uniform(rng, 0.0, 2 * np.pi) for _ in range(3)],
        "offset": [uniform(rng, -2.0, 2.0) for _ in range(3)],
    }
    return _SAMPLERS[family][1](rng) | placement
