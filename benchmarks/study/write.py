# SPDX-License-Identifier: Apache-2.0
"""Finished jobs -> `study-paradigm.md` and its pictures, and tables that `multishade compare` reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study import figure, findings, report
from benchmarks.study.arms import ARMS
from benchmarks.study.measure import shown
from benchmarks.study.run import BASELINES, Job, Place, facts_of, is_finished, measure_baselines, subjects_of
from multishade.config import load_settings
from multishade.errors import EvaluationError
from multishade.evaluation.table import ResultRow, read_csv, to_csv
from multishade.report.document import Figure, to_markdown
from multishade.training.tasks.rose import RoseConfig

NAME = "study-paradigm"


def write(docs: Path, place: Place, jobs: Sequence[Job], notes: Sequence[str] = ()) -> Path:
    """notes: what a reader must know about this run, in sentences. Returns the report's path. Raises
    EvaluationError where no seed is finished for all arms of a network."""
    done = [job for job in jobs if is_finished(job, place)]
    seeds = findings.common_seeds(
        {job.arm.name: [other.seed for other in done if other.arm == job.arm] for job in jobs}
    )
    if not seeds:
        raise EvaluationError(
            f"{place.out}: no seed is finished for all arms of a network: run the study, or name finished "
            f"arms (--arms)"
        )
    kept = [job for job in done if job.seed in seeds.get(job.arm.name, ())]
    rows = [row for job in kept for row in read_csv(place.result(job.name))]
    measure_baselines(place)
    found = findings.find(rows, read_csv(place.result(BASELINES)), seeds, np.random.default_rng(0))
    _write_tables(place.out / "tables", rows)
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    figure.draw(images / f"{NAME}.png", found)
    figure.sheet(images / f"{NAME}-normals.png", shown(subjects_of(place)), _normals(place, kept))
    pictures = (
        Figure(f"images/{NAME}.png", "Mean errors by arm, and planned differences with their intervals"),
        Figure(
            f"images/{NAME}-normals.png",
            "First test objects: photo, true normals, those of each arm with mean error",
        ),
    )
    config = load_settings(place.config, RoseConfig, place.overrides)
    facts = {
        arm.name: [facts_of(job, place) for job in kept if job.arm == arm]
        for arm in ARMS
        if any(job.arm == arm for job in kept)
    }
    blocks = report.blocks(config, facts, found, pictures, [*_missing(place, jobs, kept), *notes])
    path = docs / f"{NAME}.md"
    path.write_text(to_markdown(report.TITLE, blocks), encoding="utf-8")
    return path


def _missing(place: Place, jobs: Sequence[Job], kept: Sequence[Job]) -> list[str]:
    """What the report leaves out, in sentences."""
    said = []
    lost = [job.name for job in jobs if job not in kept]
    if lost:
        said.append(
            f"{len(lost)} of {len(jobs)} planned runs are left out, since they or others of their seed are "
            f"not finished: "
            f"{', '.join(lost)}."
        )
    absent = [arm.title for arm in ARMS if arm not in [job.arm for job in jobs]]
    if absent:
        said.append(f"Arms that this run left out: {', '.join(absent)}.")
    if place.diligent is None:
        said.append("DiLiGenT was not given, so nothing here is measured on real photographs.")
    return said


def _normals(place: Place, kept: Sequence[Job]) -> dict[str, Mapping[str, Any]]:
    """Of each arm's first seed."""
    first = {job.arm.name: job for job in reversed(kept)}
    return {name: dict(np.load(place.out / "normals" / f"{job.name}.npz")) for name, job in first.items()}


def _write_tables(folder: Path, rows: Sequence[ResultRow]) -> None:
    """ARM.SOLVER.csv: the rows of all seeds as one method."""
    folder.mkdir(parents=True, exist_ok=True)
    for arm in ARMS:
        for solver in arm.solvers:
            chosen = [
                replace(row, settings=f"solver={solver}")
                for row in rows
                if row.method == arm.name and row.settings.split()[0] == f"solver={solver}"
            ]
            if chosen:
                (folder / f"{arm.name}.{solver}.csv").write_text(to_csv(chosen), encoding="utf-8")
