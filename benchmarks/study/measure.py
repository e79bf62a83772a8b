# SPDX-License-Identifier: Apache-2.0
"""A trained model and photographed objects with true normals -> rows of angular errors, for each solver.

As `multishade evaluate rose:MODEL`: the object's mask is given, the square around it is shrunk to what the network
sees, normals are put back to the photo's size and measured there.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from benchmarks.study.arms import NO_SOLVER, Arm, digest
from multishade.evaluation.methods.base import Method, PredictedNormals
from multishade.evaluation.methods.baselines import BASELINES
from multishade.evaluation.methods.learned import paper_photographs
from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers import benchmark as readers
from multishade.evaluation.run import MeasureSettings, run_method
from multishade.evaluation.table import ResultRow
from multishade.inference.photo import Photo, linear_photo
from multishade.inference.predict import infer_all
from multishade.models.base import Inputs, Prediction
from multishade.models.rose.model import RoSE
from multishade.models.rose.settings import Sampling
from multishade.models.rose.solve import DEFAULT_SOLVER

ANGLES_ONLY = MeasureSettings(integrator=None, shading=False, pictures=False)
BATCH = 8
SHOWN = 4  # objects whose normals are kept for the picture


@dataclass(frozen=True)
class Subject:
    """An object and the photos of it that a model is given."""

    target: BenchmarkObject
    photos: tuple[Photo, ...]


class Answers:
    """A model that generates once for each batch of photos, so that all solvers get the same shading."""

    def __init__(self, model: RoSE, sampling: Sampling) -> None:
        self.settings = model.settings
        self._model, self._sampling = model, sampling
        self._made: dict[str, torch.Tensor] = {}

    def generate(self, images: torch.Tensor, seed: int = 0, sampling: Sampling | None = None) -> torch.Tensor:
        place = hashlib.sha256(images.numpy().tobytes() + bytes(seed)).hexdigest()
        if place not in self._made:
            self._made[place] = self._model.generate(images, seed, sampling or self._sampling)
        return self._made[place]

    def predict(self, inputs: Inputs, *, seed: int = 0, solver: str = DEFAULT_SOLVER) -> Prediction:
        assert inputs.image is not None
        return self._model.solved(self.generate(inputs.image, seed), inputs.mask, solver)


def subjects(test: Path, diligent: Path | None) -> list[Subject]:
    """Every view of the test shards with all its photos, and each DiLiGenT object with photographs 21 to 30."""
    specs = [f"shards:{test}"] + ([f"diligent:{diligent}"] if diligent is not None else [])
    found = []
    for spec in specs:
        for target in readers.open_benchmark(spec):
            photos = [
                linear_photo(target.input(index), target.mask, name)
                for index, name in paper_photographs(target)
            ]
            found.append(Subject(target, tuple(photos)))
    return found


def fingerprint(given: Sequence[Subject]) -> str:
    """Of what is measured on: names, sizes, photos' content and truth.

    Contents are summed up by means to four digits, which other processors and versions of NumPy reproduce.
    """
    content = []
    for subject in given:
        arrays = [*(photo.pixels for photo in subject.photos), subject.target.true_normal]
        sums = [
            (array.shape, [f"{value:.4f}" for value in np.nanmean(array, axis=(0, 1))]) for array in arrays
        ]
        content.append((subject.target.benchmark, subject.target.relative_path, sums))
    return digest(content)


def measure(
    model: RoSE, arm: Arm, seed: int, sampling: Sampling, given: Sequence[Subject]
) -> list[ResultRow]:
    """One row for each solver, object, view and photo."""
    answers = Answers(model, sampling)
    return [
        row
        for solver in arm.solvers
        for row in _rows(given, _method(answers, solver, given), arm.name, settings_text(solver, seed))
    ]


def baselines(given: Sequence[Subject]) -> list[ResultRow]:
    """What knows the mask only: a plane that faces the camera, an ellipsoid in the mask's box. One row an
    object's view."""
    return [row for name, method in BASELINES.items() for row in _rows(given, method, name, "")]


def settings_text(solver: str, seed: int) -> str:
    return f"solver={solver} seed={seed}"


def shown_normals(model: RoSE, sampling: Sampling, given: Sequence[Subject]) -> dict[str, Any]:
    """Normals (H, W, 3) by the object's place, of the first photo of the first few objects of the test shards."""
    answers = cast(RoSE, Answers(model, sampling))
    return {
        subject.target.relative_path: next(infer_all(subject.photos[:1], answers)).normal
        for subject in shown(given)
    }


def shown(given: Sequence[Subject]) -> list[Subject]:
    """The first view of each of the first objects of the test shards."""
    first: dict[str, Subject] = {}
    for subject in given:
        if subject.target.benchmark == "shards":
            first.setdefault(subject.target.name, subject)
    return list(first.values())[:SHOWN]


def _rows(given: Sequence[Subject], method: Method, name: str, settings: str) -> list[ResultRow]:
    rows: list[ResultRow] = []
    # `run_method` pools one benchmark at a time.
    for benchmark in dict.fromkeys(subject.target.benchmark for subject in given):
        targets = (subject.target for subject in given if subject.target.benchmark == benchmark)
        rows += run_method(method, targets, name, settings, ANGLES_ONLY).rows
    return rows


def _method(answers: Answers, solver: str, given: Sequence[Subject]) -> Method:
    photos = {id(subject.target): subject.photos for subject in given}
    used = DEFAULT_SOLVER if solver == NO_SOLVER else solver  # which models of normals do not look at

    def predict(target: BenchmarkObject) -> Iterator[PredictedNormals]:
        found = infer_all(photos[id(target)], cast(RoSE, answers), BATCH, solver=used)
        for photo, inference in zip(photos[id(target)], found, strict=True):
            yield PredictedNormals(photo.name, inference.normal)

    return predict
