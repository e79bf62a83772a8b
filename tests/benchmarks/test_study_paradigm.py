# SPDX-License-Identifier: Apache-2.0
"""The study's harness: a tiny one from shards to report, and what its findings may and may not claim."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.study import arms, findings, measure, run
from benchmarks.study import report as report_of
from benchmarks.study_paradigm import main
from multishade.evaluation.contrasts import compare_results, results_of
from multishade.evaluation.table import ResultRow, read_csv
from multishade.models.rose import presets
from multishade.models.rose.solve import DEFAULT_SOLVER
from multishade.report.document import to_markdown
from multishade.training.tasks.rose import RoseConfig
from tests.support.rose_samples import CHANNELS_NETWORK, FRAMES_NETWORK
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.synthetic_benchmarks import write_diligent_object

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "train" / "study.yaml"
CHOSEN = ["direct", "onestep9", "onestep6", "frames-diffusion9", "frames-onestep9"]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """train/ and test/ with bumpy spheres of 32 x 32 pixels; six objects in test/."""
    for name, count in (("train", 5), ("test", 6)):
        (tmp_path / name).mkdir()
        samples = []
        for number in range(count):
            key = f"s000000-g{number:04d}-v0"
            sample = make_sample(key, size=32, bump=0.02 * number)
            identity = {**sample.meta["object"], "id": f"sphere{number}"}
            samples.append(replace(sample, meta={**sample.meta, "object": identity}))
        write_synthetic_shard(tmp_path / name / "tiny-000000.tar", samples)
    return tmp_path


@pytest.fixture
def arguments(shards: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of a study of seconds."""
    small = {"mini": FRAMES_NETWORK, "channels-tiny": CHANNELS_NETWORK}
    monkeypatch.setattr(presets, "PRESETS", {**presets.PRESETS, **small})
    monkeypatch.delenv("MULTISHADE_DILIGENT", raising=False)
    settings = {
        "data.train": [str(shards / "train")],
        "data.val": [str(shards / "test")],
        "model.size": 16,
        "model.sampling.steps": 2,
        "optimisation.steps": 2,
        "optimisation.batch": 2,
        "optimisation.precision": "no",
        "validation.samples": 1,
    }
    places = ["--test", shards / "test", "-o", shards / "out", "--docs", shards / "docs"]
    changes = [text for name, value in settings.items() for text in ("--set", f"{name}={json.dumps(value)}")]
    return [*map(str, places), *changes, "--arms", *CHOSEN, "--seeds", "2"]


