# SPDX-License-Identifier: Apache-2.0
"""A sample's files -> its images under single lights (a light basis).

Light transport is linear, so any combination of them with weights that are not negative is an image that could have
been rendered (`photometry.shading.relight`). A basis is either the field light_basis.exr (channels L00.R, L00.G, L00.B,
L01.R, ..., all at one exposure) or a sequence of mode `photometric`, whose frames are images under single lights, too.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from multishade.errors import DataError
from multishade.imaging.codecs import decode_exr
from multishade.shards.fields import decode_image

FILE = "light_basis.exr"
_SEQUENCE = "shading.exr"
_FRAME = re.compile(r"light_[0-9]+\.png")


def basis_files(names: Sequence[str]) -> list[str]:
    """Find the files that hold a sample's light basis.

    Args:
        names: Names of the sample's files, without the key.

    Returns:
        The names to read, in the order of the lights.

    Raises:
        DataError: If the sample has no light basis.
    """
    if FILE in names:
        return [FILE]
    frames = sorted(name for name in names if _FRAME.fullmatch(name))
    if frames:
        return frames
    if _SEQUENCE in names:
        return [_SEQUENCE]
    raise DataError(
        f"holds no light basis ({FILE}, or a sequence of mode photometric): render with light_basis: true, or set "
        "relight.share to 0"
    )


class LightBasis:
    """The images of one sample under one light each, decoded light by light.

    Args:
        key: The sample's key, for messages.
        files: Bytes by file name; at least `basis_files`.

    Raises:
        DataError: If the sequence is no light basis.
        ImageFileError: If a file is damaged.
        ShardError: If a file has another layout than it should.
    """

    def __init__(self, key: str, files: Mapping[str, bytes]) -> None:
        self._key, self._files = key, files
        self._names = basis_files(list(files))
        self._planes: dict[str, NDArray[np.floating]] = {}
        if not _FRAME.fullmatch(self._names[0]):
            self._planes = decode_exr(files[self._names[0]], f"{key}.{self._names[0]}")
            if any(not name.endswith((".R", ".G", ".B")) for name in self._planes):
                raise DataError(
                    f"{key}: its sequence holds shading, not images of the object, so it cannot be relit: render with "
                    "light_basis: true or shading.mode: photometric"
                )
            self._names = sorted({name.removesuffix(name[-2:]) for name in self._planes})

    def __len__(self) -> int:
        """Return M, the number of lights."""
        return len(self._names)

    def planes(self, light: int) -> list[NDArray[np.floating]]:
        """Return the red, green and blue plane (H, W) of one image as stored: half floats may ring below zero."""
        name = self._names[light]
        if self._planes:
            return [self._planes[f"{name}.{channel}"] for channel in "RGB"]
        return list(np.moveaxis(decode_image(self._key, name, self._files[name]), -1, 0))

    def images(self) -> NDArray[np.float32]:
        """Return all images, (M, H, W, 3) float32 linear light, not negative."""
        stacked = np.stack([np.stack(self.planes(light), axis=-1) for light in range(len(self))])
        return np.maximum(stacked.astype(np.float32), 0)
