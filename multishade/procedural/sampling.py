# SPDX-License-Identifier: Apache-2.0
"""A generator and a range in, one random number, name or colour out, rounded as material parameters are stored."""

import colorsys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from multishade.procedural.reflectance import BRIGHTEST, DARKEST, Colour


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Sample a number uniformly from [low, high)."""
    return round(float(rng.uniform(low, high)), 6)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Sample a number whose logarithm is uniform: for lengths and heights, which are perceived as ratios."""
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), 6)


def choice(rng: np.random.Generator, choices: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """Sample one of the names; all are equally likely unless there are weights, whose sum is 1."""
    return str(rng.choice(choices, p=weights))


def sample_pigment(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> Colour:
    """Sample a linear colour from ranges of HSV saturation and value, display-encoded, and any hue."""
    encoded = np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)))
    return clip_albedo(np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4))


def sample_tint(rng: np.random.Generator, colour: npt.ArrayLike, spread: float = 0.12) -> Colour:
    """Multiply a linear colour by a random gain (log-normal, sigma `spread`) and by a smaller one per channel."""
    gain = np.exp(rng.normal(0.0, spread)) * np.exp(rng.normal(0.0, spread / 4, 3))
    return clip_albedo(np.asarray(colour) * gain)


def clip_albedo(colour: npt.ArrayLike) -> Colour:
    """Clip a linear colour to the range of opaque matter."""
    return [round(float(v), 4) for v in np.clip(colour, DARKEST, BRIGHTEST)]
