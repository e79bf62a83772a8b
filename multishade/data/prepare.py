# SPDX-License-Identifier: Apache-2.0
"""A sample's files, seed and epoch -> the tensors of one place in a batch: decoded, augmented, display-encoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.geometric import draw_window, mirrored_lights, warp_light, warp_normal, warp_shading
from multishade.data.photometric import Camera, grey_of
from multishade.data.reader import Raw
from multishade.data.settings import Data, Geometric
from multishade.data.view import ViewDecoder

_CHOICE, _GEOMETRY, _CAMERA = 3, 4, 5  # purposes of random streams


@dataclass(frozen=True, eq=False)
class Prepared:
    """image: (1 or 3, H, W) float16 display values, or (3, H, W) linear light where `linear`: whoever uses it encodes
    it. normal: (3, H, W) float16, 0 off the mask. mask: (H, W) bool.

    shading: (K, H, W) float16 with cast shadows, or None where it follows from the normal.
    """

    index: int
    key: str
    image: Tensor
    linear: bool
    normal: Tensor
    mask: Tensor
    shading: Tensor | None


class Preparer:
    """Settings, the wanted lights (K, 3) and a seed -> samples. All draws derive from seed, epoch and the
    sample's number.
    """

    def __init__(self, settings: Data, directions: NDArray[np.floating], seed: int) -> None:
        self._settings, self._seed = settings, seed
        self._directions = np.asarray(directions, np.float64)
        self._camera = Camera(settings.photometric)
        self._decoder = ViewDecoder(settings, directions, self._camera.needs_alpha)
        self._moves = settings.geometric != Geometric()
        self.may_need = self._decoder.may_need
        if settings.shading == "cast" and settings.geometric.mirror:
            mirrored_lights(self._directions)
        cv2.setNumThreads(0)  # a worker has the one core that it was given

    def choose(self, names: Sequence[str], epoch: int, index: int) -> list[str]:
        """`ViewDecoder.choose` for sample `index` in this epoch."""
        return self._decoder.choose(names, self._generator(epoch, index, _CHOICE))

    def prepare(self, raw: Raw, epoch: int, index: int) -> Prepared:
        """index: the place that the sample stands in, which decides the augmentation; not `raw.index` for a
        substitute.

        Raises ShardError for damaged files, DataError for ones that do not fit.
        """
        view = self._decoder.decode(raw, lambda: self._generator(epoch, raw.index, _CHOICE))
        normal, mask, shading = view.normal, view.mask, view.shading
        if not self._moves and self._camera.plain:
            return Prepared(raw.index, raw.key, view.image, True, normal, mask, shading)
        light = view.image.float()
        alpha = view.alpha.float().div_(255) if view.alpha is not None else None
        if self._moves:
            window = draw_window(
                mask.numpy(), self._settings.geometric, self._generator(epoch, index, _GEOMETRY)
            )
            if not window.keeps(*mask.shape):
                light = warp_light(light, window)
                alpha = warp_light(alpha[None], window)[0] if alpha is not None else None
                if shading is not None:
                    shading = warp_shading(shading.float(), mask, window, self._directions).half()
                normal, mask = warp_normal(normal.float(), mask, window)
        image = self._camera.photograph(light, alpha, self._generator(epoch, index, _CAMERA))
        if self._settings.grey:
            image = grey_of(image)
        return Prepared(raw.index, raw.key, image, False, normal.half(), mask, shading)

    def _generator(self, epoch: int, index: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, epoch, index, purpose))
