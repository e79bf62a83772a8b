# SPDX-License-Identifier: Apache-2.0
"""A sample's files, seed and epoch -> the tensors of one place in a batch: decoded, augmented, display-encoded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.clay import draw_clay
from multishade.data.geometric import draw_window, mirrored_lights, warp_light, warp_normal, warp_shading
from multishade.data.photometric import Camera, grey_of
from multishade.data.purposes import Purpose
from multishade.data.reader import Raw
from multishade.data.settings import Data, Geometric
from multishade.data.view import ViewDecoder


@dataclass(frozen=True, eq=False)
class Prepared:
    """One sample of a batch, as planes (H, W) of float16.

    Attributes:
        index: The sample's number in the data set.
        key: Its name in the shard.
        image: 1 or 3 planes of display values; 3 planes of linear light if `linear`, to be encoded by the user.
        linear: Whether the image is linear light.
        normal: 3 planes, 0 off the mask.
        shading: K planes with cast shadows; None if the shading follows from the normal.
    """

    index: int
    key: str
    image: Iterable[Tensor]
    linear: bool
    normal: Iterable[Tensor]
    shading: Iterable[Tensor] | None


class Preparer:
    """Settings, lights (K, 3) and a seed -> samples. Randomness derives from seed, epoch and the sample's number."""

    def __init__(self, settings: Data, directions: NDArray[np.floating], seed: int) -> None:
        self._settings, self._seed = settings, seed
        self._directions = np.asarray(directions, np.float64)
        self._camera = Camera(settings.photometric)
        self._decoder = ViewDecoder(settings, directions, self._camera.needs_alpha)
        self._moves = settings.geometric != Geometric()
        self.may_need = self._decoder.may_need
        if settings.shading == "cast" and settings.geometric.mirror:
            mirrored_lights(self._directions)
        cv2.setNumThreads(0)  # each worker has one core

    def choose(self, names: Sequence[str], epoch: int, index: int) -> list[str]:
        """`ViewDecoder.choose` for sample `index` in this epoch."""
        return self._decoder.choose(names, self._generator(epoch, index, Purpose.CHOICE))

    def prepare(self, raw: Raw, epoch: int, index: int) -> Prepared:
        """index: the place that the sample stands in, which decides the augmentation; not `raw.index` for a
        substitute.

        Raises ShardError for damaged files, DataError for ones that do not fit.
        """
        view = self._decoder.decode(raw, lambda: self._generator(epoch, raw.index, Purpose.CHOICE))
        image: Iterable[Tensor] = view.image
        normal: Iterable[Tensor] = view.normal
        shading: Iterable[Tensor] | None = view.shading
        alpha = view.alpha.float().div_(255) if view.alpha is not None else None
        clay = self._generator(epoch, index, Purpose.CLAY) if self._settings.clay.share else None
        if clay is not None and clay.random() < self._settings.clay.share:
            true = torch.stack(view.normal).float()
            image = list(draw_clay(true, view.mask, self._settings.clay, clay).half())
        if self._moves:
            mask = view.mask
            window = draw_window(
                mask.numpy(), self._settings.geometric, self._generator(epoch, index, Purpose.GEOMETRY)
            )
            if not window.keeps(*mask.shape):
                # At once: OpenCV moves four channels as fast as three.
                planes = [plane.float() for plane in image] + ([] if alpha is None else [alpha])
                moved = warp_light(torch.stack(planes), window)
                image, alpha = moved[:3].half(), None if alpha is None else moved[3]
                normal = warp_normal(torch.stack(view.normal).float(), mask, window)[0].half()
                if view.shading is not None:
                    frames = torch.stack(view.shading).float()
                    shading = warp_shading(frames, mask, window, self._directions).half()
        if self._camera.plain:
            return Prepared(raw.index, raw.key, image, True, normal, shading)
        light = torch.stack(list(image)).float()
        display = self._camera.photograph(light, alpha, self._generator(epoch, index, Purpose.CAMERA))
        if self._settings.grey:
            display = grey_of(display)
        return Prepared(raw.index, raw.key, display, False, normal, shading)

    def _generator(self, epoch: int, index: int, purpose: Purpose) -> np.random.Generator:
        return np.random.default_rng((self._seed, epoch, index, purpose))
