# SPDX-License-Identifier: Apache-2.0
"""Arms x seeds -> a folder of results, one CSV each; finished ones are skipped, interrupted ones begun again.

out/views/                  the arrays of the shards
out/models/ARM-seedN/       a training run: model/, metrics.jsonl, and trained.json when it is finished
out/results/ARM-seedN.csv   errors, a row a surface, view and photo; ARM-seedN.json says of what
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.study.arms import digest
from benchmarks.study_supervision import measure
from benchmarks.study_supervision.arms import Arm, configure, named
from benchmarks.study_supervision.data import Views, batch_of, batches, load_views
from multishade.data.batches import Batch
from multishade.data.settings import Geometric
from multishade.evaluation.table import to_csv
from multishade.models.surface.model import Surface
from multishade.storage.local import write_text
from multishade.training.sources import Sources
from multishade.training.tasks.surface import SurfaceConfig, SurfaceTask
from multishade.training.trainer import Trainer
from multishade.training.weighting import COLLAPSED

Report = Callable[[str], None]
BASELINES = "baselines"


@dataclass(frozen=True)
class Place:
    """Where settings, shards and results are. photos: of each test view that are measured. seeds: how many "
    "there are."""

    config: Path
    out: Path
    test: str
    overrides: tuple[str, ...] = ()
    photos: int = 3
    seeds: int = 5

    def result(self, name: str) -> Path:
        return self.out / "results" / f"{name}.csv"


@dataclass(frozen=True)
class Job:
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        return f"{self.arm.name}-seed{self.seed}"


def plan(arms: Sequence[Arm], seeds: int) -> list[Job]:
    """All arms of the first seed, then all of the next: however early it ends, whole seeds can be compared.

    An arm that averages more networks than there are seeds is left out.
    """
    return [Job(arm, seed) for seed in range(seeds) for arm in arms if arm.members <= seeds]


def carry_out(
    jobs: Sequence[Job], place: Place, workers: int = 1, minutes: float | None = None, report: Report = print
) -> list[Job]:
    """Train and measure what is not there yet, one thread a job. Returns the jobs that were left undone.

    minutes: after so many no further job is begun. Errors of a job end the study; what is finished stays.
    """
    begun = time.monotonic()
    prepare(place)
    write_text(place.result(BASELINES), to_csv(measure.baselines(views_of_test(place))))
    # What averages networks of others comes after them.
    order = sorted(jobs, key=lambda job: job.arm.members > 1)
    waiting = [job for job in order if not is_finished(job, place)]
    report(f"{len(jobs) - len(waiting)} of {len(jobs)} runs are there")

    def late() -> bool:
        return minutes is not None and time.monotonic() - begun > 60 * minutes

    if workers == 1:
        single_thread()
        while waiting and not late():
            report(f"{waiting[0].name}: {do(waiting[0], place)}")
            waiting.pop(0)
        return waiting
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=single_thread) as pool:
        for alone in (True, False):
            queue = [job for job in waiting if (job.arm.members == 1) == alone]
            running: dict[Any, Job] = {}
            while (queue and not late()) or running:
                while queue and len(running) < workers and not late():
                    job = queue.pop(0)
                    running[pool.submit(do, job, place)] = job
                done = next(as_completed(running))
                job = running.pop(done)
                report(f"{job.name}: {done.result()}")
                waiting.remove(job)
    return waiting


def prepare(place: Place) -> None:
    """Read all shards into arrays, once, before workers ask for them."""
    config = shared_config(place)
    for places in (config.data.train, config.data.val, (place.test,)):
        _views(tuple(places), place, config)


def shared_config(place: Place) -> SurfaceConfig:
    """The settings that all arms share."""
    return configure(place.config, _ANY, 0, place.out, place.overrides)


def single_thread() -> None:
    """For this process: jobs share the machine by cores."""
    import cv2
    import numba

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    cv2.setNumThreads(0)


def do(job: Job, place: Place) -> str:
    """Train and measure one arm with one seed. Returns what was done, in words."""
    members = members_of(job, place)
    notes = [_trained(member, place) for member in members]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    models = [
        Surface.from_pretrained(_config(member, place).folder / "model", device=device) for member in members
    ]
    since = time.perf_counter()
    rows = measure.measure(models, job.arm, job.seed, views_of_test(place), place.photos)
    spent = time.perf_counter() - since
    facts = {**notes[0], **_asked(job, place), "measuring_seconds": spent}
    write_text(place.result(job.name), to_csv(rows))
    write_text(_facts_path(job, place), json.dumps(facts, indent=2) + "\n")
    error = np.mean([row.metrics[measure.ERROR] for row in rows])
    return (
        f"{notes[0]['training_seconds']:.0f} s trained, {spent:.0f} s measured, {error:.2f} % of the relief"
    )


