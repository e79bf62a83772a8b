# SPDX-License-Identifier: Apache-2.0
"""A sample's photometric sequence -> some of its images, linear light, and the directions of their lights."""

import re
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.geometric import Window, warp_light
from multishade.data.reader import Raw
from multishade.errors import DataError, ShardError
from multishade.shards.fields import decode_shading
from multishade.shards.meta import SampleMeta

FILE = "shading.exr"
FRAME = re.compile(r"light_[0-9]+\.png")
_REMEDY = "render with shading.mode: photometric and shading.stored: true"


def sequence_files(names: Sequence[str]) -> list[str]:
    """Return the files of the sequence among the names of a sample's files. Raises DataError if there is none."""
    frames = sorted(name for name in names if FRAME.fullmatch(name))
    if not frames and FILE not in names:
        raise DataError(f"holds no photometric sequence: {_REMEDY}")
    return ["meta.json", *(frames or [FILE])]


def decode_sequence(raw: Raw) -> tuple[Tensor, NDArray[np.float32]]:
    """Decode a sequence.

    Args:
        raw: The sample's files, among them those of `sequence_files`.

    Returns:
        images: (K, 3, H, W) float16 linear light, background 0.
        directions: (K, 3) float32 unit vectors towards the lights, camera frame.

    Raises:
        ShardError: If the files are damaged or do not belong together.
        DataError: If the sequence is of another kind.
    """
    where = f"{raw.place}: {raw.key}"
    shading = SampleMeta.decode(where, raw.files["meta.json"]).shading
    if shading.mode != "photometric":
        raise DataError(f"{where}: its sequence is of mode {shading.mode}, not photometric: {_REMEDY}")
    directions = np.asarray(shading.directions, np.float32)
    images = decode_shading(raw.key, raw.files)
    if images is None or images.ndim != 4 or len(images) != len(directions):
        raise ShardError(
            f"{where}: its sequence does not have one RGB image for each of {len(directions)} lights"
        )
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float16)
    return torch.from_numpy(planes), directions


def choose_lights(
    raw: Raw,
    images: Tensor,
    directions: NDArray[np.float32],
    count: int | None,
    begin: Callable[[], np.random.Generator],
) -> tuple[Tensor, NDArray[np.float32]]:
    """Choose some images of a sequence.

    Args:
        raw: The sample, for the error.
        images, directions: Of `decode_sequence`; they are not changed.
        count: How many images, sampled without replacement; None is all, in their order.
        begin: Makes the generator that chooses.

    Raises:
        DataError: If there are fewer images than `count`.
    """
    if count is None:
        return images, directions
    if count > len(images):
        raise DataError(
            f"{raw.place}: {raw.key}: has {len(images)} images, {count} are asked for: lower the field's count"
        )
    order = begin().permutation(len(images))[:count]
    return images[torch.from_numpy(order)], directions[order]


def warp_sequence(
    images: Tensor, directions: NDArray[np.float32], window: Window
) -> tuple[Tensor, NDArray[np.float32]]:
    """(K, 3, H, W) and (K, 3) -> the window's images, (K, 3, size, size) float16, and lights, which turn with it."""
    moved = torch.stack([warp_light(image.float(), window).half() for image in images])
    turned = directions.copy()
    turned[:, :2] = directions[:, :2] @ window.turn.T.astype(np.float32)
    return moved, turned
