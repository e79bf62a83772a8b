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
PAPER_NUMBERS = range(21, 31)


def model_method(model: Model | str | Path | None = None, **options: Any) -> Method:
    """Return the method of a trained model, which is given the object's mask.

    model: loaded, a folder, or a Hub name; None is the bundled model. options: of its `predict`. Of objects with 30
    photographs or more those with the numbers 21 to 30 are used, as in the paper; of others all.
    """
    loaded = load_model(model, runtime="auto") if model is None or isinstance(model, str | Path) else model

    def predict(target: BenchmarkObject) -> Iterator[PredictedNormals]:
        for index, name in paper_photographs(target):
            photo = linear_photo(target.input(index), target.mask, name)
            yield PredictedNormals(name, infer(photo, loaded, **options).normal)

    return predict


def paper_photographs(target: BenchmarkObject) -> list[tuple[int, str]]:
    """Return index and name of the photographs that a model is given.

    The number is the one in the file's name (`021.png`), so that images that a reader leaves out do not shift it; of
    other names it is the place.
    """
    numbered = list(enumerate(target.inputs))
    if len(numbered) < PAPER_NUMBERS.stop - 1:
        return numbered
    stems = [Path(name).stem for name in target.inputs]
    if all(stem.isdigit() and int(stem) > 0 for stem in stems):
        chosen = [pair for pair, stem in zip(numbered, stems, strict=True) if int(stem) in PAPER_NUMBERS]
        if len(chosen) == len(PAPER_NUMBERS):
            return chosen
    return numbered[PAPER_NUMBERS.start - 1 : PAPER_NUMBERS.stop - 1]
