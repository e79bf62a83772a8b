# SPDX-License-Identifier: Apache-2.0
"""Levels x seeds -> rendered shards, trained models, and the report: each step is skipped if its result is there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.study import findings
from benchmarks.study.arms import Arm
from benchmarks.study.run import (
    BASELINES,
    Job,
    Place,
    carry_out,
    facts_of,
    is_finished,
    measure_baselines,
    plan,
)
from benchmarks.study_quality import figure, report
from benchmarks.study_quality.levels import COST, REFERENCE, STEPS, Level, arm_name, arms, questions
from benchmarks.study_quality.report import Measured
from benchmarks.study_quality.scenes import Scenes, samples_for, tars_of
from multishade.config import load_config, load_settings
from multishade.errors import EvaluationError
from multishade.evaluation.table import read_csv
from multishade.report.document import Figure, to_markdown
from multishade.shards.layout import tar_name
from multishade.storage.local import atomic_file
from multishade.training.tasks.rose import RoseConfig

RENDERED = "rendered.json"


@dataclass(frozen=True)
class Rendered:
    """What is trained on. samples: level -> kind of light -> samples, None of levels without a target; shards: kind of
    arm (STEPS, COST) -> level -> number of shards. COST has only levels for which it is another number than of STEPS.
    """

    samples: Mapping[str, Mapping[str, int] | None]
    shards: Mapping[str, Mapping[str, int]]

    def tars(self, folder: Path) -> dict[str, dict[str, list[Path]]]:
        """Return the shards: kind of arm -> level -> paths."""
        return {
            kind: {name: tars_of(folder, name, count) for name, count in counts.items()}
            for kind, counts in self.shards.items()
        }


def read_rendered(folder: Path) -> Rendered:
    """Read FOLDER/rendered.json. Raises EvaluationError if it is not there."""
    path = folder / RENDERED
    if not path.is_file():
        raise EvaluationError(f"{path} is missing: render the qualities first (--render-only)")
    return Rendered(**json.loads(path.read_text()))


def write_rendered(folder: Path, rendered: Rendered) -> None:
    """Write FOLDER/rendered.json."""
    with atomic_file(folder / RENDERED) as stream:
        stream.write((json.dumps(asdict(rendered), indent=1) + "\n").encode())


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
        rendered = self.render(levels, *shards)
        made = arms(rendered.tars(self.scenes.folder))
        place = self._place(self.scenes.clean_test())
        jobs = plan(made, seeds)
        left = [job for job in carry_out(jobs, place, workers, minutes, _say) if not is_finished(job, place)]
        if left:
            _say(f"time is up: {len(left)} of {len(jobs)} runs are left; repeat the command for them")
        done = [job for job in jobs if is_finished(job, place)]
        measure_baselines(place)
        found, kept = self._find(done, place, made)
        lost = [job.name for job in jobs if job not in kept]
        missing = (
            [f"{len(lost)} of {len(jobs)} planned runs are left out: {', '.join(lost)}."] if lost else []
        )
        if self.diligent is None:
            missing.append("DiLiGenT was not given, so nothing here is measured on real photographs.")
        devices = sorted({str(facts_of(job, place).get("device", "")) for job in kept} - {""})
        measured = self.describe(levels, rendered)
        return f"report: {self._write(docs, measured, found, [*missing, *notes], devices)}"

    def train(self, seeds: Sequence[int], workers: int = 1, minutes: float | None = None) -> list[Job]:
        """Train what is missing on the shards that were rendered elsewhere, and measure it if the test shard is there.

        Needs the data set's folders of levels and `rendered.json`, and no Blender.

        Args:
            seeds: Of the training.
            workers: Trainings at once, one thread each.
            minutes: Begin no further training after so many; None: train all.

        Returns:
            The trainings that are left.

        Raises:
            EvaluationError: If the qualities were not rendered.
        """
        tars = read_rendered(self.scenes.folder).tars(self.scenes.folder)
        test = self.scenes.folder / "test"
        if (test / tar_name(0)).is_file():
            place = self._place(test)
        else:  # what is validated on decides nothing
            place = replace(self._place(tars[STEPS][REFERENCE][0]), measured=False)
        return carry_out(plan(arms(tars), seeds), place, workers, minutes, _say)

    def render(self, levels: Sequence[Level], shards: int, most: int) -> Rendered:
        """Render the shards that every level is trained on, and record them in `rendered.json`.

        All levels' first shards are rendered first, then their second ones: what an interrupted run leaves can be
        compared, with fewer shards.
        """
        ladder = self.scenes.ladder() if any(level.target is not None for level in levels) else {}
        chosen = {
            level.name: None if level.target is None else samples_for(level.target, ladder)
            for level in levels
        }
        for number in range(1, shards + 1):
            steps = {level.name: self.scenes.shards(level, chosen[level.name], number) for level in levels}
        seconds = {name: self.scenes.seconds(files) for name, files in steps.items()}
        counts = {name: affordable(seconds, name, shards, most) for name in steps if name != REFERENCE}
        # The same number of shards is the same arm.
        counts = {name: count for name, count in counts.items() if count != shards}
        for level in levels:
            if level.name in counts:
                self.scenes.shards(level, chosen[level.name], counts[level.name])
        rendered = Rendered(chosen, {STEPS: dict.fromkeys(steps, shards), COST: counts})
        write_rendered(self.scenes.folder, rendered)
        return rendered

    def describe(self, levels: Sequence[Level], rendered: Rendered) -> dict[str, Measured]:
        """Measure what each level is and costs; the ladder's scenes are rendered at its setting."""
        groups = load_config(self.scenes.config, self.scenes.overrides).shards.groups
        tars = rendered.tars(self.scenes.folder)
        measured = {}
        for level in levels:
            samples = rendered.samples[level.name]
            settings = [
                *(f"render.samples.{kind}={number}" for kind, number in (samples or {}).items()),
                *level.changes,
            ]
            measured[level.name] = Measured(
                samples,
                self.scenes.quality(level.name, settings),
                self.scenes.seconds(tars[STEPS][level.name]),
                {
                    kind: counts[level.name] * groups
                    for kind, counts in rendered.shards.items()
                    if level.name in counts
                },
            )
        return measured

    def _find(
        self, done: Sequence[Job], place: Place, made: Sequence[Arm]
    ) -> tuple[list[findings.Findings], list[Job]]:
        """Compare the arms of each kind with the reference.

        Means are of the seeds that all arms of a kind have, differences of those that both arms have.

        Returns:
            What the benchmarks show, and the runs that it is made from.

        Raises:
            EvaluationError: If no seed is finished for all arms of equal steps.
        """
        merged: dict[str, findings.Findings] = {}
        used: list[Job] = []
        for kind in (STEPS, COST):
            names = [
                arm_name(STEPS, REFERENCE),
                *(arm.name for arm in made if arm.name.startswith(f"{kind}-")),
            ]
            chosen = [arm for arm in made if arm.name in names]
            finished = {arm.name: [job.seed for job in done if job.arm == arm] for arm in chosen}
            seeds = findings.common_seeds(finished, chosen)
            if not seeds and kind == STEPS:
                raise EvaluationError(
                    f"{self.out}: no seed is finished for all qualities: repeat the command"
                )
            if not seeds:
                continue
            kept = [
                job for job in done if job.arm in chosen and job.seed in finished[arm_name(STEPS, REFERENCE)]
            ]
            used += [job for job in kept if job not in used]
            for one in findings.find(
                [row for job in kept for row in read_csv(place.result(job.name))],
                read_csv(place.result(BASELINES)),
                seeds,
                np.random.default_rng(0),
                chosen,
                questions({kind: [arm.name.partition("-")[2] for arm in chosen]}),
                finished,
            ):
                before = merged.get(one.benchmark, one)
                merged[one.benchmark] = replace(
                    before,
                    seeds={**one.seeds, **before.seeds},
                    cells={**one.cells, **before.cells},
                    answers=before.answers if before is one else (*before.answers, *one.answers),
                )
        return list(merged.values()), used

    def _place(self, test: Path) -> Place:
        return Place(self.config, self.out, test, self.diligent, (*self.overrides, f"data.val=[{test}]"))

    def _write(
        self,
        docs: Path,
        measured: Mapping[str, Measured],
        found: Sequence[findings.Findings],
        notes: Sequence[str],
        devices: Sequence[str],
    ) -> Path:
        (docs / "images").mkdir(parents=True, exist_ok=True)
        figure.draw(docs / "images" / f"{report.NAME}.png", measured, found[0])
        picture = Figure(
            f"images/{report.NAME}.png",
            "Difference from the reference against the cost of a view: interval over objects, crosses are seeds",
        )
        config = load_settings(self.config, RoseConfig, self.overrides)
        path = docs / f"{report.NAME}.md"
        path.write_text(
            to_markdown(
                report.TITLE, report.blocks(config, measured, found, notes, picture, self.scenes, devices)
            ),
            encoding="utf-8",
        )
        return path


def affordable(seconds: Mapping[str, float], level: str, shards: int, most: int) -> int:
    """Return how many shards of a level cost as much as `shards` of the reference: at least 1, at most `most`."""
    return min(most, max(1, round(shards * seconds[REFERENCE] / seconds[level])))


def _say(text: str) -> None:
    print(text, flush=True)
