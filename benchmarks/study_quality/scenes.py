# SPDX-License-Identifier: Apache-2.0
"""Levels -> samples that reach their PSNR, rendered shards of the same scenes, and what a view of each costs.

FOLDER/ladder/N/    a few scenes with N samples, denoised; FOLDER/ladder/reference/ with many, not denoised
FOLDER/ladder.json  the PSNR of each number of samples, by kind of light
FOLDER/LEVEL/       shards to train on, FOLDER/test/ clean ones of unseen objects
FOLDER/rendered.json  samples and number of shards of each level (benchmarks.study_quality.run)
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.study_quality.levels import KINDS, LADDER, REFERENCE_SAMPLES, Level
from multishade.config import load_config
from multishade.errors import ShardError
from multishade.imaging.quality import psnr
from multishade.render.backends import Resources
from multishade.render.plan import make_plan
from multishade.render.progress import ProgressBar
from multishade.render.run import render
from multishade.shards.dataset import Dataset
from multishade.shards.layout import tar_name
from multishade.shards.marker import read_marker
from multishade.shards.sample import Sample
from multishade.storage.local import atomic_file

Quality = Mapping[str, float]  # kind of light -> mean dB
FIELDS = {"image_parallel": "parallel", "image_point": "point", "image_env0": "environment"}
CLEAN_SAMPLES = 64
# Scenes of the ladder come from a seed of their own, so that no level is chosen by what it is trained on.
PANEL = (
    "seed=2027",
    "views.count=1",
    "shards.count=1",
    "formats.image_compression=zip",
    "name=study-quality-panel",
)
CLEAN = (
    "split=test",
    "seed=2028",
    "shards.count=1",
    "views.count=1",
    *(f"render.samples.{kind}={CLEAN_SAMPLES}" for kind in KINDS),
)


@dataclass(frozen=True)
class Scenes:
    """Where the study's shards are. config: the recipe; panel: groups of the ladder; test: groups to test on."""

    config: Path
    folder: Path
    workers: int = 1
    panel: int = 24
    test: int = 32
    overrides: tuple[str, ...] = ()

    def shards(self, level: Level, samples: Mapping[str, int] | None, count: int) -> list[Path]:
        """Render the first `count` shards of a level, unless they are there. samples: by kind, of levels with a target.

        Raises ShardError if a group is missing from one of them.
        """
        chosen = [f"render.samples.{kind}={number}" for kind, number in (samples or {}).items()]
        self._render(self.folder / level.name, count, [*chosen, *level.changes])
        return tars_of(self.folder, level.name, count)

    def clean_test(self) -> Path:
        """Render the test shard: unseen objects and materials, CLEAN_SAMPLES samples, denoised."""
        self._render(self.folder / "test", 1, [*CLEAN, f"shards.groups={self.test}"])
        return self.folder / "test"

    def ladder(self) -> dict[int, dict[str, float]]:
        """Measure the PSNR of each number of samples: samples -> kind of light -> mean dB."""
        path = self.folder / "ladder.json"
        if not path.is_file():
            found = {number: self.quality(str(number), _all_kinds(number)) for number in LADDER}
            with atomic_file(path) as stream:
                stream.write(json.dumps(found, indent=1).encode())
        return {int(number): dict(row) for number, row in json.loads(path.read_text()).items()}

    def quality(self, name: str, changes: Sequence[str]) -> dict[str, float]:
        """Measure the mean PSNR of the ladder's scenes with other settings, by kind of light, in dB.

        Images are compared at the reference's exposure, display-encoded, inside the mask.
        """
        reference = [*_all_kinds(REFERENCE_SAMPLES), "render.denoise.enabled=false"]
        truth = self._panel("reference", reference)
        return mean_quality(self._panel(name, changes), truth)

    def seconds(self, files: Sequence[Path]) -> float:
        """Mean CPU seconds of a view, all stages, of rendered shards."""
        markers = [read_marker(path) for path in files]
        total = sum(marker.timings["cpu"] for marker in markers if marker)
        return total / sum(marker.samples for marker in markers if marker)

    def _panel(self, name: str, changes: Sequence[str]) -> Dataset:
        folder = self.folder / "ladder" / name
        self._render(folder, 1, [*PANEL, f"shards.groups={self.panel}", *changes])
        return Dataset(folder)

    def _render(self, folder: Path, count: int, changes: Sequence[str]) -> None:
        plan = make_plan(load_config(self.config, [*self.overrides, *changes]))
        with ProgressBar(plan) as bar:
            result = render(
                plan,
                folder,
                range(count),
                "ray" if self.workers > 1 else "local",
                resources=Resources(workers=self.workers),
                progress=bar,
            )
        if not result.complete:
            raise ShardError(f"{folder}: groups are missing, so that levels would show different scenes")


def tars_of(folder: Path, level: str, count: int) -> list[Path]:
    """Name the first `count` shards of a level."""
    return [folder / level / tar_name(number) for number in range(count)]


def mean_quality(images: Mapping[str, Sample], truth: Mapping[str, Sample]) -> dict[str, float]:
    """Compute the mean PSNR by kind of light of one data set against another of the same scenes, in dB.

    Args:
        images: Samples by key.
        truth: The reference's samples, by the same keys.
    """
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for key, clean in truth.items():
        noisy = images[key]
        for field, kind in FIELDS.items():
            scale = clean.info.exposure[field] / noisy.info.exposure[field]
            value = psnr(noisy.images[field] * scale, clean.images[field], clean.mask)
            found[kind].append(value)
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def samples_for(target: float, ladder: Mapping[int, Quality]) -> dict[str, int]:
    """Choose for each kind of light the number of samples whose mean PSNR is nearest to the target.

    Between two measured numbers dB is taken as linear in the logarithm of the samples. The largest number measured is
    the limit: what is reached then is stated in the report.

    Args:
        target: dB.
        ladder: Samples -> kind of light -> mean dB.
    """
    counts = sorted(ladder)
    chosen = {}
    for kind in KINDS:
        # More samples are never taken for worse: the mean of a few scenes may fall by chance.
        values = np.maximum.accumulate([ladder[count][kind] for count in counts])
        logs = [math.log2(count) for count in counts]
        chosen[kind] = max(1, round(2 ** float(np.interp(target, values, logs))))
    return chosen


def _all_kinds(number: int) -> list[str]:
    return [f"render.samples.{kind}={number}" for kind in KINDS]