def members_of(job: Job, place: Place) -> list[Job]:
    """The runs whose networks a job measures: its own, or those of this seed and the next ones of another arm."""
    if job.arm.members == 1:
        return [job]
    (arm,) = named([job.arm.of])
    return [Job(arm, (job.seed + number) % place.seeds) for number in range(job.arm.members)]


def is_finished(job: Job, place: Place) -> bool:
    """Whether the result is there, of these very settings, training views and test views."""
    if not (place.result(job.name).is_file() and _facts_path(job, place).is_file()):
        return False
    facts = facts_of(job, place)
    return all(facts.get(name) == value for name, value in _asked(job, place).items())


def facts_of(job: Job, place: Place) -> dict[str, Any]:
    """What a finished job took: seconds, steps, device, and the share of steps whose weights had collapsed."""
    return dict(json.loads(_facts_path(job, place).read_text()))


def views_of_test(place: Place) -> Views:
    """What models are measured on."""
    return _views((place.test,), place, shared_config(place))


def training_views(place: Place) -> Views:
    """What models are trained on."""
    config = shared_config(place)
    return _views(tuple(config.data.train), place, config)


_ANY = Arm("any", "", ())


def _views(places: tuple[str, ...], place: Place, config: SurfaceConfig) -> Views:
    return _loaded(places, config.model.size, config.data.geometric, place.out / "views")


@cache
def _loaded(places: tuple[str, ...], size: int, frame: Geometric, kept: Path) -> Views:
    return load_views(places, size, frame, kept)


def _trained(job: Job, place: Place) -> dict[str, Any]:
    """What the finished training took; it is done now unless that of the very settings and views is there."""
    config = _config(job, place)
    path = config.folder / "trained.json"
    fingerprint = _asked(job, place)["training"]
    notes = dict(json.loads(path.read_text())) if path.is_file() else {}
    if notes.get("training") != fingerprint:
        notes = {"training": fingerprint, **_train(job.arm, config, place)}
        write_text(path, json.dumps(notes, indent=2) + "\n")
    return notes


def _train(arm: Arm, config: SurfaceConfig, place: Place) -> dict[str, Any]:
    folder = config.folder
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted or another run left
    options = config.optimisation
    views, held_out = (_views(tuple(each), place, config) for each in (config.data.train, config.data.val))

    def train(start: int) -> Iterator[Batch]:
        return batches(views, options.batch, arm.order, options.steps, config.seed, start)

    def val() -> Iterator[Batch]:
        for row in range(min(len(held_out), config.validation.samples)):
            chosen = np.array([row])
            image = torch.from_numpy(held_out.image[chosen, 0].astype(np.float32) / 255)
            yield batch_of(held_out, chosen, image)

    since = time.perf_counter()
    said: list[str] = []
    Trainer(config, SurfaceTask(config), Sources(train, val), said.append).fit()
    seconds = time.perf_counter() - since
    shutil.rmtree(folder / "checkpoints")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    collapsed = [row[f"train/{COLLAPSED}"] for row in lines if f"train/{COLLAPSED}" in row]
    effective = [row["train/weighting/effective"] for row in lines if "train/weighting/effective" in row]
    return {
        "training_seconds": seconds,
        "steps": options.steps,
        "batch": options.batch,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "processor",
        "collapsed": float(np.mean(collapsed)) if collapsed else None,
        "effective": float(np.mean(effective)) if effective else None,
    }


def _config(job: Job, place: Place) -> SurfaceConfig:
    return configure(place.config, job.arm, job.seed, place.out / "models" / job.name, place.overrides)


def _asked(job: Job, place: Place) -> dict[str, str]:
    """Fingerprints of what a result must be of."""
    trained = [_training_of(member, place) for member in members_of(job, place)]
    test = views_of_test(place)
    content = digest([test.keys.tolist(), float(test.depth.sum()), place.photos, job.arm.surfaces])
    return {"training": trained[0] if len(trained) == 1 else digest(trained), "measured": content}


def _training_of(job: Job, place: Place) -> str:
    config = _config(job, place)
    settings = config.model_dump(
        mode="json",
        exclude={"output", "name", "validation", "checkpoints", "logging", "hub", "data"},
        exclude_defaults=True,  # so that a setting that is new to the project changes nothing
    )
    views = _views(tuple(config.data.train), place, config)
    return digest([settings, job.arm.order, len(views), float(views.depth.sum()), config.seed])


def _facts_path(job: Job, place: Place) -> Path:
    return place.result(job.name).with_suffix(".json")
