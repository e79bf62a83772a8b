# SPDX-License-Identifier: Apache-2.0
"""A trained model -> a method: each photograph of an object gives one normal map."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multishade.evaluation.methods.base import Method, PredictedNormals
from multishade.evaluation.objects import BenchmarkObject
from multishade.inference.photo import linear_photo
from multishade.inference.predict import infer
from multishade.models.base import Model
from multishade.models.registry import load_model

# The paper takes photographs 21 to 30 of the real sets, which have 50 and more.
PAPER_PHOTOGRAPHS = slice(20, 30)


def model_method(model: Model | str | Path | None = None, **options: Any) -> Method:
    """Return the method of a trained model, which is given the object's mask.

    model: loaded, a folder, or a Hub name; None is the bundled model. options: of its `predict`. Of objects with 30
    photographs or more the 21st to 30th are used, as in the paper; of others all.
    """
    loaded = load_model(model) if model is None or isinstance(model, str | Path) else model

    def predict(target: BenchmarkObject) -> Iterator[PredictedNormals]:
        for index, name in paper_photographs(target):
            photo = linear_photo(target.input(index), target.mask, name)
            yield PredictedNormals(name, infer(photo, loaded, **options).normal)

    return predict


def paper_photographs(target: BenchmarkObject) -> list[tuple[int, str]]:
    """Return index and name of the photographs that a model is given."""
    numbered = list(enumerate(target.inputs))
    return numbered[PAPER_PHOTOGRAPHS] if len(numbered) >= PAPER_PHOTOGRAPHS.stop else numbered
