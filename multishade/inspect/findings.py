# SPDX-License-Identifier: Apache-2.0
"""What the checks share: their outcome, and how they speak of pixels and lights."""

import functools

import numpy as np
from numpy.typing import NDArray

from multishade.shards.sample import Sample

# Messages of a check (none: passed), and the figures that it measured.
Outcome = tuple[list[str], dict[str, float]]


def normals(sample: Sample) -> list[tuple[str, NDArray[np.float32]]]:
    """The normals that a sample has, the one that follows the depth most closely last."""
    geometry = sample.normal_geometry
    return [("normal", sample.normal)] + ([("normal_geometry", geometry)] if geometry is not None else [])


def disagreement(name: str, there: NDArray[np.bool_], mask: NDArray[np.bool_]) -> list[str]:
    beyond, lacking = there & ~mask, mask & ~there
    messages = [f"{name}: is there at {count(beyond)} pixels off the mask"] if beyond.any() else []
    return messages + (
        [f"{name}: is missing at {count(lacking)} pixels of the mask"] if lacking.any() else []
    )


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask and its eight neighbours."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return functools.reduce(np.logical_or, (rows[:, :-2], rows[:, 1:-1], rows[:, 2:]))


def numbers(which: NDArray[np.integer] | list[int]) -> str:
    shown = ", ".join(str(int(number)) for number in which[:4])
    return shown + (f" and {len(which) - 4} more" if len(which) > 4 else "")


def count(where: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(where))
