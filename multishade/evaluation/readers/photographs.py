# SPDX-License-Identifier: Apache-2.0
"""Photograph files of one object -> linear images and clipped pixels, one at a time, as benchmark readers need them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.evaluation.objects import Float32
from multishade.imaging.read import Photograph, read_photograph


class PhotographFiles:
    """Reads photographs when they are asked for, and keeps the last one, which is asked for twice."""

    def __init__(self, paths: Sequence[Path], srgb: bool = False) -> None:
        """Take the files of one object. srgb: images of unstated coding are sRGB-coded."""
        self._paths, self._srgb = paths, srgb
        self._last: tuple[int, Photograph] | None = None

    def load(self, index: int) -> Float32:
        """(H, W, 3) linear, as stored."""
        return self._read(index).linear(self._srgb)

    def clipped(self, index: int) -> NDArray[np.bool_] | None:
        """(H, W, 3), which channels of the photograph are at their limit; None if its format has none."""
        return self._read(index).clipped

    @property
    def notes(self) -> list[str]:
        """What the first photograph states about the coding of all."""
        try:
            profile = self._read(0).profile if self._paths else None
        except ImageFileError:
            return []  # it is named when its turn comes
        if profile is None:
            return []
        return [f"The photographs have the colour profile {profile!r} and are made linear by it."]

    def _read(self, index: int) -> Photograph:
        if self._last is None or self._last[0] != index:
            self._last = (index, read_photograph(self._paths[index]))
        return self._last[1]
