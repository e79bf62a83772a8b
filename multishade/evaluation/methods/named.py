# SPDX-License-Identifier: Apache-2.0
"""The methods that `multishade evaluate` knows: an object of a benchmark -> predicted normal maps.

A method is a function that yields one `Prediction` an object (photometric stereo, which sees all photographs)
or one an image. Its normals are in our frame; the zero vector means "no normal here".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.geometry import conventions
from multishade.geometry.boxes import bounding_window
from multishade.imaging.normal_maps import read_normal_map
from multishade.photometry.solvers import methods

ALL = "all"
BASELINES = ("constant", "sphere")
PREDICTION_SUFFIXES = (".exr", ".npy", ".npz", ".png", ".tif", ".mat")


@dataclass(frozen=True)
class Prediction:
    """normal: (H, W, 3) float32. image: which photograph it came from, or "all"."""

    image: str
    normal: Float32


Method = Callable[[BenchmarkObject], Iterator[Prediction]]


def names() -> tuple[str, ...]:
    """Every method that needs nothing but a name."""
    return (*methods.METHODS, *BASELINES)


def method(name: str, gray: str = "luminance") -> Method:
    """A solver (on photographs turned `gray`), a baseline, or a RoSE model ("rose:" and its folder) by its name."""
    if name in methods.METHODS:
        return lambda target: solve(target, name, gray)
    if name == "constant":
        return constant
    if name == "sphere":
        return sphere
    kind, _, model = name.partition(":")
    if kind == "rose":
        from multishade.evaluation.methods.learned import rose

        return rose(model or None)
    raise EvaluationError(
        f"unknown method {name!r}: expected one of {', '.join(names())}, rose, rose:MODEL, or a folder of normal maps"
    )


def solve(target: BenchmarkObject, name: str, gray: str) -> Iterator[Prediction]:
    """Photometric stereo from all photographs. Pixels that the lights do not determine get no normal."""
    if target.directions is None:
        raise EvaluationError(f"{target.benchmark}/{target.name}: no light directions, which {name} needs")
    window = bounding_window(target.mask)
    images_of_light = target.images(gray, window)
    found = methods.solve(images_of_light, target.directions, target.mask[window], method=name)
    normal = np.zeros((*target.mask.shape, 3), dtype=np.float32)
    normal[window] = np.where((found.determined & target.mask[window])[..., None], found.normal, 0)
    yield Prediction(ALL, normal)


def constant(target: BenchmarkObject) -> Iterator[Prediction]:
    """Every pixel faces the camera: what knows nothing but the camera's side."""
    normal = np.zeros((*target.mask.shape, 3), dtype=np.float32)
    normal[target.mask, 2] = 1
    yield Prediction(ALL, normal)


def sphere(target: BenchmarkObject) -> Iterator[Prediction]:
    """The half of an ellipsoid that fills the mask's bounding box: what knows the outline's place and size only."""
    yield Prediction(ALL, ellipsoid_normals(target.mask))


def ellipsoid_normals(mask: NDArray[np.bool_]) -> Float32:
    """Normals (H, W, 3) of an ellipsoid over the bounding box of `mask`, as deep as it is wide and high on average.

    Mask pixels in the box's corners, outside the ellipse, get the normal of the nearest point of the rim.
    """
    rows, columns = bounding_window(mask)
    half = np.array([columns.stop - columns.start, rows.stop - rows.start]) / 2
    row, column = np.nonzero(mask)
    x = (column + 0.5 - (columns.start + columns.stop) / 2) / half[0]
    y = -(row + 0.5 - (rows.start + rows.stop) / 2) / half[1]
    radius = np.hypot(x, y)
    outside = np.maximum(radius, 1)
    x, y = x / outside, y / outside
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    # The normal of an ellipsoid is the gradient of (x/a)^2 + (y/b)^2 + (z/c)^2.
    vectors = np.stack([x / half[0], y / half[1], z / np.sqrt(half[0] * half[1])], axis=1)
    normal = np.zeros((*mask.shape, 3), dtype=np.float32)
    normal[row, column] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normal


def from_folder(folder: Path, declared: str) -> Method:
    """Normal maps made elsewhere: `<object>.<suffix>`, or `<object>/<image stem>.<suffix>` for one map an image.

    declared: the axes they are stored in (`conventions.parse_axes`). Raises EvaluationError for an object without a
    map, or one of another size than the truth.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: no such folder of normal maps")
    conventions.parse_axes(declared)

    def predict(target: BenchmarkObject) -> Iterator[Prediction]:
        for image, path in _predictions_of(target, folder):
            stored = read_normal_map(path)
            if stored.shape[:2] != target.mask.shape:
                raise EvaluationError(
                    f"{path}: {stored.shape[1]} x {stored.shape[0]} pixels, the truth of {target.name} has "
                    f"{target.mask.shape[1]} x {target.mask.shape[0]}; resize it where it is made"
                )
            yield Prediction(image, conventions.to_camera_frame(stored, declared))

    return predict


def _predictions_of(target: BenchmarkObject, folder: Path) -> list[tuple[str, Path]]:
    single = _existing(folder / target.place)
    if single is not None:
        return [(ALL, single)]
    named = [(image, _existing(folder / target.place / Path(image).stem)) for image in target.inputs]
    found = [(image, path) for image, path in named if path is not None]
    if not found:
        raise EvaluationError(
            f"{folder}: no normal map for {target.place}; expected {target.place}.png (or "
            f"{', '.join(PREDICTION_SUFFIXES)}) "
            f"or {target.place}/<image>.png"
        )
    return found


def _existing(path: Path) -> Path | None:
    # Not with_suffix: names such as PENTAGON_1.5 keep what follows their dot.
    candidates = (path.parent / (path.name + suffix) for suffix in PREDICTION_SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
