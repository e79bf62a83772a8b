# SPDX-License-Identifier: Apache-2.0
"""Built-in material families: a family's name and a seed go in, plain JSON-able parameters come out.

Nothing here knows Blender; `blender_scripts.materials` builds a material from what `draw` returns. Lengths and heights
are in scene units (an object's bounding sphere has radius 0.5), colours scene-linear Rec.709, angles radians.
"""

import colorsys
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
    Colour,
)

Kind = Literal["metallic", "non-metallic"]

DARKEST, BRIGHTEST = 0.03, 0.9  # charcoal and fresh snow: what opaque matter reflects lies between them


def _colour(values: Any) -> Colour:
    return [round(float(v), 4) for v in np.clip(values, DARKEST, BRIGHTEST)]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 6)


def _ratio_between(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in the logarithm: for lengths and heights, where a factor is what the eye sees."""
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), 6)


def _pick(rng: np.random.Generator, choices: list[str], weights: list[float] | None = None) -> str:
    return str(rng.choice(choices, p=weights))


def _pigment(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    """A colour drawn in display-encoded HSV, where hues are spread as the eye spreads them; returned linear."""
    encoded = np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)))
    return _colour(np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4))


def _tinted(rng: np.random.Generator, colour: Any, spread: float = 0.12) -> Colour:
    """The colour, a little lighter or darker and warmer or colder."""
    gain = np.exp(rng.normal(0.0, spread)) * np.exp(rng.normal(0.0, spread / 4, 3))
    return _colour(np.asarray(colour) * gain)


def _metal(rng: np.random.Generator, names: list[str], weights: list[float] | None = None) -> dict[str, Any]:
    name = _pick(rng, names, weights)
    normal_incidence, grazing = METALS[name]
    clean = rng.uniform(
        0.86, 0.96
    )  # a real surface carries a film: it never reaches the clean crystal's reflectance
    return {
        "metal": name,
        "base_color": _colour(np.array(normal_incidence) * clean),
        "edge_color": [round(v, 4) for v in grazing],
    }


def _metal_brushed(rng: np.random.Generator) -> dict[str, Any]:
    names = ["aluminium", "iron", "titanium", "nickel", "brass", "copper", "gold", "chromium"]
    return _metal(rng, names) | {
        "pattern": _pick(rng, ["linear", "spun"]),
        "streak_width": _ratio_between(rng, 0.004, 0.008),
        "streak_length": _ratio_between(rng, 0.12, 0.5),
        "streak_slope": _between(rng, 0.03, 0.10),
        "roughness": _between(rng, 0.24, 0.42),
        "anisotropy": _between(rng, 0.5, 0.85),
    }


def _metal_hammered(rng: np.random.Generator) -> dict[str, Any]:
    names = ["copper", "brass", "silver", "iron", "gold", "aluminium", "nickel"]
    return _metal(rng, names) | {
        "dimple_size": _ratio_between(rng, 0.05, 0.12),
        "dimple_slope": _between(rng, 0.15, 0.40),
        "roughness": _between(rng, 0.13, 0.34),
        "tarnish": _between(rng, 0.0, 0.6),
    }


def _metal_oxidised(rng: np.random.Generator) -> dict[str, Any]:
    metal = _metal(rng, list(OXIDES), [0.4, 0.25, 0.15, 0.1, 0.1])
    thin, thick = OXIDES[metal["metal"]]
    return metal | {
        "oxide_thin": _tinted(rng, thin),
        "oxide_thick": _tinted(rng, thick),
        "coverage": _between(rng, 0.3, 0.75),
        "patch_size": _ratio_between(rng, 0.15, 0.4),
        "grain_size": _ratio_between(rng, 0.014, 0.026),
        "grain_slope": _between(rng, 0.12, 0.32),
        "layer_height": _ratio_between(rng, 0.0008, 0.002),
        "metal_roughness": _between(rng, 0.2, 0.4),
        "oxide_roughness": _between(rng, 0.7, 0.95),
    }


def _metal_polished(rng: np.random.Generator) -> dict[str, Any]:
    return _metal(rng, list(METALS)) | {
        "roughness": _between(rng, 0.13, 0.3),
        "smudges": _between(rng, 0.0, 0.12),
        "wave_length": _ratio_between(rng, 0.1, 0.3),
        "wave_slope": _between(rng, 0.0, 0.035),
    }


def _plastic(rng: np.random.Generator) -> dict[str, Any]:
    finish = _pick(rng, ["glossy", "satin", "grained", "leather"])
    roughness = {"glossy": (0.1, 0.22), "satin": (0.25, 0.45), "grained": (0.35, 0.6), "leather": (0.3, 0.5)}
    slope = {"glossy": (0.0, 0.02), "satin": (0.01, 0.04), "grained": (0.08, 0.2), "leather": (0.15, 0.35)}
    size = {"glossy": (0.1, 0.3), "satin": (0.03, 0.08), "grained": (0.012, 0.024), "leather": (0.02, 0.045)}
    neutral = rng.uniform() < 0.25
    return {
        "finish": finish,
        "base_color": _pigment(rng, (0.0, 0.06), (0.22, 0.9))
        if neutral
        else _pigment(rng, (0.45, 0.95), (0.4, 0.92)),
        "roughness": _between(rng, *roughness[finish]),
        "grain_size": _ratio_between(rng, *size[finish]),
        "grain_slope": _between(rng, *slope[finish]),
        "ior": _between(rng, 1.46, 1.58),
    }


def _ceramic(rng: np.random.Generator) -> dict[str, Any]:
    finish = _pick(rng, ["glazed", "speckled", "crackle", "bisque"], [0.3, 0.3, 0.2, 0.2])
    glaze = _pigment(rng, (0.05, 0.75), (0.45, 0.95))
    terracotta = _tinted(rng, [0.42, 0.18, 0.095], 0.2)
    return {
        "finish": finish,
        "base_color": terracotta if finish == "bisque" else glaze,
        "second_color": _tinted(rng, np.array(glaze) * rng.uniform(0.25, 0.6)),
        "coat": 0.0 if finish == "bisque" else 1.0,
        "coat_roughness": _between(rng, 0.03, 0.14),
        "roughness": _between(rng, 0.6, 0.85) if finish == "bisque" else _between(rng, 0.3, 0.55),
        "speckle_size": _ratio_between(rng, 0.02, 0.045),
        "crackle_size": _ratio_between(rng, 0.08, 0.18),
        "ring_spacing": _ratio_between(rng, 0.035, 0.09),
        "ring_slope": _between(rng, 0.0, 0.12),
        "grain_slope": _between(rng, 0.1, 0.22) if finish == "bisque" else _between(rng, 0.01, 0.05),
    }


def _wood(rng: np.random.Generator) -> dict[str, Any]:
    species = _pick(rng, list(WOODS))
    varnished = bool(rng.uniform() < 0.5)
    early, late = WOODS[species]
    gain = np.exp(rng.normal(0.0, 0.12))
    return {
        "species": species,
        "early_color": _colour(np.array(early) * gain),
        "late_color": _colour(np.array(late) * gain),
        "pith_distance": _between(rng, 0.1, 0.9),
        "ring_width": _ratio_between(rng, 0.025, 0.07),
        "waviness": _between(rng, 0.03, 0.09),
        "fibre_width": _ratio_between(rng, 0.007, 0.012),
        "pores": _between(rng, 0.2, 1.0)
        if species in ("oak", "walnut", "mahogany", "teak")
        else _between(rng, 0.0, 0.25),
        "relief_slope": _between(rng, 0.02, 0.07) if varnished else _between(rng, 0.08, 0.22),
        "coat": 1.0 if varnished else 0.0,
        "coat_roughness": _between(rng, 0.06, 0.25),
        "roughness": _between(rng, 0.35, 0.5) if varnished else _between(rng, 0.5, 0.75),
    }


def _fabric(rng: np.random.Generator) -> dict[str, Any]:
    weave = _pick(rng, ["plain", "twill", "felt"], [0.45, 0.35, 0.2])
    warp = _pigment(rng, (0.1, 0.8), (0.3, 0.9))
    two_tone = rng.uniform() < 0.4 and weave != "felt"
    other = _pigment(rng, (0.0, 0.6), (0.35, 0.92)) if two_tone else _tinted(rng, warp, 0.2)
    return {
        "weave": weave,
        "warp_color": warp,
        "weft_color": other,
        "thread_width": _ratio_between(rng, 0.014, 0.03),
        "relief": _between(rng, 0.14, 0.3),
        "fuzz_slope": _between(rng, 0.25, 0.5),
        "roughness": _between(rng, 0.8, 1.0),
        "sheen": _between(rng, 0.1, 0.5),
        "sheen_roughness": _between(rng, 0.3, 0.6),
    }


def _stone(rng: np.random.Generator) -> dict[str, Any]:
    kind = _pick(rng, ["marble", "granite", "sandstone"])
    if kind == "marble":
        name = _pick(rng, list(MARBLES))
        colours = [_tinted(rng, colour, 0.06) for colour in MARBLES[name]]
        roughness, slope = _between(rng, 0.08, 0.35), _between(rng, 0.01, 0.05)
    elif kind == "granite":
        name = _pick(rng, list(GRANITES))
        colours = [_tinted(rng, colour, 0.08) for colour in GRANITES[name]]
        rough = rng.uniform() < 0.4
        roughness = _between(rng, 0.6, 0.85) if rough else _between(rng, 0.1, 0.35)
        slope = _between(rng, 0.15, 0.35) if rough else _between(rng, 0.01, 0.05)
    else:
        name = _pick(rng, list(SANDSTONES))
        colours = [_tinted(rng, colour, 0.1) for colour in SANDSTONES[name]]
        roughness, slope = _between(rng, 0.8, 0.95), _between(rng, 0.2, 0.45)
    return {
        "stone": kind,
        "variety": name,
        "colors": colours,
        "roughness": roughness,
        "feature_size": _ratio_between(rng, 0.2, 0.45)
        if kind != "granite"
        else _ratio_between(rng, 0.016, 0.035),
        "grain_size": _ratio_between(rng, 0.014, 0.024),
        "grain_slope": slope,
    }


def _skin(rng: np.random.Generator) -> dict[str, Any]:
    tone = rng.uniform(0.0, len(SKIN) - 1.0)
    lower, fraction = int(tone), tone - int(tone)
    colour = (1 - fraction) * SKIN[lower] + fraction * SKIN[min(lower + 1, len(SKIN) - 1)]
    free_path = (1 - fraction) * SKIN_FREE_PATH_CM[lower] + fraction * SKIN_FREE_PATH_CM[
        min(lower + 1, len(SKIN) - 1)
    ]
    object_size_cm = _ratio_between(
        rng, 12.0, 30.0
    )  # what the unit-sized object stands for: a fist to a head
    return {
        "base_color": _tinted(rng, colour, 0.05),
        "flush_color": _tinted(rng, colour * np.array([0.92, 0.66, 0.62]), 0.03),
        "flush": _between(rng, 0.2, 0.7),
        "freckles": _between(rng, 0.0, 0.6),
        "free_path": [round(float(v), 6) for v in free_path / object_size_cm],
        "cell_size": _ratio_between(rng, 0.013, 0.022),
        "cell_slope": _between(rng, 0.06, 0.16),
        "wrinkle_slope": _between(rng, 0.03, 0.1),
        "roughness": _between(rng, 0.35, 0.55),
    }


def _painted(rng: np.random.Generator) -> dict[str, Any]:
    substrate = _pick(rng, ["steel", "primer"])
    bare, edge = METALS["iron"]
    return {
        "base_color": _pigment(rng, (0.1, 0.92), (0.35, 0.93)),
        "substrate": substrate,
        "substrate_color": _colour(np.array(bare) * 0.9)
        if substrate == "steel"
        else _tinted(rng, [0.28, 0.12, 0.08], 0.3),
        "substrate_edge_color": [round(v, 4) for v in edge],
        "chips": _between(rng, 0.05, 0.4),
        "chip_size": _ratio_between(rng, 0.09, 0.25),
        "thickness": _ratio_between(rng, 0.0012, 0.003),
        "peel_size": _ratio_between(rng, 0.02, 0.04),
        "peel_slope": _between(rng, 0.015, 0.07),
        "roughness": _between(rng, 0.25, 0.55),
        "coat": _between(rng, 0.0, 1.0),
        "coat_roughness": _between(rng, 0.04, 0.2),
    }


_DRAWS: dict[str, tuple[Kind, Callable[[np.random.Generator], dict[str, Any]]]] = {
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

FAMILIES: dict[str, Kind] = {family: kind for family, (kind, _) in _DRAWS.items()}


def draw(family: str, seed: int) -> dict[str, Any]:
    """Parameters of one built-in material: the same family and seed give the same, for ever.

    Every family has `orientation` (Euler XYZ angles, radians) and `offset` (scene units), which place the texture in
    the object's frame; `*_slope` is the typical slope (rise over run) of a relief, `*_size`, `*_width` and the like are
    lengths.

    Raises AssetError for a family that does not exist or a negative seed.
    """
    if family not in _DRAWS:
        raise AssetError(
            f"built-in material family {family!r} does not exist; choose one of: {', '.join(_DRAWS)}"
        )
    if seed < 0:
        raise AssetError(f"built-in material {family!r}: seed {seed} is negative; use 0 or more")
    rng = np.random.default_rng([seed, zlib.crc32(family.encode())])
    placement = {
        "orientation": [_between(rng, 0.0, 2 * np.pi) for _ in range(3)],
        "offset": [_between(rng, -2.0, 2.0) for _ in range(3)],
    }
    return _DRAWS[family][1](rng) | placement