class TestStudy:
    def test_from_shards_to_report(
        self, arguments: list[str], shards: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_diligent_object(shards / "diligent" / "ballPNG", count=31)
        arguments = [*arguments, "--diligent", str(shards / "diligent")]
        assert main(arguments) == 0
        begun = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if "trained" in line]
        assert begun == [f"{name}-seed{seed}" for seed in (0, 1) for name in CHOSEN_IN_ORDER]

        rows = read_csv(shards / "out" / "results" / "onestep9-seed1.csv")
        fields = {row.image.split("/")[1] for row in rows if row.benchmark == "shards"}
        assert {row.settings for row in rows} == {f"solver={name} seed=1" for name in arms.SOLVERS}
        assert fields == {name for name in make_sample(size=32).images}
        assert [row.image for row in rows if row.benchmark == "diligent"][:10] == [
            f"{number:03d}.png" for number in range(21, 31)
        ]
        text = (shards / "docs" / "study-paradigm.md").read_text()
        for heading in ("## Test shards", "## DiLiGenT", "## Limits"):
            assert heading in text
        assert (
            "one step, K = 6" in text
            and "Arms that this run left out: one step, K = 12, one step, K = 9, RGB, frames network: direct."
            in text
        )
        assert "shading in one step against direct" in text
        assert "too few objects (1) for this number of comparisons" in text
        for picture in ("study-paradigm.png", "study-paradigm-normals.png"):
            assert (shards / "docs" / "images" / picture).stat().st_size > 5000
        tables = [results_of(read_csv(shards / "out" / "tables" / f"{name}.csv"), name) for name in TABLES]
        assert compare_results(tables, np.random.default_rng(0)).overall[0].difference.objects == 7

        models = [path.stat().st_mtime_ns for path in sorted(shards.glob("out/models/*/model/unet/*"))]
        assert main(arguments) == 0
        assert capsys.readouterr().out.count("was there") == 2 * len(CHOSEN)
        assert text == (shards / "docs" / "study-paradigm.md").read_text()

        # Another way of sampling is measured anew, with the same weights; other settings are trained anew.
        assert main([*arguments, "--set", "model.sampling.steps=3"]) == 0
        assert "was there" not in capsys.readouterr().out
        assert models == [
            path.stat().st_mtime_ns for path in sorted(shards.glob("out/models/*/model/unet/*"))
        ]
        assert main([*arguments, "--report-only"]) == 1
        assert "no seed is finished for all arms of a network" in capsys.readouterr().err

    def test_a_study_that_was_cut_off_reports_whole_seeds(self, arguments: list[str], shards: Path) -> None:
        assert main([*arguments, "--seeds", "1"]) == 0
        assert main([*arguments, "--minutes", "0", "--workers", "1"]) == 0
        text = (shards / "docs" / "study-paradigm.md").read_text()
        assert "5 of 10 planned runs are left out" in text
        assert "DiLiGenT was not given" in text
        assert "| yes |" not in text  # one seed shows nothing

    def test_trained_now_and_measured_later(self, arguments: list[str], shards: Path) -> None:
        one = [*arguments, "--arms", "direct", "--seeds", "1"]
        (shards / "test").rename(shards / "later")
        assert main([*one, "--set", f"data.val=[{shards / 'later'}]", "--train-only"]) == 0
        (shards / "later").rename(shards / "test")
        trained = (shards / "out" / "models" / "direct-seed0" / "trained.json").stat().st_mtime_ns
        assert main(one) == 0
        assert (shards / "out" / "models" / "direct-seed0" / "trained.json").stat().st_mtime_ns == trained
        assert (shards / "docs" / "study-paradigm.md").is_file()

    def test_an_interrupted_run_begins_again(self, arguments: list[str], shards: Path) -> None:
        leftover = shards / "out" / "models" / "direct-seed0"
        (leftover / "checkpoints" / "step-0000001").mkdir(parents=True)
        (leftover / "model").mkdir()
        assert main([*arguments, "--arms", "direct", "--seeds", "1"]) == 0
        assert (leftover / "trained.json").is_file()
        assert not (leftover / "checkpoints").exists()

    def test_errors_are_told(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*arguments, "--arms", "nothing"]) == 1
        assert "no arm nothing; there are direct" in capsys.readouterr().err
        assert main([*arguments, "--test", "nowhere"]) == 1
        assert "nowhere: no such tar, folder of tars or pattern that matches one" in capsys.readouterr().err


CHOSEN_IN_ORDER = [arm.name for arm in arms.ARMS if arm.name in CHOSEN]
TABLES = ("onestep9.relu", "direct.direct")


def flat(config: RoseConfig) -> dict[str, Any]:
    """ "section.name" -> value."""
    tree = config.model_dump(mode="json")
    sections = {name: value for name, value in tree.items() if isinstance(value, dict)}
    plain = {name: value for name, value in tree.items() if name not in sections}
    return plain | {f"{s}.{name}": value for s, values in sections.items() for name, value in values.items()}


