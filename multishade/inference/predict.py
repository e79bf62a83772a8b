# SPDX-License-Identifier: Apache-2.0
"""A model and photos -> a `PhotoPrediction` of each: framed, run through the network, put back at the photo's size."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError, ModelError
from multishade.extras import require
from multishade.inference.coverage import clean_mask, window_of_object
from multishade.inference.framing import Framed, frame, unframe
from multishade.inference.photo import (
    NO_MASK,
    Bool,
    Float32,
    Photo,
    plain_border,
    read_photo,
    read_photo_mask,
)
from multishade.inference.prediction import PhotoPrediction
from multishade.models.base import Inputs, Model, Prediction
from multishade.models.registry import load_model


def infer(
    photo: str | Path | Photo | NDArray[np.floating],
    model: Model | str | Path | None = None,
    mask: str | Path | NDArray[Any] | None = None,
    *,
    seed: int = 0,
    crop: bool = True,
    **options: Any,
) -> PhotoPrediction:
    """Predict the normals of one photo.

    Args:
        photo: A file, a `Photo`, or (H, W, 3) display-encoded values in [0, 1].
        model: A loaded model, a model's folder or Hub name, or None for the bundled model. Load it once with
            `load_model` if there are several photos.
        mask: A file (the object is white, or opaque) or (H, W), not zero on the object. Without one, a photo's alpha
            channel serves, or the model detects the object.
        seed: Of a sampled model's noise.
        crop: Whether the network sees only the square around the masked object.
        **options: Of the model's own `predict`, such as `solver` and `sampling` of RoSE.

    Returns:
        Normals, confidence and mask at the photo's size.

    Raises:
        ImageFileError: If the photo or its mask cannot be used.
        ModelError: If the model cannot be loaded.
        SolveError: If an unknown solver is named.
    """
    return next(infer_all([_photo(photo, mask)], model, seed=seed, crop=crop, **options))


def infer_all(
    photos: Iterable[Photo],
    model: Model | str | Path | None = None,
    batch: int = 1,
    *,
    seed: int = 0,
    crop: bool = True,
    **options: Any,
) -> Iterator[PhotoPrediction]:
    """Predict the normals of many photos, in their order, `batch` at a time through the network.

    Results do not depend on the batch. The other arguments are those of `infer`.
    """
    loaded = load_model(model, runtime="auto") if model is None or isinstance(model, str | Path) else model
    waiting = iter(photos)
    while group := list(islice(waiting, batch)):
        framed = [(photo, frame(photo, loaded.settings.size, crop)) for photo in group]
        # A model gets the masks of all images of a batch, or of none.
        for masked, members in groupby(framed, lambda pair: pair[1].mask is not None):
            found = list(members)
            if not masked:
                found = _noted(loaded, found)
                if crop:
                    found = _closer(loaded, found, seed, options)
            yield from _predicted(loaded, found, seed, options)


def _closer(
    model: Model, members: list[tuple[Photo, Framed]], seed: int, options: dict[str, Any]
) -> list[tuple[Photo, Framed]]:
    """Whole photos -> the squares round the objects that the model finds in them; as given if it predicts no coverage.

    Where it finds nothing the whole photo stays.
    """
    answer = _run(model, members, seed, options)
    if answer.coverage is None:
        return members
    closer = []
    for index, (photo, seen) in enumerate(members):
        coverage = _array(answer.coverage[index, 0])
        window = window_of_object(coverage, seen.window, seen.inside)
        closer.append((photo, seen if window is None else frame(photo, len(seen.pixels), window=window)))
    return closer


def _noted(model: Model, members: list[tuple[Photo, Framed]]) -> list[tuple[Photo, Framed]]:
    """Photos without a mask, each with a note if this model is likely to take the background for the object."""
    if "coverage" in getattr(model.settings, "heads", ()):
        return members
    return [
        (photo if plain_border(photo.pixels) else replace(photo, notes=(*photo.notes, NO_MASK)), seen)
        for photo, seen in members
    ]


def _run(model: Model, members: list[tuple[Photo, Framed]], seed: int, options: dict[str, Any]) -> Prediction:
    images: Any = np.stack([np.moveaxis(seen.pixels, 2, 0) for _, seen in members])
    masks = [seen.mask[None].astype(np.float32) for _, seen in members if seen.mask is not None]
    mask: Any = np.stack(masks) if masks else None
    if not getattr(model, "arrays", False):
        require("torch", extra="train")
        import torch

        images, mask = torch.from_numpy(images), None if mask is None else torch.from_numpy(mask)
    return model.predict(Inputs(image=images, mask=mask), seed=seed, **options)


def _array(values: Any) -> NDArray[Any]:
    """A tensor or an array -> an array."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


