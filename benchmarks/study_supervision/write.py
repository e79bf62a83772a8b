# SPDX-License-Identifier: Apache-2.0
"""Finished jobs -> `study-supervision.md`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.study_supervision import findings, report
from benchmarks.study_supervision.arms import ARMS
from benchmarks.study_supervision.run import (
    BASELINES,
    Job,
    Place,
    facts_of,
    is_finished,
    shared_config,
    training_views,
    views_of_test,
)
from multishade.evaluation.table import read_csv
from multishade.report.document import to_markdown
from multishade.shards.locate import find_shards
from multishade.shards.record import read_dataset
from multishade.training.tasks.surface import SurfaceConfig


def write(docs: Path, place: Place, jobs: Sequence[Job], notes: Sequence[str] = ()) -> Path:
    """Write the report.

    Args:
        docs: Its folder.
        place: Of the study.
        jobs: What was planned.
        notes: What a reader must know about this run, in sentences.

    Returns:
        Its path.
    """
    done = [job for job in jobs if is_finished(job, place)]
    names = [arm.name for arm in ARMS if any(job.arm == arm for job in jobs)]
    finished = [{job.seed for job in done if job.arm.name == name} for name in names]
    seeds = sorted(set.intersection(*finished)) if finished else []
    kept = [job for job in done if job.seed in seeds]
    rows = [row for job in kept for row in read_csv(place.result(job.name))]
    found = None
    if seeds:
        found = findings.find(rows, read_csv(place.result(BASELINES)), seeds, np.random.default_rng(0))
    config = shared_config(place)
    test = views_of_test(place)
    train = training_views(place)
    seen = sorted(set(train.objects.tolist()) & set(test.objects.tolist()))
    views = {"train": len(train), "test": len(test), "seen": seen, "sets": _sets(config)}
    facts = {name: [facts_of(job, place) for job in kept if job.arm.name == name] for name in names if seeds}
    lost = [job.name for job in jobs if job not in kept]
    missing = (
        [f"{len(lost)} of {len(jobs)} planned runs are not finished or have a seed that other arms lack."]
        if lost
        else []
    )
    absent = [arm.title for arm in ARMS if arm.name not in names]
    missing += [f"Arms that this run left out: {', '.join(absent)}."] if absent else []
    blocks = report.blocks(config, views, facts, found, [*missing, *notes])
    docs.mkdir(parents=True, exist_ok=True)
    path = docs / f"{report.NAME}.md"
    path.write_text(to_markdown(report.TITLE, blocks), encoding="utf-8")
    return path


def _sets(config: SurfaceConfig) -> list[str]:
    folders = dict.fromkeys(Path(tar.url).parent for tar in find_shards(config.data.train))
    return [f"`{read_dataset(folder).config['name']}`" for folder in folders]
