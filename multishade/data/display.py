# SPDX-License-Identifier: Apache-2.0
"""Linear light as half floats -> display values (sRGB, with a tone curve if wanted), through a table of all
half floats.

A half float has 11 significant bits, so the table errs by less than a sixteenth of an 8-bit step, and a
look-up takes an eighth of the time of the formula.
"""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from multishade.transfer import srgb_from_linear

Half = NDArray[np.float16]
MIDDLE_GREY = 0.18
_INFINITY = 0x7C00  # of a half float, as bits; what is above is not a number or negative
WHITE_OF_SHOULDER = 4.0  # the light that a full shoulder brings to display white


@cache
def srgb_table() -> Half:
    """(65536,) display value of each half float, by its bits; 0 for negative ones."""
    return tone_table(1.0, 0.0)


def tone_table(contrast: float, shoulder: float) -> Half:
    """(65536,) as `srgb_table`, after a tone curve on the light x.

    contrast: x -> 0.18 (x / 0.18)^contrast. shoulder s in [0, 1]: x -> (1 - s) x + s f(x), where f is Reinhard's curve
    with a white point (Reinhard et al. 2002, formula 4), scaled to leave middle grey where it is.
    """
    light = _nonnegative().copy()
    if contrast != 1:
        light = np.float32(MIDDLE_GREY) * (light / np.float32(MIDDLE_GREY)) ** np.float32(contrast)
    if shoulder:
        light = (1 - shoulder) * light + shoulder * soft_shoulder(light)
    table = np.zeros(65536, np.float16)
    table[: _INFINITY + 1] = srgb_from_linear(light)
    return table


def soft_shoulder(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reinhard's curve g x (1 + g x / W^2) / (1 + g x), W being where it reaches 1; g keeps 0.18 at 0.18."""
    gain = _shoulder_gain()
    scaled = np.minimum(light, np.float32(65504)) * np.float32(gain)
    white = WHITE_OF_SHOULDER * gain
    return scaled * (1 + scaled / np.float32(white**2)) / (1 + scaled)


def display_of(linear: Half, table: Half) -> Half:
    """Half floats of any shape -> their display values by a table."""
    return np.take(table, linear.view(np.uint16))


def half(values: NDArray[np.float32]) -> Half:
    """float32 -> float16, through torch: several times NumPy's speed."""
    return torch.from_numpy(values).half().numpy()


def single(values: Half) -> NDArray[np.float32]:
    """float16 -> float32, through torch."""
    return torch.from_numpy(values).float().numpy()


@cache
def _nonnegative() -> NDArray[np.float32]:
    """All half floats from 0 to infinity; infinity as the largest finite one."""
    values = np.arange(_INFINITY + 1, dtype=np.uint16).view(np.float16).astype(np.float32)
    return np.minimum(values, np.float32(65504))


@cache
def _shoulder_gain() -> float:
    """g with g x (1 + x / (g W^2)) / (1 + g x) = x at x = 0.18, where W is given in light before the gain.

    g (1 + x / (g W^2)) = 1 + g x, so g (1 - x) = 1 - x / W^2.
    """
    x, white = MIDDLE_GREY, WHITE_OF_SHOULDER
    return (1 - x / white**2) / (1 - x)
