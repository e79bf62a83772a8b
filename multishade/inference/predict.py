# SPDX-License-Identifier: Apache-2.0
"""A model and photos -> `Inference`: normals, confidence and mask at the photos' own sizes, shading on demand."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.inference.framing import Framed, Window, frame, unframe
from multishade.inference.photo import Bool, Float32, Photo, read_photo, read_photo_mask
from multishade.models.rose.model import RoSE
from multishade.models.rose.settings import Sampling
from multishade.models.rose.solve import DEFAULT_SOLVER, Solved, solve


@dataclass(frozen=True)
class Inference:
    """normal: (H, W, 3) unit vectors in the camera frame, 0 off the object. confidence: (H, W), 0 to 1. mask: (H, W),
    the given one, or where the model sees an object. frames: (K, S, S), the shading that the network made of the
    window it saw, or None for a model that predicts normals directly.
    """

    photo: Photo
    normal: Float32
    confidence: Float32
    mask: Bool
    frames: Float32 | None
    window: Window

    @property
    def shading(self) -> Float32 | None:
        """(K, H, W) at the photo's size, 0 off the object; large for large photos, so made when asked for."""
        if self.frames is None:
            return None
        return np.stack([np.where(self.mask, self.frame(k), 0) for k in range(len(self.frames))])

    def frame(self, index: int) -> Float32:
        """(H, W) shading under light `index`, as the network made it."""
        assert self.frames is not None
        return np.clip(unframe(self.frames[index], self.window), 0, 1)


def infer(
    model: RoSE,
    photo: str | Path | Photo | NDArray[np.floating],
    mask: str | Path | Bool | None = None,
    solver: str = DEFAULT_SOLVER,
    sampling: Sampling | None = None,
    seed: int = 0,
    crop: bool = True,
) -> Inference:
    """One photo. photo: a file, a Photo, or (H, W, 3) display-encoded values in 0..1; mask: a file or (H, W) bool.

    solver: of `multishade.photometry.solvers.methods`, for models that make shading. sampling: steps and guidance
    in place of the model's own, for models that are sampled; `seed` chooses their noise. crop: whether the network
    sees only the square round the masked object. Raises ImageFileError and SolveError.
    """
    if isinstance(photo, str | Path):
        if mask is not None and not isinstance(mask, str | Path):
            photo = read_photo(photo)
        else:
            photo, mask = read_photo(photo, mask), None
    elif not isinstance(photo, Photo):
        photo = Photo(_checked(photo))
    if mask is not None:
        if isinstance(mask, str | Path):
            mask = read_photo_mask(mask, photo.pixels.shape[:2])
        if mask.shape != photo.pixels.shape[:2]:
            raise ImageFileError(f"a mask of shape {mask.shape} for a photo of shape {photo.pixels.shape}")
        photo = Photo(photo.pixels, mask != 0, photo.name)
    return next(infer_all(model, [photo], 1, solver, sampling, seed, crop))


def infer_all(
    model: RoSE,
    photos: Iterable[Photo],
    batch: int = 1,
    solver: str = DEFAULT_SOLVER,
    sampling: Sampling | None = None,
    seed: int = 0,
    crop: bool = True,
) -> Iterator[Inference]:
    """Many photos, `batch` at a time through the network; results do not depend on the batch. Options as `infer`."""
    size = model.settings.size
    waiting = iter(photos)
    while group := list(islice(waiting, batch)):
        framed = [frame(photo, size, crop) for photo in group]
        images = torch.from_numpy(np.stack([np.moveaxis(each.pixels, 2, 0) for each in framed]))
        made = model.generate(images, seed, sampling).cpu().numpy()
        for photo, seen, answer in zip(group, framed, made, strict=True):
            yield _finished(model, photo, seen, answer, solver)


def _finished(model: RoSE, photo: Photo, seen: Framed, answer: Float32, solver: str) -> Inference:
    solved = solve(model.settings, answer, seen.mask, solver)
    normal, confidence, mask = _at_photo(solved, seen, photo)
    frames = answer if model.settings.target == "shading" else None
    return Inference(photo, normal, confidence, mask, frames, seen.window)


def _at_photo(solved: Solved, seen: Framed, photo: Photo) -> tuple[Float32, Float32, Bool]:
    """Normals, confidence and mask at the photo's size."""
    from scipy import ndimage

    window = seen.window
    mask = photo.mask
    if mask is None:
        mask = unframe((solved.mask & seen.inside).astype(np.float32), window) > 0.5
    given = (solved.normal != 0).any(axis=2)
    if not given.any():
        return np.zeros((*mask.shape, 3), np.float32), np.zeros(mask.shape, np.float32), mask
    # Outwards from the object the nearest normal stands in, so that the rim is not mixed with nothing.
    nearest = ndimage.distance_transform_edt(~given, return_distances=False, return_indices=True)
    normal = unframe(solved.normal[tuple(nearest)], window)
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    here = mask[..., None] & (length > 1e-6)
    confidence = np.clip(unframe(solved.confidence[tuple(nearest)], window), 0, 1)
    return (
        np.where(here, normal / np.where(here, length, 1), 0).astype(np.float32),
        np.where(here[..., 0], confidence, 0).astype(np.float32),
        mask,
    )


def _checked(pixels: NDArray[np.floating]) -> Float32:
    values = np.asarray(pixels)
    if values.ndim != 3 or values.shape[2] != 3 or not np.issubdtype(values.dtype, np.floating):
        raise ImageFileError(
            f"a photo of shape {values.shape}, {values.dtype}; expected (H, W, 3) floats in 0..1"
        )
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise ImageFileError("a photo with values outside 0..1; give display-encoded values")
    return values.astype(np.float32)
