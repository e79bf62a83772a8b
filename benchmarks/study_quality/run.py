# SPDX-License-Identifier: Apache-2.0
"""Levels x seeds -> rendered shards, trained models, and the report: each step is skipped if its result is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.study import findings
from benchmarks.study.run import BASELINES, Place, carry_out, is_finished, measure_baselines, plan
from benchmarks.study_quality import report
from benchmarks.study_quality.levels import COST, REFERENCE, STEPS, Level, arms, questions
from benchmarks.study_quality.report import Measured
from benchmarks.study_quality.scenes import Scenes, samples_for
from multishade.config import load_config, load_settings
from multishade.errors import EvaluationError
from multishade.evaluation.table import read_csv
from multishade.report.document import Figure, to_markdown
from multishade.training.tasks.rose import RoseConfig


@dataclass(frozen=True)
class Study:
    """Where the study's parts are. config: of the training; out: models and results; overrides: of the training."""

    scenes: Scenes
    config: Path
    out: Path
    diligent: Path | None = None
    overrides: tuple[str, ...] = ()

    def run(
        self,
        levels: Sequence[Level],
        shards: tuple[int, int],
        seeds: Sequence[int],
        docs: Path,
        *,
        workers: int = 1,
        minutes: float | None = None,
        notes: Sequence[str] = (),
    ) -> str:
        """Render, train and measure what is missing, then write the report.

        Args:
            levels: The qualities, REFERENCE among them.
            shards: Of each quality for equal steps; most of one for equal cost.
            seeds: Of the training.
            docs: Folder of the report.
            workers: Trainings at once, one thread each.
            minutes: Begin no further training after so many; None: train all.
            notes: Sentences for the report's reader.

        Returns:
            What was written, or what is left to do, in words.

        Raises:
            EvaluationError: If no seed is finished for all arms.
        """
        measured, tars = self.render(levels, *shards)
        made = arms(tars)
        validation = f"data.val=[{self.scenes.folder / 'test'}]"
        place = Place(
            self.config,
            self.out,
            self.scenes.clean_test(),
            self.diligent,
            (*self.overrides, validation),
        )
        jobs = plan(made, seeds)
        left = carry_out(jobs, place, workers, minutes)
        if left:
            print(f"time is up: {len(left)} of {len(jobs)} runs are left; repeat the command for them")
        done = [job for job in jobs if is_finished(job, place)]
        common = findings.common_seeds(
            {arm.name: [job.seed for job in done if job.arm == arm] for arm in made}, made
        )
        if not common:
            raise EvaluationError(f"{self.out}: no seed is finished for all qualities: repeat the command")
        lost = [job.name for job in jobs if job.seed not in common.get(job.arm.name, ())]
        missing = (
            [f"{len(lost)} of {len(jobs)} planned runs are left out: {', '.join(lost)}."] if lost else []
        )
        if self.diligent is None:
            missing.append("DiLiGenT was not given, so nothing here is measured on real photographs.")
        rows = [
            row
            for job in done
            if job.seed in common[job.arm.name]
            for row in read_csv(place.result(job.name))
        ]
        measure_baselines(place)
        found = findings.find(
            rows,
            read_csv(place.result(BASELINES)),
            common,
            np.random.default_rng(0),
            made,
            questions([level.name for level in levels]),
        )
        return f"report: {self._write(docs, measured, found, [*missing, *notes])}"

    def render(
        self, levels: Sequence[Level], shards: int, most: int
    ) -> tuple[dict[str, Measured], dict[str, dict[str, list[Path]]]]:
        """Render every level. Returns what each is and costs, and the shards to train on: kind -> level -> tars."""
        ladder = self.scenes.ladder() if any(level.target is not None for level in levels) else {}
        chosen = {
            level.name: None if level.target is None else samples_for(level.target, ladder)
            for level in levels
        }
        steps = {level.name: self.scenes.shards(level, chosen[level.name], shards) for level in levels}
        seconds = {name: self.scenes.seconds(files) for name, files in steps.items()}
        counts = {name: affordable(seconds, name, shards, most) for name in steps if name != REFERENCE}
        cost = {
            level.name: self.scenes.shards(level, chosen[level.name], counts[level.name])
            for level in levels
            if level.name in counts
        }
        groups = load_config(self.scenes.config, self.scenes.overrides).shards.groups
        measured = {}
        for level in levels:
            samples = chosen[level.name]
            settings = [
                *(f"render.samples.{kind}={number}" for kind, number in (samples or {}).items()),
                *level.changes,
            ]
            used = {STEPS: shards * groups}
            if level.name in counts:
                used[COST] = counts[level.name] * groups
            quality = self.scenes.quality(level.name, settings)
            measured[level.name] = Measured(samples, quality, seconds[level.name], used)
        return measured, {STEPS: steps, COST: cost}

    def _write(
        self,
        docs: Path,
        measured: Mapping[str, Measured],
        found: Sequence[findings.Findings],
        notes: Sequence[str],
    ) -> Path:
        (docs / "images").mkdir(parents=True, exist_ok=True)
        report.draw(docs / "images" / f"{report.NAME}.png", measured, found[0])
        figure = Figure(f"images/{report.NAME}.png", "Error against the cost of a view")
        config = load_settings(self.config, RoseConfig, self.overrides)
        path = docs / f"{report.NAME}.md"
        path.write_text(
            to_markdown(report.TITLE, report.blocks(config, measured, found, notes, figure)), encoding="utf-8"
        )
        return path


def affordable(seconds: Mapping[str, float], level: str, shards: int, most: int) -> int:
    """Return how many shards of a level cost as much as `shards` of the reference: at least 1, at most `most`."""
    return min(most, max(1, round(shards * seconds[REFERENCE] / seconds[level])))
