# SPDX-License-Identifier: Apache-2.0
"""A photometric-stereo solver or network -> a method: all photographs of an object under known lights give one normal
map.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.evaluation.methods.base import ALL, Method, PredictedNormals
from multishade.evaluation.objects import RGB, BenchmarkObject
from multishade.geometry.boxes import bounding_window
from multishade.geometry.lights import require_in_front
from multishade.inference.learned_stereo import load_stereo, solve_learned
from multishade.photometry.solvers import methods


def solver_method(name: str, grey: str = "luminance") -> Method:
    """Return the method of a solver; pixels that the lights do not determine get no normal.

    name: of `multishade.photometry.solvers.methods`. grey: how colour becomes one number, or "rgb".
    """

    def predict(target: BenchmarkObject) -> Iterator[PredictedNormals]:
        directions = _directions(target, name)
        window = bounding_window(target.mask)
        mask = target.mask[window]
        images, measured = target.measurements(grey, window)
        # `ols` is a published formula, whose published numbers are over all values.
        measured = None if name == "ols" else measured
        solution = methods.solve(images, directions, mask, method=name, measured=measured)
        normal = np.zeros((*target.mask.shape, 3), dtype=np.float32)
        normal[window] = np.where((solution.determined & mask)[..., None], solution.normal, 0)
        yield PredictedNormals(ALL, normal)

    return predict


def network_method(name: str) -> Method:
    """Return the method of a trained network, which sees all photographs in colour.

    name: "iga-psn" for the bundled one, or a model's name, a colon and its place. Raises ModelError.
    """
    model = load_stereo(name)

    def predict(target: BenchmarkObject) -> Iterator[PredictedNormals]:
        directions = _directions(target, name)
        window = bounding_window(target.mask)
        images, _ = target.measurements(RGB, window)
        solution = solve_learned(images, directions, target.mask[window], model)
        normal = np.zeros((*target.mask.shape, 3), dtype=np.float32)
        normal[window] = solution.normal
        yield PredictedNormals(ALL, normal)

    return predict


def _directions(target: BenchmarkObject, method: str) -> NDArray[np.float64]:
    where = f"{target.benchmark}/{target.name}"
    if target.directions is None:
        raise EvaluationError(f"{where}: no light directions, which {method} needs")
    require_in_front(target.directions, where)
    return target.directions
