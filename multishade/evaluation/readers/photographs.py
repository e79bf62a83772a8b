# SPDX-License-Identifier: Apache-2.0
"""Photograph files of one object -> linear images and clipped pixels, one at a time, as benchmark readers need them.

Photographs with different exposures (by EXIF) are brought to the exposure of the first, and what the room alone gives
(the ambient frame) is subtracted, both in linear light.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError, ImageFileError
from multishade.evaluation.objects import Float32
from multishade.imaging.read import Photograph, read_file_exif, read_photograph

SAME_EXPOSURE = 1.005  # quotient of exposures that EXIF states rounded


class PhotographFiles:
    """Reads photographs when they are asked for, and keeps the last one, which is asked for twice."""

    def __init__(self, paths: Sequence[Path], srgb: bool = False, ambient: Path | None = None) -> None:
        """Take the files of one object. srgb: images of unstated coding are sRGB-coded. ambient: the dark frame."""
        self._paths, self._srgb, self._ambient_file = paths, srgb, ambient
        self._last: tuple[int, Photograph] | None = None

    def load(self, index: int) -> Float32:
        """(H, W, 3) linear, as stored, at the exposure of the first, without ambient light."""
        light = self._read(index).linear(self._srgb)
        exposure = self._exposures[index]
        if exposure is not None:
            light = light / np.float32(exposure)
        if self._ambient is None:
            return light
        if light.shape != self._ambient.shape:
            raise EvaluationError(
                f"{self._ambient_file}: {self._ambient.shape[1]} x {self._ambient.shape[0]} pixels, the photographs "
                f"{light.shape[1]} x {light.shape[0]}"
            )
        return np.maximum(light - self._ambient, 0)

    def clipped(self, index: int) -> NDArray[np.bool_] | None:
        """(H, W, 3), which channels of the photograph are at their limit; None if its format has none."""
        return self._read(index).clipped

    @property
    def notes(self) -> list[str]:
        """What the files state about the coding and the exposure of all."""
        notes = []
        try:
            profile = self._read(0).profile if self._paths else None
        except ImageFileError:
            return []  # it is named when its turn comes
        if profile is not None:
            notes.append(f"The photographs have the colour profile {profile!r} and are made linear by it.")
        stated = [exposure for exposure in self._stated if exposure is not None]
        if stated and len(stated) < len(self._stated):
            notes.append(
                f"EXIF states the exposure of {len(stated)} of {len(self._stated)} photographs: it is not used, all "
                "count as equally exposed."
            )
        elif any(exposure is not None for exposure in self._exposures):
            notes.append(
                f"Exposures differ up to {max(stated) / min(stated):.2f} times by EXIF; all photographs are divided by "
                "them."
            )
        if self._ambient_file is not None:
            notes.append(f"{self._ambient_file.name} is subtracted as ambient light.")
        return notes

    @cached_property
    def _stated(self) -> list[float | None]:
        return [read_file_exif(path).relative_exposure for path in self._paths]

    @cached_property
    def _exposures(self) -> list[float | None]:
        """Relative to the first; all None if they are equal, or not all are known."""
        stated = [exposure for exposure in self._stated if exposure is not None]
        if len(stated) < len(self._stated) or not stated or max(stated) < SAME_EXPOSURE * min(stated):
            return [None] * len(self._paths)
        return [exposure / stated[0] for exposure in stated]

    @cached_property
    def _ambient(self) -> Float32 | None:
        if self._ambient_file is None:
            return None
        light = read_photograph(self._ambient_file).linear(self._srgb)
        own, first = read_file_exif(self._ambient_file).relative_exposure, self._stated[0]
        return light if own is None or first is None else light * np.float32(first / own)

    def _read(self, index: int) -> Photograph:
        if self._last is None or self._last[0] != index:
            self._last = (index, read_photograph(self._paths[index]))
        return self._last[1]
