# SPDX-License-Identifier: Apache-2.0
"""A photometric-stereo solver -> a method: all photographs of an object under known lights give one normal map."""

from collections.abc import Iterator

import numpy as np

from multishade.errors import EvaluationError
from multishade.evaluation.methods.base import ALL, Method, PredictedNormals
from multishade.evaluation.objects import BenchmarkObject
from multishade.geometry.boxes import bounding_window
from multishade.geometry.lights import require_in_front
from multishade.photometry.solvers import methods


def solver_method(name: str, grey: str = "luminance") -> Method:
    """Return the method of a solver; pixels that the lights do not determine get no normal.

    name: of `multishade.photometry.solvers.methods`. grey: how colour becomes one number, or "rgb".
    """

    def predict(target: BenchmarkObject) -> Iterator[PredictedNormals]:
        if target.directions is None:
            raise EvaluationError(
                f"{target.benchmark}/{target.name}: no light directions, which {name} needs"
            )
        window = bounding_window(target.mask)
        mask = target.mask[window]
        require_in_front(target.directions, f"{target.benchmark}/{target.name}")
        images, measured = target.measurements(grey, window)
        # `ols` is a published formula, whose published numbers are over all values.
        measured = None if name == "ols" else measured
        solution = methods.solve(images, target.directions, mask, method=name, measured=measured)
        normal = np.zeros((*target.mask.shape, 3), dtype=np.float32)
        normal[window] = np.where((solution.determined & mask)[..., None], solution.normal, 0)
        yield PredictedNormals(ALL, normal)

    return predict
