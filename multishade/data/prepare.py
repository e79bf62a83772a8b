# SPDX-License-Identifier: Apache-2.0
"""A sample's files, seed and epoch -> the arrays of one place in a batch: decoded, augmented, display-encoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from multishade.data.display import half, single
from multishade.data.geometric import draw_window, mirrored_lights, warp_light, warp_normal, warp_shading
from multishade.data.photometric import Camera, grey_of
from multishade.data.reader import Raw
from multishade.data.settings import Data
from multishade.data.view import Half, View, ViewDecoder

_CHOICE, _GEOMETRY, _CAMERA = 3, 4, 5  # purposes of random streams


@dataclass(frozen=True, eq=False)
class Prepared:
    """image: (1 or 3, H, W) display values. normal: (3, H, W), 0 off the mask. mask: (H, W).

    shading: (K, H, W) with cast shadows, or None where it follows from the normal.
    """

    index: int
    key: str
    image: Half
    normal: Half
    mask: NDArray[np.bool_]
    shading: Half | None


class Preparer:
    """Settings, the wanted lights (K, 3) and a seed -> samples. All draws derive from (seed, epoch, number
    of the sample).
    """

    def __init__(self, settings: Data, directions: NDArray[np.floating], seed: int) -> None:
        self._settings, self._seed = settings, seed
        self._directions = np.asarray(directions, np.float64)
        self._decoder = ViewDecoder(settings, directions)
        self._camera = Camera(settings.photometric)
        self.may_need = self._decoder.may_need
        if settings.shading == "cast" and settings.geometric.mirror:
            mirrored_lights(self._directions)
        cv2.setNumThreads(0)  # a worker has the one core that it was given

    def choose(self, names: Sequence[str], epoch: int, index: int) -> list[str]:
        """`ViewDecoder.choose` for sample `index` in this epoch."""
        return self._decoder.choose(names, self._generator(epoch, index, _CHOICE))

    def prepare(self, raw: Raw, epoch: int, index: int) -> Prepared:
        """index: the place that the sample stands in, which decides the augmentation; not `raw.index` for a substitute.

        Raises ShardError for damaged files, DataError for ones that do not fit.
        """
        view = self._decoder.decode(raw, self._generator(epoch, raw.index, _CHOICE))
        window = draw_window(view.mask, self._settings.geometric, self._generator(epoch, index, _GEOMETRY))
        if window.keeps(*view.mask.shape):
            normal, mask, shading = view.normal, view.mask, view.shading
            if self._camera.plain:
                return self._finish(raw, self._camera.develop(view.image), normal, mask, shading)
            light, alpha = _light(view)
        else:
            light, alpha = _light(view)
            stacked = np.dstack([light, alpha]) if alpha is not None else light
            warped = warp_light(stacked, window)
            light, alpha = warped[..., :3], warped[..., 3] if alpha is not None else None
            turned, mask = warp_normal(_interleaved(view.normal), view.mask, window)
            normal = _planar(turned)
            shading = view.shading
            if shading is not None:
                shading = half(warp_shading(single(shading), view.mask, window, self._directions))
        image = self._camera.photograph(light, alpha, self._generator(epoch, index, _CAMERA))
        return self._finish(raw, image, normal, mask, shading)

    def _finish(
        self, raw: Raw, image: Half, normal: Half, mask: NDArray[np.bool_], shading: Half | None
    ) -> Prepared:
        if self._settings.grey:
            image = grey_of(image)
        return Prepared(raw.index, raw.key, image, normal, mask, shading)

    def _generator(self, epoch: int, index: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, epoch, index, purpose))


def _light(view: View) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """(H, W, 3) light and (H, W) coverage 0 to 1."""
    alpha = view.alpha.astype(np.float32) / np.float32(255) if view.alpha is not None else None
    return _interleaved(view.image), alpha


def _interleaved(planes: Half) -> NDArray[np.float32]:
    return np.ascontiguousarray(single(planes).transpose(1, 2, 0))


def _planar(image: NDArray[np.float32]) -> Half:
    return half(np.ascontiguousarray(image.transpose(2, 0, 1)))
