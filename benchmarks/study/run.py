# SPDX-License-Identifier: Apache-2.0
"""Arms x seeds -> a folder of results, one CSV each; finished ones are skipped, interrupted ones begun again.

out/models/ARM-seedN/       the run of `multishade train`: model/, metrics.jsonl, and trained.json when it is
finished
out/results/ARM-seedN.csv   angular errors, a row a solver, object, view and photo; ARM-seedN.json says of what
out/results/baselines.csv   what needs no training
out/normals/ARM-seedN.npz   normals of a few photos, for the picture
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.study import measure
from benchmarks.study.arms import Arm, configure, digest, training_fingerprint
from multishade.evaluation.table import to_csv
from multishade.models.rose.model import RoSE
from multishade.storage.local import atomic_file
from multishade.training.tasks.rose import RoseConfig
from multishade.training.trainer import train

Report = Callable[[str], None]
BASELINES = "baselines"


@dataclass(frozen=True)
class Place:
    """Where settings, shards and results are. diligent: None leaves those objects out. measured: False trains
    only."""

    config: Path
    out: Path
    test: Path
    diligent: Path | None = None
    overrides: tuple[str, ...] = ()
    measured: bool = True

    def result(self, name: str) -> Path:
        return self.out / "results" / f"{name}.csv"


@dataclass(frozen=True)
class Job:
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        return f"{self.arm.name}-seed{self.seed}"


def plan(arms: Sequence[Arm], seeds: Sequence[int]) -> list[Job]:
    """All arms of the first seed, then all of the next: however early it ends, whole seeds can be compared."""
    return [Job(arm, seed) for seed in seeds for arm in arms]


def carry_out(
    jobs: Sequence[Job], place: Place, workers: int = 1, minutes: float | None = None, report: Report = print
) -> list[Job]:
    """Train and measure what is not there yet, one thread a job. Returns the jobs that were left undone.

    minutes: after so many no further job is begun. Errors of a job end the study; what is finished stays.
    """
    begun = time.monotonic()

    def late() -> bool:
        return minutes is not None and time.monotonic() - begun > 60 * minutes

    if place.measured:
        measure_baselines(place)
    if workers == 1:
        single_thread()
        left = []
        for job in jobs:
            if late():
                left.append(job)
            else:
                report(f"{job.name}: {do(job, place, report)}")
        return left
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=single_thread) as pool:
        waiting = iter(jobs)
        running = {pool.submit(do, job, place): job for job in islice(waiting, workers)}
        while running:
            done = next(as_completed(running))
            report(f"{running.pop(done).name}: {done.result()}")
            following = None if late() else next(waiting, None)
            if following is not None:
                running[pool.submit(do, following, place)] = following
        return list(waiting)


def single_thread() -> None:
    """For this process: jobs share the machine by cores, and seconds mean the same for all."""
    import cv2

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    if find_spec("numba"):  # some solvers' kernels; what predicts normals needs none
        import numba

        numba.set_num_threads(1)


def do(job: Job, place: Place, report: Report = lambda text: None) -> str:
    """Train and measure one arm with one seed, unless the very result is there. Returns what was done, in words."""
    config = _config(job, place)
    folder, sampling = config.folder, config.model.settings().sampling
    if not place.measured:
        return f"{_trained(job, place, report)['training_seconds']:.0f} s trained"
    given = subjects_of(place)
    if is_finished(job, place):
        return "was there"
    asked = _asked(job, place)
    notes = _trained(job, place, report)
    model = RoSE.from_pretrained(folder / "model").to("cuda" if torch.cuda.is_available() else "cpu")
    since = time.process_time()
    rows = measure.measure(model, job.arm, job.seed, sampling, given)
    spent = time.process_time() - since
    path = place.out / "normals" / f"{job.name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **measure.shown_normals(model, sampling, given))
    _write(place.result(job.name), to_csv(rows))
    _write(
        _facts_path(job, place), json.dumps({**asked, **notes, "measuring_seconds": spent}, indent=2) + "\n"
    )
    error = np.mean([row.metrics["mean_with_missing"] for row in rows if job.arm.solvers[0] in row.settings])
    return f"{notes['training_seconds']:.0f} s trained, {spent:.0f} s measured, {error:.2f} degrees"


def is_finished(job: Job, place: Place) -> bool:
    """Whether the result is there, of these very settings, training shards and test photos."""
    if not (place.result(job.name).is_file() and _facts_path(job, place).is_file()):
        return False
    facts = facts_of(job, place)
    return all(facts.get(name) == value for name, value in _asked(job, place).items())


def facts_of(job: Job, place: Place) -> dict[str, Any]:
    """What a finished job took: training_seconds, measuring_seconds (processor), steps, batch, parameters."""
    return _read(_facts_path(job, place))


def measure_baselines(place: Place) -> None:
    """Needs no training and takes a second: done anew each time."""
    _write(place.result(BASELINES), to_csv(measure.baselines(subjects_of(place))))


def _trained(job: Job, place: Place, report: Report) -> dict[str, Any]:
    """What the finished training took; it is done now unless that of the very settings and shards is there."""
    config = _config(job, place)
    fingerprint = training_fingerprint(config)
    path = config.folder / "trained.json"
    notes = _read(path)
    if notes.get("training") != fingerprint:
        notes = {"training": fingerprint, **_train(config, report)}
        _write(path, json.dumps(notes, indent=2) + "\n")
    return notes


def _train(config: RoseConfig, report: Report) -> dict[str, Any]:
    """Train from the start, on a CUDA device if torch has one, and say what it took."""
    folder = config.folder
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted or another run left
    since = time.process_time()
    model = RoSE.from_pretrained(train(config, report=report))
    seconds = time.process_time() - since
    shutil.rmtree(folder / "checkpoints")
    return {
        "training_seconds": seconds,
        "steps": config.optimisation.steps,
        "batch": config.optimisation.batch,
        "parameters": sum(weight.numel() for weight in model.unet.parameters()),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
    }


def _config(job: Job, place: Place) -> RoseConfig:
    return configure(place.config, job.arm, job.seed, place.out / "models" / job.name, place.overrides)


def _asked(job: Job, place: Place) -> dict[str, str]:
    """Fingerprints of what a result must be of."""
    config = _config(job, place)
    measured = [
        measure.fingerprint(subjects_of(place)),
        job.arm.solvers,
        config.model.sampling.model_dump(),
    ]
    return {"training": training_fingerprint(config), "measured": digest(measured)}


def _facts_path(job: Job, place: Place) -> Path:
    return place.result(job.name).with_suffix(".json")


def subjects_of(place: Place) -> list[measure.Subject]:
    """What models are measured on; read once."""
    return _subjects(place.test, place.diligent)


@cache
def _subjects(test: Path, diligent: Path | None) -> list[measure.Subject]:
    return measure.subjects(test, diligent)


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as stream:
        stream.write(text.encode())
