# SPDX-License-Identifier: Apache-2.0
"""The study of rendering quality: choice of samples and scenes, conclusions, and a tiny study to its report."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.study import run as study_run
from benchmarks.study.arms import configure, training_fingerprint
from benchmarks.study.findings import Answer
from benchmarks.study_quality import levels, report
from benchmarks.study_quality.levels import COST, LEVELS, MARGIN, REFERENCE, STEPS, level_of
from benchmarks.study_quality.run import Study, affordable, read_rendered
from benchmarks.study_quality.scenes import Scenes, mean_quality, samples_for, tars_of
from multishade.errors import EvaluationError
from multishade.evaluation.statistics import Difference
from multishade.models.rose import presets
from multishade.shards.layout import tar_name
from multishade.shards.sample import Sample
from tests.support.rose_samples import CHANNELS_NETWORK
from tests.support.synthetic import make_sample, write_synthetic_shard

ROOT = Path(__file__).resolve().parents[2]


def ladder(*rows: tuple[int, float]) -> dict[int, dict[str, float]]:
    return {samples: dict.fromkeys(levels.KINDS, psnr) for samples, psnr in rows}


class TestChoice:
    def test_samples_lie_between_measured_numbers_on_a_logarithmic_scale(self) -> None:
        measured = ladder((1, 20.0), (4, 26.0), (16, 32.0))
        assert samples_for(26.0, measured) == dict.fromkeys(levels.KINDS, 4)
        assert samples_for(29.0, measured) == dict.fromkeys(levels.KINDS, 8)

    def test_the_ladder_limits_the_samples(self) -> None:
        assert samples_for(50.0, ladder((1, 20.0), (4, 26.0)))["point"] == 4
        assert samples_for(10.0, ladder((1, 20.0), (4, 26.0)))["point"] == 1

    def test_an_accidental_dip_of_the_ladder_asks_for_no_more_than_what_reached_the_target(self) -> None:
        assert samples_for(30.0, ladder((1, 20.0), (2, 30.0), (4, 29.5), (8, 33.0)))["parallel"] <= 4

    def test_each_kind_of_light_gets_its_own_samples(self) -> None:
        measured = {1: dict(zip(levels.KINDS, (30.0, 20.0, 20.0), strict=True))}
        measured[4] = dict(zip(levels.KINDS, (36.0, 26.0, 30.0), strict=True))
        assert samples_for(30.0, measured) == {"parallel": 1, "point": 4, "environment": 4}

    def test_equal_cost_buys_scenes_in_inverse_proportion(self) -> None:
        seconds = {REFERENCE: 4.0, "q26": 1.0, "q42": 9.0}
        assert affordable(seconds, "q26", 12, 48) == 48
        assert affordable(seconds, "q26", 12, 40) == 40
        assert affordable(seconds, "q42", 12, 48) == 5


def with_images(sample: Sample, factor: float, noise: float) -> Sample:
    """The sample's images under the study's names, brighter by `factor` with the exposure, and with noise."""
    images = {}
    for seed, name in enumerate(("image_parallel", "image_point", "image_env0")):
        grain = np.random.default_rng(seed).normal(0.0, noise, (*sample.mask.shape, 3))
        images[name] = (factor * (0.2 + grain)).astype(np.float32)
    meta = {**sample.meta, "exposure": dict.fromkeys(images, factor)}
    light = next(iter(sample.meta["lights"].values()))
    meta["lights"] = dict.fromkeys(images, light)
    return replace(sample, images=images, meta=meta)


class TestQuality:
    def test_images_are_compared_at_one_exposure(self) -> None:
        clean = make_sample(size=32)
        truth, images = {clean.key: with_images(clean, 1.0, 0.0)}, {clean.key: with_images(clean, 3.0, 0.0)}
        assert min(mean_quality(images, truth).values()) > 80

    def test_four_times_the_noise_costs_twelve_decibels(self) -> None:
        clean = make_sample(size=32)
        truth = {clean.key: with_images(clean, 1.0, 0.0)}
        low, high = (
            mean_quality({clean.key: with_images(clean, 1.0, noise)}, truth)["point"]
            for noise in (0.02, 0.005)
        )
        assert high - low == pytest.approx(12.04, abs=0.4)


def answer(high: float, seeds_high: float, low: float = -0.1) -> Answer:
    difference = Difference(30, 20.0, 20.0, 0.0, low, high, 0.95, 0.5, 0.0)
    question = levels.questions({STEPS: ["q26"]})[0]
    return Answer(question, difference, 1.0, "", (0.0, 0.0), low, seeds_high, False)


class TestVerdict:
    def test_both_intervals_have_to_stay_below_the_margin(self) -> None:
        assert report.verdict(answer(MARGIN - 0.01, MARGIN - 0.01)) == "not inferior"
        assert report.verdict(answer(MARGIN + 0.01, MARGIN - 0.01)) == "open"
        assert report.verdict(answer(MARGIN - 0.01, MARGIN + 0.01)) == "open"

    def test_inferior_needs_both_intervals_above_it(self) -> None:
        assert report.verdict(answer(2.0, 2.0, low=MARGIN + 0.1)) == "inferior"

    def test_too_few_objects_are_no_verdict(self) -> None:
        assert report.verdict(answer(float("nan"), 0.0)) == "too few objects or seeds"


@dataclass(frozen=True)
class SyntheticScenes(Scenes):
    """Shards of bumpy spheres in place of rendered ones; cheaper levels have more noise in their images."""

    def ladder(self) -> dict[int, dict[str, float]]:
        return ladder((1, 26.0), (4, 32.0), (16, 38.0), (64, 44.0))

    def quality(self, name: str, changes: Sequence[str]) -> dict[str, float]:
        return dict.fromkeys(levels.KINDS, 30.0)

    def shards(self, level: levels.Level, samples: Mapping[str, int] | None, count: int) -> list[Path]:
        return [self._write(path, 3) for path in tars_of(self.folder, level.name, count)]

    def clean_test(self) -> Path:
        return self._write(self.folder / "test" / tar_name(0), 6).parent

    def seconds(self, files: Sequence[Path]) -> float:
        return {"q26": 1.0, REFERENCE: 2.0, "q42": 2.1}[files[0].parent.name]

    @staticmethod
    def _write(path: Path, objects: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = []
        for number in range(objects):
            sample = make_sample(f"s000000-g{number:04d}-v0", size=32, bump=0.02 * number)
            identity = {**sample.meta["object"], "id": f"sphere{number}"}
            samples.append(replace(sample, meta={**sample.meta, "object": identity}))
        write_synthetic_shard(path, samples)
        return path


def tiny_study(scenes: Scenes, out: Path) -> Study:
    changes = {
        "model.preset": "channels-tiny",
        "model.size": 16,
        "optimisation.steps": 2,
        "optimisation.batch": 2,
        "optimisation.precision": "no",
        "validation.samples": 1,
    }
    overrides = tuple(f"{name}={json.dumps(value)}" for name, value in changes.items())
    return Study(scenes, ROOT / "configs/train/study-quality.yaml", out, overrides=overrides)


@pytest.fixture
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "PRESETS", {**presets.PRESETS, "channels-tiny": CHANNELS_NETWORK})


@pytest.mark.usefixtures("tiny_network")
class TestStudy:
    def test_from_scenes_to_report(self, tmp_path: Path) -> None:
        scenes = SyntheticScenes(ROOT / "configs/study-quality.yaml", tmp_path / "data")
        study = tiny_study(scenes, tmp_path / "out")
        chosen = [level_of("q26"), level_of(REFERENCE), level_of("q42")]
        docs = tmp_path / "docs"
        docs.mkdir()
        said = study.run(chosen, (1, 4), range(2), docs)
        assert said == f"report: {docs / 'study-quality.md'}"
        text = (docs / "study-quality.md").read_text()
        assert "| 26 dB | 1 | 1 | 1 | 30.0 | 30.0 | 30.0 | 30.0 | 1.00 | 12 | 24 |" in text
        # What a little more costs buys the same shard, which is trained on once.
        assert "| 30.0 | 2.10 | 12 |  |" in text and "42 dB, equal cost" not in text
        assert "## Clean test shards" in text and "DiLiGenT was not given" in text
        assert "26 dB, equal steps" in text and "26 dB, equal cost" in text
        assert "Trained on: " in text
        assert (docs / "images" / "study-quality.png").stat().st_size > 5000
        trained = sorted(path.name for path in (tmp_path / "out" / "models").iterdir())
        arms = (f"{COST}-q26", f"{STEPS}-q26", f"{STEPS}-{REFERENCE}", f"{STEPS}-q42")
        assert trained == sorted(f"{arm}-seed{seed}" for arm in arms for seed in (0, 1))

    def test_models_that_were_trained_on_a_copy_of_the_shards_are_measured_and_not_trained_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scenes = SyntheticScenes(ROOT / "configs/study-quality.yaml", tmp_path / "data")
        chosen = [level_of("q26"), level_of(REFERENCE)]
        rendered = tiny_study(scenes, tmp_path / "out").render(chosen, 1, 4)
        assert read_rendered(scenes.folder) == rendered
        shutil.copytree(scenes.folder, tmp_path / "copy")
        away = tiny_study(replace(scenes, folder=tmp_path / "copy"), tmp_path / "away")
        assert away.train(range(1), workers=2) == [] and not (tmp_path / "copy" / "test").exists()
        assert len(list((tmp_path / "away" / "models").glob("*/trained.json"))) == 3
        assert not (tmp_path / "away" / "results").exists()
        shutil.copytree(tmp_path / "away" / "models", tmp_path / "out" / "models")
        monkeypatch.setattr(study_run, "_train", None)
        docs = tmp_path / "docs"
        docs.mkdir()
        tiny_study(scenes, tmp_path / "out").run(chosen, (1, 4), range(1), docs)
        assert "## Clean test shards" in (docs / "study-quality.md").read_text()

    def test_results_of_a_copy_are_taken_without_its_models(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scenes = SyntheticScenes(ROOT / "configs/study-quality.yaml", tmp_path / "data")
        chosen = [level_of("q26"), level_of(REFERENCE)]
        tiny_study(scenes, tmp_path / "out").render(chosen, 1, 4)
        scenes.clean_test()
        shutil.copytree(scenes.folder, tmp_path / "copy")
        tiny_study(replace(scenes, folder=tmp_path / "copy"), tmp_path / "away").train(range(1))
        shutil.copytree(tmp_path / "away" / "results", tmp_path / "out" / "results")
        monkeypatch.setattr(study_run, "_trained", None)
        docs = tmp_path / "docs"
        docs.mkdir()
        tiny_study(scenes, tmp_path / "out").run(chosen, (1, 4), range(1), docs)
        assert "## Clean test shards" in (docs / "study-quality.md").read_text()

    def test_training_needs_rendered_shards(self, tmp_path: Path) -> None:
        scenes = SyntheticScenes(ROOT / "configs/study-quality.yaml", tmp_path)
        with pytest.raises(EvaluationError, match=r"rendered\.json is missing: .*--render-only"):
            tiny_study(scenes, tmp_path / "out").train(range(1))

    def test_other_images_in_shards_of_the_same_name_are_another_training(self, tmp_path: Path) -> None:
        fingerprints = set()
        for noise in (0.0, 0.1):
            sample = make_sample("s000000-g0000-v0", size=32)
            images = {name: image + np.float32(noise) for name, image in sample.images.items()}
            path = tmp_path / str(noise) / "tiny-000000.tar"
            path.parent.mkdir()
            write_synthetic_shard(path, [replace(sample, images=images)])
            arm = levels.arms({STEPS: {"q26": [path]}})[0]
            fingerprints.add(
                training_fingerprint(configure(ROOT / "configs/train/study-quality.yaml", arm, 0, tmp_path))
            )
        assert len(fingerprints) == 2

    def test_names_are_checked(self) -> None:
        assert len({level.name for level in LEVELS}) == len(LEVELS)
        with pytest.raises(ValueError, match="no quality q27; there are q26"):
            level_of("q27")
