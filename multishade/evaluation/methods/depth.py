# SPDX-License-Identifier: Apache-2.0
"""A model of depth -> a method: the normals of the depth that it makes of a photo and of another model's normals."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from multishade.evaluation.methods.base import Method, PredictedNormals
from multishade.evaluation.methods.learned import paper_photographs
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.geometry.depth import depth_to_points, pca_normals
from multishade.inference.depth import depth_of_prediction, load_depth_model
from multishade.inference.framing import Window, unframe
from multishade.inference.photo import linear_photo
from multishade.inference.predict import infer
from multishade.inference.surface import Surface
from multishade.inference.view import View
from multishade.models.registry import load_model


def depth_method(name: str) -> Method:
    """Return the method of a model of depth. It starts from the normals of the bundled model for one photo.

    name: "irondepth" for the bundled one, or a name, a colon and its place. The benchmark's camera is given where it is
    known. Normals are those of planes through the depth (`geometry.depth.pca_normals`). Raises ModelError.
    """
    model, first = load_depth_model(name), load_model(runtime="auto")

    def predict(target: BenchmarkObject) -> Iterator[PredictedNormals]:
        for index, image in paper_photographs(target):
            photo = linear_photo(target.input(index), target.mask, image)
            if target.camera is not None and not target.orthographic:
                photo = replace(photo, view=View(target.camera, "of the benchmark"))
            surface = depth_of_prediction(infer(photo, first), model)
            yield PredictedNormals(image, normals_at_photo(surface, target.mask))

    return predict


def normals_at_photo(surface: Surface, mask: NDArray[np.bool_]) -> Float32:
    """Return the normals (H, W, 3) of a surface on a square of a photo, at the photo's size; 0 off its mask."""
    given = np.isfinite(surface.depth)
    points = depth_to_points(surface.depth, surface.camera, surface.projection)
    normal = pca_normals(points, given, surface.projection)
    known = np.isfinite(normal).all(axis=2)
    if not known.any():
        return np.zeros((*mask.shape, 3), np.float32)
    # Outwards from the object the nearest normal stands in, so that the rim is not mixed with nothing.
    nearest = tuple(ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True))
    side = round(len(surface.depth) / surface.scale)
    window = Window(int(surface.top), int(surface.left), side, *mask.shape)
    resized = unframe(normal[nearest].astype(np.float32), window)
    length = np.linalg.norm(resized, axis=2, keepdims=True)
    usable = mask[..., None] & (length > 1e-6)
    return np.where(usable, resized / np.where(usable, length, 1), 0).astype(np.float32)