def _predicted(
    model: Model, members: list[tuple[Photo, Framed]], seed: int, options: dict[str, Any]
) -> Iterator[PhotoPrediction]:
    answer = _run(model, members, seed, options)
    if answer.normal is None:
        raise ModelError(f"{model.name} predicts no normals of a photo; see `multishade depth`")
    assert answer.confidence is not None and answer.mask is not None
    for index, (photo, seen) in enumerate(members):
        normal = np.moveaxis(_array(answer.normal[index]), 0, 2)
        confidence = _array(answer.confidence[index, 0])
        if answer.coverage is None:
            detected = _array(answer.mask[index, 0]).astype(np.float32)
        else:
            detected = _array(answer.coverage[index, 0])
        frames = None if answer.shading is None else _array(answer.shading[index])
        yield PhotoPrediction(
            photo,
            *_at_photo(normal, confidence, detected, answer.coverage is not None, seen, photo),
            frames,
            seen.window,
        )


def _at_photo(
    normal: Float32, confidence: Float32, detected: Float32, clean: bool, seen: Framed, photo: Photo
) -> tuple[Float32, Float32, Bool]:
    """Normals, confidence and mask of the network's square -> the same at the photo's size.

    detected: (S, S) how much of a pixel is object, 0 to 1, for photos without a mask; clean: whether what is found is
    to be cleaned.
    """
    from scipy import ndimage

    window = seen.window
    mask = photo.mask
    if mask is None:
        mask = unframe(detected * seen.inside, window) > 0.5
        mask = clean_mask(mask) if clean else mask
    given = (normal != 0).any(axis=2)
    if not given.any():
        return np.zeros((*mask.shape, 3), np.float32), np.zeros(mask.shape, np.float32), mask
    # Outwards from the object the nearest normal stands in, so that the rim is not mixed with nothing.
    nearest = tuple(ndimage.distance_transform_edt(~given, return_distances=False, return_indices=True))
    resized = unframe(normal[nearest], window)
    length = np.linalg.norm(resized, axis=2, keepdims=True)
    usable = mask[..., None] & (length > 1e-6)
    trust = np.clip(unframe(confidence[nearest], window), 0, 1)
    return (
        np.where(usable, resized / np.where(usable, length, 1), 0).astype(np.float32),
        np.where(usable[..., 0], trust, 0).astype(np.float32),
        mask,
    )


def _photo(photo: str | Path | Photo | NDArray[np.floating], mask: str | Path | NDArray[Any] | None) -> Photo:
    if isinstance(photo, str | Path):
        if mask is None or isinstance(mask, str | Path):
            return read_photo(photo, mask)
        photo = read_photo(photo)
    elif not isinstance(photo, Photo):
        photo = Photo(_checked(photo))
    if mask is None:
        return photo
    if isinstance(mask, str | Path):
        mask = read_photo_mask(mask, photo.pixels.shape[:2])
    if mask.shape != photo.pixels.shape[:2]:
        raise ImageFileError(f"a mask of shape {mask.shape} for a photo of shape {photo.pixels.shape}")
    return replace(photo, mask=mask != 0)


def _checked(pixels: NDArray[np.floating]) -> Float32:
    values = np.asarray(pixels)
    if values.ndim != 3 or values.shape[2] != 3 or not np.issubdtype(values.dtype, np.floating):
        raise ImageFileError(
            f"a photo of shape {values.shape}, {values.dtype}; expected (H, W, 3) floats in 0..1"
        )
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise ImageFileError("a photo with values outside 0..1; give display-encoded values")
    return values.astype(np.float32)
