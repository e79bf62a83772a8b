# SPDX-License-Identifier: Apache-2.0
"""A RoSE model as a method of `multishade evaluate`: each photograph of an object -> one predicted normal map."""

from collections.abc import Iterator
from pathlib import Path

from multishade.evaluation.methods.named import Method, Prediction
from multishade.evaluation.objects import BenchmarkObject
from multishade.inference.photo import linear_photo
from multishade.inference.predict import infer
from multishade.models.registry import load_model
from multishade.models.rose.solve import DEFAULT_SOLVER

# The paper takes photographs 21 to 30 of the real sets, which have 50 and more.
PAPER_PHOTOGRAPHS = slice(20, 30)


def rose(model: str | Path | None = None, solver: str = DEFAULT_SOLVER) -> Method:
    """The method. model: a folder or Hub name; None is the bundled model. The object's mask is given to it.

    Of objects with 30 photographs or more the 21st to 30th are used, as in the paper; of others all.
    """
    loaded = load_model(model)

    def predict(target: BenchmarkObject) -> Iterator[Prediction]:
        chosen = list(enumerate(target.inputs))
        for index, name in chosen[PAPER_PHOTOGRAPHS] if len(chosen) >= PAPER_PHOTOGRAPHS.stop else chosen:
            photo = linear_photo(target.input(index), target.mask, name)
            yield Prediction(name, infer(photo, loaded, solver=solver).normal)

    return predict
