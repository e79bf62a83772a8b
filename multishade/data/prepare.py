# SPDX-License-Identifier: Apache-2.0
"""A sample's files, seed and epoch -> one sample of a batch: decoded, augmented, display-encoded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multishade.data.clay import cover, sample_clay
from multishade.data.fields import DEFAULT_FIELDS, FieldSpec, check_fields
from multishade.data.geometric import (
    Window,
    mirrored_lights,
    sample_window,
    warp_depth,
    warp_light,
    warp_material,
    warp_normal,
    warp_shading,
    window_intrinsics,
)
from multishade.data.photometric import Camera, grey_of
from multishade.data.purposes import Purpose
from multishade.data.reader import Raw
from multishade.data.sequence import warp_sequence
from multishade.data.settings import Data, Geometric
from multishade.data.view import View, ViewDecoder


@dataclass(frozen=True, eq=False)
class Prepared:
    """A sample as it enters a batch.

    Attributes:
        index, key: Of the sample.
        planes: Field -> its channels, (H, W) each. image: 1 or 3 of display values, or 3 of linear light if `linear`.
            normal: 3, 0 off the mask. shading: K, absent if it follows from the normal. images: 3 K, linear light.
            albedo, roughness, metallic: 3 or 1, 0 off the mask. All float16; depth: 1, float32, 0 off the mask.
        numbers: Field -> a small array: light_directions (K, 3), intrinsics (3, 3), orthographic ().
        linear: Whether the image is still to be display-encoded.
    """

    index: int
    key: str
    planes: dict[str, Iterable[Tensor]]
    numbers: dict[str, NDArray[Any]]
    linear: bool


class Preparer:
    """Settings, the wanted lights (K, 3), a seed and fields -> samples. All random numbers derive from seed, epoch and
    the sample's number.
    """

    def __init__(
        self,
        settings: Data,
        directions: NDArray[np.floating],
        seed: int,
        fields: Sequence[FieldSpec] = DEFAULT_FIELDS,
    ) -> None:
        self._settings, self._seed = settings, seed
        self._directions = np.asarray(directions, np.float64)
        self._camera = Camera(settings.photometric)
        found = check_fields(fields)
        self._has_image = "image" in found
        alpha = self._has_image and self._camera.needs_alpha
        self._decoder = ViewDecoder(settings, directions, alpha, found)
        self._moves = settings.geometric != Geometric()
        self.may_need = self._decoder.may_need
        if settings.shading == "cast" and "shading" in found and settings.geometric.mirror:
            mirrored_lights(self._directions)
        cv2.setNumThreads(0)  # each worker has one core

    def choose(self, names: Sequence[str], epoch: int, index: int) -> list[str]:
        """`ViewDecoder.choose` for sample `index` in this epoch."""
        return self._decoder.choose(names, self._generator(epoch, index, Purpose.CHOICE))

    def prepare(self, raw: Raw, epoch: int, index: int) -> Prepared:
        """Decode and augment a sample.

        Args:
            raw: The files that `choose` named.
            epoch: Of the batch.
            index: The position that the sample has, which decides the augmentation; not `raw.index` for a substitute.

        Raises:
            ShardError: If files are damaged.
            DataError: If they do not fit the settings.
        """
        view = self._decoder.decode(
            raw,
            lambda: self._generator(epoch, raw.index, Purpose.CHOICE),
            lambda: self._generator(epoch, raw.index, Purpose.LIGHTS),
        )
        image: Iterable[Tensor] = view.image
        alpha = view.alpha.float().div_(255) if view.alpha is not None else None
        clay = (
            self._generator(epoch, index, Purpose.CLAY)
            if self._has_image and self._settings.clay.share
            else None
        )
        if clay is not None and clay.random() < self._settings.clay.share:
            true = torch.stack(view.normal).float()
            paint = sample_clay(true, view.mask, self._settings.clay, clay)
            image = list((paint if alpha is None else cover(paint, view.mask, alpha)).half())
        planes: dict[str, Iterable[Tensor]] = {"image": image, "normal": view.normal}
        if view.shading is not None:
            planes["shading"] = view.shading
        window = self._window(view, epoch, index)
        if window is not None:
            mask = view.mask
            if self._has_image:
                # At once: OpenCV moves four channels as fast as three.
                light = [plane.float() for plane in image] + ([] if alpha is None else [alpha])
                moved = warp_light(torch.stack(light), window)
                planes["image"], alpha = moved[:3].half(), None if alpha is None else moved[3]
            planes["normal"] = warp_normal(torch.stack(view.normal).float(), mask, window)[0].half()
            if view.shading is not None:
                frames = torch.stack(view.shading).float()
                planes["shading"] = warp_shading(frames, mask, window, self._directions).half()
        others, numbers = _others(view, window)
        planes |= others
        if not self._has_image:
            del planes["image"]
            return Prepared(raw.index, raw.key, planes, numbers, False)
        if self._camera.plain:
            return Prepared(raw.index, raw.key, planes, numbers, True)
        photo = torch.stack(list(planes["image"])).float()
        display = self._camera.photograph(photo, alpha, self._generator(epoch, index, Purpose.CAMERA))
        planes["image"] = grey_of(display) if self._settings.grey else display
        return Prepared(raw.index, raw.key, planes, numbers, False)

    def _window(self, view: View, epoch: int, index: int) -> Window | None:
        """What of the sample is seen; None if all of it, as it is."""
        if not self._moves:
            return None
        mask = view.mask.numpy()
        window = sample_window(
            mask, self._settings.geometric, self._generator(epoch, index, Purpose.GEOMETRY)
        )
        return None if window.keeps(*mask.shape) else window

    def _generator(self, epoch: int, index: int, purpose: Purpose) -> np.random.Generator:
        return np.random.default_rng((self._seed, epoch, index, purpose))


def _others(view: View, window: Window | None) -> tuple[dict[str, Iterable[Tensor]], dict[str, NDArray[Any]]]:
    """Planes and numbers of the fields that few tasks ask for."""
    planes: dict[str, Iterable[Tensor]] = {}
    numbers: dict[str, NDArray[Any]] = {}
    if view.images is not None and view.directions is not None:
        images, directions = view.images, view.directions
        if window is not None:
            images, directions = warp_sequence(images, directions, window)
        planes["images"], numbers["light_directions"] = images.flatten(0, 1), directions
    if view.depth is not None:
        mask = view.mask
        depth = torch.where(mask, view.depth, 0.0) if window is None else warp_depth(view.depth, mask, window)
        planes["depth"] = [depth]
    for name, given in view.materials.items():
        moved = (
            given if window is None else warp_material(torch.stack(given).float(), view.mask, window).half()
        )
        planes[name] = moved
    if view.intrinsics is not None:
        matrix = view.intrinsics if window is None else window_intrinsics(view.intrinsics, window)
        numbers["intrinsics"] = matrix.astype(np.float32)
        numbers["orthographic"] = np.asarray(view.orthographic)
    return planes, numbers