class TestTerms:
    def test_arms_differ_in_what_they_say_and_in_nothing_else(self, tmp_path: Path) -> None:
        shared = flat(arms.configure(CONFIG, arms.Arm("plain", "plain"), 0, tmp_path))
        told = {"name", "validation.every", "checkpoints.every"}
        for arm in arms.ARMS:
            ours = flat(arms.configure(CONFIG, arm, 0, tmp_path))
            assert {name: ours[name] for name in arm.changes} == dict(arm.changes)
            different = {name for name in shared if ours[name] != shared[name]}
            assert different - set(arm.changes) <= told
        frames = [arm for arm in arms.ARMS if arm.name.startswith("frames")]
        assert len(frames) == 3 and all(arms.FRAMES.items() <= arm.changes.items() for arm in frames)

    def test_the_first_solver_is_the_default_one(self) -> None:
        assert arms.SOLVERS[0] == DEFAULT_SOLVER

    def test_every_question_is_of_arms_and_solvers_that_exist(self) -> None:
        keys = {(arm.name, solver) for arm in arms.ARMS for solver in arm.solvers}
        for question in arms.QUESTIONS:
            assert {question.reference, question.other} <= keys
        assert len({question.asked for question in arms.QUESTIONS}) == len(arms.QUESTIONS)

    def test_fingerprint_follows_data_and_settings_but_not_places(self, shards: Path, tmp_path: Path) -> None:
        def fingerprint(*overrides: str, output: Path = tmp_path, folder: Path = shards / "train") -> str:
            given = [f"data.train={json.dumps([str(folder)])}", *overrides]
            return arms.training_fingerprint(arms.configure(CONFIG, arms.ARMS[1], 0, output, given))

        moved = (shards / "train").rename(shards / "elsewhere")
        assert fingerprint(folder=moved) == fingerprint(
            "model.sampling.steps=99", output=tmp_path / "b", folder=moved
        )
        assert fingerprint("optimisation.steps=7", folder=moved) != fingerprint(folder=moved)
        assert fingerprint(folder=shards / "test") != fingerprint(folder=moved)  # one sample more

    def test_seeds_are_outermost(self) -> None:
        jobs = run.plan(arms.ARMS[:2], (0, 1))
        assert [job.name for job in jobs] == [
            "direct-seed0",
            "onestep9-seed0",
            "direct-seed1",
            "onestep9-seed1",
        ]


def rows_of(
    arm: str, solver: str, seed: int, errors: Sequence[float], benchmark: str = "shards"
) -> list[ResultRow]:
    """Two photos an object, 1 degree apart, about the error of the object."""
    return [
        ResultRow(
            benchmark,
            f"object{number:02d}",
            f"photo{photo}",
            arm,
            measure.settings_text(solver, seed),
            {},
            {findings.METRIC: error + photo - 0.5, "mean": 0.0},
        )
        for number, error in enumerate(errors)
        for photo in (0, 1)
    ]


def found_of(differences: Sequence[float], objects: int = 24) -> findings.Findings:
    """Direct at 30 degrees, one step better by so much in each seed; noise over objects."""
    noise = np.random.default_rng(0).normal(0, 1, (2, len(differences), objects))
    rows = []
    for seed, difference in enumerate(differences):
        rows += rows_of("direct", arms.NO_SOLVER, seed, 30 + noise[0, seed])
        for solver in arms.SOLVERS:
            rows += rows_of("onestep9", solver, seed, 30 + difference + noise[1, seed])
    seeds = dict.fromkeys(("direct", "onestep9"), range(len(differences)))
    (found,) = findings.find(rows, [], seeds, np.random.default_rng(0))
    return found


