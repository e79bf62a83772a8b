# SPDX-License-Identifier: Apache-2.0
"""A folder of normal maps that were made elsewhere -> a method."""

from collections.abc import Iterator
from pathlib import Path

from multishade.errors import EvaluationError
from multishade.evaluation.methods.base import ALL, Method, PredictedNormals
from multishade.evaluation.objects import BenchmarkObject
from multishade.geometry import conventions
from multishade.imaging.normal_maps import read_normal_map

PREDICTION_SUFFIXES = (".exr", ".npy", ".npz", ".png", ".tif", ".mat")


def from_folder(folder: Path, axes: str) -> Method:
    """Normal maps made elsewhere: `<object>.<suffix>`, or `<object>/<image stem>.<suffix>` for one map an image.

    axes: those that they are stored in (`conventions.parse_axes`). Raises EvaluationError if an object has no
    map, or one of another size than the truth.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: no such folder of normal maps")
    conventions.parse_axes(axes)

    def predict(target: BenchmarkObject) -> Iterator[PredictedNormals]:
        for image, path in _predictions_of(target, folder):
            stored = read_normal_map(path)
            if stored.shape[:2] != target.mask.shape:
                raise EvaluationError(
                    f"{path}: {stored.shape[1]} x {stored.shape[0]} pixels, the truth of {target.name} has "
                    f"{target.mask.shape[1]} x {target.mask.shape[0]}; resize it where it is made"
                )
            yield PredictedNormals(image, conventions.to_camera_frame(stored, axes))

    return predict


def _predictions_of(target: BenchmarkObject, folder: Path) -> list[tuple[str, Path]]:
    single = _existing(folder / target.relative_path)
    if single is not None:
        return [(ALL, single)]
    named = [(image, _existing(folder / target.relative_path / Path(image).stem)) for image in target.inputs]
    existing = [(image, path) for image, path in named if path is not None]
    if not existing:
        raise EvaluationError(
            f"{folder}: no normal map for {target.relative_path}; expected {target.relative_path}.png (or "
            f"{', '.join(PREDICTION_SUFFIXES)}) "
            f"or {target.relative_path}/<image>.png"
        )
    return existing


def _existing(path: Path) -> Path | None:
    # Not with_suffix: names such as PENTAGON_1.5 keep what follows their dot.
    candidates = (path.parent / (path.name + suffix) for suffix in PREDICTION_SUFFIXES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
