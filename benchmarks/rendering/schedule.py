# SPDX-License-Identifier: Apache-2.0
"""How the schedule was found: `make search-render`.

Each candidate changes one thing of the recipe. Every image of the items is rendered with two numbers of samples; from
those follow, for each kind of light, the least number at which all of its images reach 38 dB (PSNR grows by a constant
with each doubling) and what a view then costs (seconds grow by a constant with each sample). A candidate that is
cheaper than the recipe at equal quality is better. `make bench-render` then measures the schedule itself.
"""

import argparse
import dataclasses
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.rendering import quality, references
from benchmarks.rendering.bench import Bench, object_box
from benchmarks.rendering.panel import PANEL, Item
from multishade.errors import AssetError

RESULTS = Path("benchmarks/rendering/search.json")
COUNTS = {"parallel": (4, 16), "point": (4, 16), "environment": (16, 64)}
MOST = 4096  # samples; more than this is "never"

CANDIDATES: Mapping[str, Mapping[str, Any]] = {
    "the recipe": {},
    "denoiser fast": {"denoise_quality": "fast"},
    "denoiser high": {"denoise_quality": "high"},
    "prefilter fast": {"denoise_prefilter": "fast"},
    "prefilter accurate": {"denoise_prefilter": "accurate"},
    "guide albedo only": {"denoise_guides": "albedo"},
    "no guides": {"denoise_guides": "none"},
    "no denoiser": {"denoise": False},
    "whole frame": {"crop": False},
    "light tree": {"light_tree": True},
    "bounces as Blender's": {
        "max_bounces": 12,
        "diffuse_bounces": 4,
        "glossy_bounces": 4,
        "transmission_bounces": 12,
    },
    "fewer bounces": {"max_bounces": 3, "diffuse_bounces": 1, "glossy_bounces": 2, "transmission_bounces": 3},
    "clamp 3": {"clamp_indirect": 3.0},
    "no clamp": {"clamp_indirect": 0.0},
}


@dataclasses.dataclass(frozen=True)
class Trial:
    """One image at one number of samples: CPU seconds and dB."""

    candidate: str
    item: int
    field: str
    kind: str
    samples: int
    seconds: float
    psnr: float


@dataclasses.dataclass(frozen=True)
class Law:
    """What one image needs and costs: psnr = base + step log2(samples), seconds = start + each * samples."""

    base: float
    step: float
    start: float
    each: float

    def samples_for(self, psnr: float) -> float:
        """Infinite where more samples do not help."""
        if self.step <= 0.05:
            return math.inf if self.base < psnr else 1.0
        return max(2 ** min((psnr - self.base) / self.step, 60), 1.0)

    def seconds_for(self, samples: float) -> float:
        return self.start + self.each * samples


def trials(
    bench: Bench, item: Item, candidate: str, counts: Mapping[str, Sequence[int]] = COUNTS
) -> list[Trial]:
    """All images of the item, with each of the two numbers of samples."""
    changes = dict(CANDIDATES[candidate])
    crop = changes.pop("crop", True)
    known, child = references.of(item), psutil.Process(bench.child.pid)
    found = []
    for turn in range(2):
        samples = {**bench.settings.samples, **{kind: pair[turn] for kind, pair in counts.items()}}
        view = bench.load(item, samples=samples, **changes)
        box = object_box(bench.mask(view)) if crop else (0, 0, bench.shape[1], bench.shape[0])
        bench.image(
            view, 0, (box[0], box[1], box[0] + 8, box[1] + 8), 0
        )  # from here on the mesh is in Cycles
        for number, light in enumerate(view.lights):
            before = sum(child.cpu_times()[:2])
            image, _ = bench.whole(view, number, box)
            seconds = sum(child.cpu_times()[:2]) - before
            psnr = known[light.field].psnr(image)
            found.append(
                Trial(candidate, item.number, light.field, light.kind, samples[light.kind], seconds, psnr)
            )
    return found


def laws(found: Sequence[Trial]) -> dict[tuple[int, str], Law]:
    """(item, field) -> the law through its two trials."""
    by_image: dict[tuple[int, str], list[Trial]] = {}
    for trial in found:
        by_image.setdefault((trial.item, trial.field), []).append(trial)
    result = {}
    for image, pair in by_image.items():
        few, many = sorted(pair, key=lambda trial: trial.samples)
        step = (many.psnr - few.psnr) / math.log2(many.samples / few.samples)
        each = max((many.seconds - few.seconds) / (many.samples - few.samples), 0.0)
        result[image] = Law(
            few.psnr - step * math.log2(few.samples), step, max(few.seconds - each * few.samples, 0.0), each
        )
    return result


def needs(found: Sequence[Trial], target: float = quality.TARGET_DB) -> dict[str, float]:
    """Kind of light -> the least samples at which all its images reach the target."""
    known = laws(found)
    kinds = {(trial.item, trial.field): trial.kind for trial in found}
    result: dict[str, float] = {}
    for image, law in known.items():
        result[kinds[image]] = max(result.get(kinds[image], 1.0), law.samples_for(target))
    return result


def seconds_of_a_view(found: Sequence[Trial], samples: Mapping[str, float]) -> float:
    """Mean over items of the seconds that all images of a view take with these samples."""
    kinds = {(trial.item, trial.field): trial.kind for trial in found}
    by_item: dict[int, float] = {}
    for image, law in laws(found).items():
        by_item[image[0]] = by_item.get(image[0], 0.0) + law.seconds_for(min(samples[kinds[image]], MOST))
    return statistics.mean(by_item.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="*", default=list(range(len(PANEL))))
    parser.add_argument("--candidates", nargs="*", default=list(CANDIDATES), choices=list(CANDIDATES))
    args = parser.parse_args()
    items = [PANEL[number] for number in args.items]
    references.make_all(tuple(items))
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    with Bench() as bench:
        for candidate in args.candidates:
            found = []
            for item in items:
                try:
                    found += trials(bench, item, candidate)
                except AssetError as error:
                    raise SystemExit(f"{item.name}: {error}") from error
            kept = [line for line in kept if line["candidate"] != candidate]
            kept += [dataclasses.asdict(trial) for trial in found]
            RESULTS.write_text(json.dumps(kept, indent=0))
            wanted = needs(found)
            print(
                f"{candidate:<22} {seconds_of_a_view(found, wanted):7.1f} s a view  "
                + "  ".join(f"{kind} {count:.0f}" for kind, count in wanted.items()),
                flush=True,
            )


if __name__ == "__main__":
    main()