class TestFindings:
    def test_means_are_over_photos_then_objects_and_seeds(self) -> None:
        found = found_of([-2.0, -4.0])
        cell = found.cells["onestep9", "relu"]
        assert cell.mean == pytest.approx(27, abs=0.5)
        assert cell.low < cell.mean < cell.high
        assert cell.by_seed == pytest.approx((28, 26), abs=0.7)
        assert (found.objects, found.predictions) == (24, 48)

    def test_a_clear_difference_is_shown(self) -> None:
        answer = found_of([-2.0, -3.0, -2.5]).answers[0]
        assert answer.question.asked == "shading in one step against direct"
        assert answer.shown
        assert answer.found.difference == pytest.approx(-2.5, abs=0.5)
        assert "one step, K = 9 is better than direct" in answer.verdict

    def test_nothing_is_shown_where_there_is_nothing(self) -> None:
        assert not found_of([0.0, 0.0, 0.0]).answers[0].shown

    @pytest.mark.parametrize("differences", [[-6.0, -6.0, +2.0], [-0.5, -4.0]])
    def test_seeds_that_disagree_show_nothing(self, differences: list[float]) -> None:
        answer = found_of(differences).answers[0]
        assert answer.adjusted_p < 0.05
        assert answer.seeds_low < 0 < answer.seeds_high
        assert not answer.shown

    def test_interval_over_seeds(self) -> None:
        assert findings.seeds_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)
        assert np.isnan(findings.seeds_interval([1.0])).all()

    def test_one_seed_shows_nothing(self) -> None:
        assert not found_of([-6.0]).answers[0].shown

    def test_two_objects_show_nothing(self) -> None:
        answer = found_of([-6.0, -6.0], objects=2).answers[0]
        assert not answer.shown
        assert "Too few objects" in answer.verdict

    def test_all_questions_of_a_benchmark_are_one_family(self) -> None:
        found = found_of([-0.4, -0.3])
        asked = [answer.question for answer in found.answers]
        assert len(asked) == 4  # one arm against another, three solvers against ols
        assert found.answers[0].adjusted_p >= min(1.0, 4 * found.answers[0].found.p) * 0.999
        assert set(found.unasked) == set(arms.QUESTIONS) - set(asked)

    def test_only_seeds_that_all_arms_of_a_network_have(self) -> None:
        done = {"direct": [0, 1, 2], "onestep9": [2, 0], "frames-direct": [1], "frames-onestep9": []}
        assert findings.common_seeds(done) == {"direct": (0, 2), "onestep9": (0, 2)}


class TestReport:
    def text(self, found: findings.Findings) -> str:
        config = arms.configure(CONFIG, arms.ARMS[1], 0, Path("out"))
        took = {"parameters": 1e6, "steps": 10, "training_seconds": 5.0, "measuring_seconds": 1.0}
        facts = {name: [took] * len(found.seeds[name]) for name in found.seeds}
        return to_markdown("Study", report_of.blocks(config, facts, [found], [], ["a part is missing"]))

    def test_conclusions_follow_the_results(self) -> None:
        shown, not_shown = self.text(found_of([-2.0, -3.0, -2.5])), self.text(found_of([0.1, -0.1, 0.0]))
        assert "Shown:\n\n- shading in one step against direct: one step, K = 9 is better" in shown
        assert "Shown:\n" not in not_shown.replace("Not shown:\n", "")
        assert "No difference shown; the intervals bound" in not_shown
        assert "> **Warning.** a part is missing" in shown

    def test_the_other_way_round_is_said_too(self) -> None:
        assert "direct is better than one step, K = 9 by" in self.text(found_of([3.0, 3.0, 3.0]))

    def test_disagreement_of_seeds_is_said(self) -> None:
        assert "other initialisations differ: shading in one step against direct" in self.text(
            found_of([-6.0, -6.0, +2.0])
        )

    def test_arms_no_better_than_a_baseline_are_named(self) -> None:
        found = found_of([-2.0, -3.0, -2.5])
        rows = [replace(row, method="sphere", settings="") for row in rows_of("x", "", 0, [28.5] * 24)]
        cell = findings._cell([rows], "sphere", np.random.default_rng(0))
        text = self.text(replace(found, baselines={"sphere": cell}))
        assert "No better than an ellipsoid in the mask's box (28.50): direct (" in text
        (line,) = [line for line in text.splitlines() if "No better than" in line]
        assert "one step, K = 9" not in line.partition("No better than")[2]
