# SPDX-License-Identifier: Apache-2.0
"""Decoded files of samples, kept in memory by the process that decoded them, up to a limit."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor

GIBIBYTE = 1 << 30
D = TypeVar("D", bound=tuple[Tensor | NDArray[Any], ...])


class DecodedCache:
    """What has been decoded, by sample and file.

    Nothing is dropped for something newer: an epoch reads every sample once, so that the oldest entry is the next one
    to be read. What is kept must not be changed by those who get it.

    Attributes:
        bytes: Of all arrays that are kept.

    Args:
        gibibytes: Most memory; 0: nothing is kept.
    """

    def __init__(self, gibibytes: float) -> None:
        self._room = int(gibibytes * GIBIBYTE)
        self._kept: dict[Hashable, tuple[Tensor | NDArray[Any], ...]] = {}
        self.bytes = 0

    def get(self, key: Hashable, decode: Callable[[], D]) -> D:
        """Return what is kept under a key, or decode it, and keep it if there is room.

        Args:
            key: Of the sample and the file.
            decode: Makes the arrays; its errors pass through, and nothing is kept.
        """
        found = self._kept.get(key)
        if found is not None:
            return found  # type: ignore[return-value]
        made = decode()
        size = sum(each.nbytes for each in made)
        if self.bytes + size <= self._room:
            self._kept[key] = made
            self.bytes += size
        return made
