# SPDX-License-Identifier: Apache-2.0
"""Linear light as half floats -> display values (sRGB, with a tone curve if wanted), by a table of all half floats.

A half float has 11 significant bits, so the table errs by less than a sixteenth of an 8-bit step, and a
look-up takes a fifth of the time of the formula.
"""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.imaging.color import linear_to_srgb

Table = NDArray[np.float16]
MIDDLE_GREY = 0.18
WHITE_OF_SHOULDER = 4.0  # the light that a full shoulder brings to display white
_INFINITY = 0x7C00  # of a half float, as bits; what is above is not a number or negative


def display_of(linear: Tensor, table: Table | None = None) -> Tensor:
    """Linear light, float16, any shape -> display values, float16. table: a tone curve's, else plain sRGB.

    Negative light, and what is no number, is 0. Away from the CPU the formula of sRGB is as fast as a table; with a
    table, the CPU is needed.
    """
    if table is None and linear.device.type != "cpu":
        light = linear.float().nan_to_num_(0).clamp_(0, 1)
        upper = 1.055 * light.pow(1 / 2.4) - 0.055
        return torch.where(light <= 0.0031308, 12.92 * light, upper).half()
    bits = linear.contiguous().numpy().view(np.uint16)
    return torch.from_numpy(np.take(srgb_table() if table is None else table, bits))


@cache
def srgb_table() -> Table:
    """(65536,) display value of each half float, by its bits; 0 for negative ones."""
    return tone_table(1.0, 0.0)


def tone_table(contrast: float, shoulder: float) -> Table:
    """(65536,) as `srgb_table`, after a tone curve on the light x.

    contrast: x -> 0.18 (x / 0.18)^contrast. shoulder s in [0, 1]: x -> (1 - s) x + s f(x), where f is `soft_shoulder`.
    """
    light = _nonnegative()
    if contrast != 1:
        light = np.float32(MIDDLE_GREY) * (light / np.float32(MIDDLE_GREY)) ** np.float32(contrast)
    if shoulder:
        light = (1 - shoulder) * light + shoulder * soft_shoulder(light)
    table = np.zeros(65536, np.float16)
    table[: _INFINITY + 1] = linear_to_srgb(light)
    return table


def soft_shoulder(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """g x (1 + x / (g W^2)) / (1 + g x), Reinhard's curve with a white point W (Reinhard et al. 2002,
    formula 4, of g x).

    g = (1 - 0.18 / W^2) / (1 - 0.18) leaves middle grey where it is.
    """
    white = WHITE_OF_SHOULDER
    gain = (1 - MIDDLE_GREY / white**2) / (1 - MIDDLE_GREY)
    scaled = np.float32(gain) * light
    return scaled * (1 + light / np.float32(gain * white**2)) / (1 + scaled)


@cache
def _nonnegative() -> NDArray[np.float32]:
    """All half floats from 0 to infinity; infinity as the largest finite one."""
    values = np.arange(_INFINITY + 1, dtype=np.uint16).view(np.float16).astype(np.float32)
    return np.minimum(values, np.float32(65504))
