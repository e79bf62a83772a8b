# SPDX-License-Identifier: Apache-2.0
"""The result of a check, and helpers for messages about pixels and lights."""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from multishade.shards.sample import Sample


class CheckResult(NamedTuple):
    """The result of one check of a sample.

    Attributes:
        messages: What is wrong; empty if the check passed.
        measures: Figures that were measured, by name.
    """

    messages: list[str]
    measures: dict[str, float]


def normals(sample: Sample) -> list[tuple[str, NDArray[np.float32]]]:
    """List the normals of a sample by name; the one that agrees best with the depth comes last."""
    geometry = sample.normal_geometry
    return [("normal", sample.normal)] + ([("normal_geometry", geometry)] if geometry is not None else [])


def disagreement(name: str, present: NDArray[np.bool_], mask: NDArray[np.bool_]) -> list[str]:
    """Describe where values (H, W) are present off the mask, or missing on it."""
    beyond, missing = present & ~mask, mask & ~present
    messages = [f"{name}: is there at {count(beyond)} pixels off the mask"] if beyond.any() else []
    return messages + (
        [f"{name}: is missing at {count(missing)} pixels of the mask"] if missing.any() else []
    )


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Dilate a mask by its eight neighbours."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return functools.reduce(np.logical_or, (rows[:, :-2], rows[:, 1:-1], rows[:, 2:]))


def numbers(which: NDArray[np.integer] | list[int]) -> str:
    """Format the first four numbers, and count the others."""
    shown = ", ".join(str(int(number)) for number in which[:4])
    return shown + (f" and {len(which) - 4} more" if len(which) > 4 else "")


def count(where: NDArray[np.bool_]) -> int:
    """Count the true pixels."""
    return int(np.count_nonzero(where))
