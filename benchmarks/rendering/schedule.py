# SPDX-License-Identifier: Apache-2.0
"""The search for the recipe's sampling: `make search-render`.

Each candidate renders every image of some items with two settings, a cheap and an expensive one: two numbers of
samples, two thresholds of adaptive sampling, or two target qualities. From these are interpolated the seconds at which
an image reaches 38 dB, and the one setting with which all images do, which a real run has to use. The cheapest one
is chosen.
"""

import argparse
import dataclasses
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from benchmarks.rendering import quality, references
from benchmarks.rendering.bench import Bench, object_box
from benchmarks.rendering.panel import PANEL, Item
from multishade.render.blender.convergence import PLANNING_EXPONENT

RESULTS = Path("benchmarks/rendering/search.json")
ITEMS = (1, 6)  # metal with a grain, fine texture
SAMPLES, THRESHOLDS, QUALITIES = (8, 48), (0.15, 0.04), (36.0, 38.0)
MOST = 4096  # samples; more than this is "never"

SHORT_PATHS = {"max_bounces": 4, "diffuse_bounces": 2, "glossy_bounces": 3, "transmission_bounces": 4}
PLAIN: dict[str, Any] = {**SHORT_PATHS, "adaptive_threshold": 0.0, "importance_map": 1024}
CLEANED: dict[str, Any] = {**PLAIN, "denoise_quality": "balanced", "denoise_prefilter": "accurate"}
ADAPTIVE: dict[str, Any] = {**CLEANED, "adaptive_min_samples": 8}
FINE: dict[str, Any] = {**ADAPTIVE, "importance_map": 2048}
BLENDERS_PATHS = {"max_bounces": 12, "diffuse_bounces": 4, "glossy_bounces": 4, "transmission_bounces": 12}
CANDIDATES: Mapping[str, Mapping[str, Any]] = {
    "plain sampling, no denoiser": {**PLAIN, "denoise": False},
    "denoiser": {**CLEANED, "denoise_prefilter": "none"},
    "denoiser, guides cleaned": CLEANED,
    "denoiser high, guides cleaned": {**CLEANED, "denoise_quality": "high"},
    "denoiser fast, guides cleaned": {**CLEANED, "denoise_quality": "fast"},
    "adaptive, denoiser, guides cleaned": ADAPTIVE,
    "adaptive, noise judged unexposed": {**ADAPTIVE, "pilots": False},
    "adaptive, no denoiser": {**ADAPTIVE, "denoise": False},
    "adaptive, least samples 16": {**ADAPTIVE, "adaptive_min_samples": 16},
    "adaptive, light paths as Blender's": {**ADAPTIVE, **BLENDERS_PATHS},
    "adaptive, fewer bounces": {**ADAPTIVE, "max_bounces": 3, "diffuse_bounces": 1, "glossy_bounces": 2},
    "adaptive, light tree": {**ADAPTIVE, "light_tree": True},
    "adaptive, whole frame": {**ADAPTIVE, "crop": False},
    "adaptive, importance map of 256": {**ADAPTIVE, "importance_map": 256},
    "adaptive, importance map of 2048": FINE,
    "adaptive, importance map of 2048, denoiser high": {**FINE, "denoise_quality": "high"},
    "adaptive, importance map of 2048, guides as they are": {**FINE, "denoise_prefilter": "none"},
    "denoiser high, importance map of 2048": {**CLEANED, "denoise_quality": "high", "importance_map": 2048},
    "quality": {**FINE, "adaptive_threshold": 0.0, "denoise_quality": "high"},
}


@dataclasses.dataclass(frozen=True)
class Trial:
    """One image with one setting (samples, a threshold, or target dB): CPU seconds and dB."""

    candidate: str
    item: int
    field: str
    kind: str
    setting: float
    seconds: float
    psnr: float


def trials(bench: Bench, item: Item, candidate: str) -> list[Trial]:
    """Render all images of the item with each of the two settings."""
    known, child = references.of(item), psutil.Process(bench.blender.pid)
    found = []
    dial = dial_of(candidate)
    for setting in {"samples": SAMPLES, "threshold": THRESHOLDS, "dB": QUALITIES}[dial]:
        changes = dict(CANDIDATES[candidate])
        crop, bench.pilots = changes.pop("crop", True), changes.pop("pilots", True)
        count = int(setting) if dial == "samples" else 1024
        if dial != "samples":
            changes["adaptive_threshold" if dial == "threshold" else "psnr"] = setting
        view = bench.load(item, samples=dict.fromkeys(bench.settings.samples, count), **changes)
        box = object_box(bench.mask(view)) if crop else (0, 0, bench.shape[1], bench.shape[0])
        corner = (box[0], box[1], box[0] + 8, box[1] + 8)
        bench.image(view, 0, corner, 0)  # loads the mesh into Cycles
        for number, light in enumerate(view.lights):
            before = sum(child.cpu_times()[:2])
            image = bench.whole(view, number, box)
            seconds = sum(child.cpu_times()[:2]) - before
            psnr = known[light.field].psnr(image)
            found.append(Trial(candidate, item.number, light.field, light.kind, setting, seconds, psnr))
    return found


def dial_of(candidate: str) -> str:
    """The setting that decides the quality: "samples" by kind of light, or one "threshold" or "dB" for all."""
    dials = {"adaptive": "threshold", "quality": "dB"}
    return dials.get(candidate.split(",")[0], "samples")


def by_image(found: Sequence[Trial]) -> dict[tuple[int, str], tuple[Trial, Trial]]:
    """(item, field) -> its cheap and its expensive trial."""
    pairs: dict[tuple[int, str], list[Trial]] = {}
    for trial in found:
        pairs.setdefault((trial.item, trial.field), []).append(trial)
    return {image: (pair[0], pair[1]) for image, pair in pairs.items()}


def seconds_at(target: float, few: tuple[float, float], many: tuple[float, float]) -> float:
    """CPU seconds (or samples) at which an image reaches `target` dB, from (seconds, dB) with two settings.

    dB grow with the logarithm of the seconds. Never less than the cheaper setting took; infinite if the more
    expensive one is not better.
    """
    (cheap, low), (dear, high) = few, many
    if low >= target:
        return cheap
    if high <= low + 0.1:
        return math.inf
    return cheap * (dear / cheap) ** ((target - low) / (high - low))


def each_its_own(found: Sequence[Trial]) -> float:
    """CPU seconds of a view, mean over items, if every image has the setting that it needs for 38 dB."""
    totals: dict[int, float] = {}
    for (item, _), (few, many) in by_image(found).items():
        spent = seconds_at(quality.TARGET_DB, (few.seconds, few.psnr), (many.seconds, many.psnr))
        totals[item] = totals.get(item, 0.0) + spent
    return statistics.mean(totals.values())


def for_all(found: Sequence[Trial]) -> dict[str, float]:
    """The one setting at which all images reach 38 dB: a threshold, or samples by kind of light."""
    result: dict[str, float] = {}
    for few, many in by_image(found).values():
        dial = dial_of(few.candidate)
        group = few.kind if dial == "samples" else dial
        pair = (_work(few), few.psnr), (_work(many), many.psnr)
        result[group] = max(result.get(group, 0.0), seconds_at(quality.TARGET_DB, *pair))
    back = {
        "threshold": lambda work: work**-0.5,
        "dB": lambda work: 10 * PLANNING_EXPONENT * math.log10(work),
    }
    return {group: back.get(group, float)(work) for group, work in result.items()}


def all_alike(found: Sequence[Trial]) -> float:
    """CPU seconds of a view, mean over items, with the setting of `for_all`."""
    wanted = for_all(found)
    totals: dict[int, float] = {}
    for (item, _), (few, many) in by_image(found).items():
        dial = dial_of(few.candidate)
        setting = wanted[few.kind if dial == "samples" else dial]
        work = _work(dataclasses.replace(few, setting=setting))
        each = max(many.seconds - few.seconds, 0.0) / (_work(many) - _work(few))
        totals[item] = totals.get(item, 0.0) + few.seconds + each * (work - _work(few))
    return statistics.mean(totals.values())


def _work(trial: Trial) -> float:
    """The number to which a pixel's samples are proportional, from samples, a threshold or dB."""
    dial = dial_of(trial.candidate)
    if dial == "dB":
        return float(10 ** (trial.setting / 10 / PLANNING_EXPONENT))
    return trial.setting**-2 if dial == "threshold" else trial.setting


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="*", default=list(ITEMS))
    parser.add_argument("--candidates", nargs="*", default=list(CANDIDATES), choices=list(CANDIDATES))
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    tasks = [(candidate, number) for candidate in args.candidates for number in args.items]
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    kept = [line for line in kept if line["candidate"] not in args.candidates]
    with ProcessPoolExecutor(args.workers) as pool:
        list(pool.map(references.make_all, [(PANEL[number],) for number in args.items]))
        found: dict[str, list[Trial]] = {}
        for (candidate, number), new in zip(tasks, pool.map(_task, tasks), strict=True):
            found.setdefault(candidate, []).extend(new)
            if number == args.items[-1]:
                print(f"{candidate:<36} {each_its_own(found[candidate]):7.1f} CPU s per view", flush=True)
    kept += [dataclasses.asdict(trial) for new in found.values() for trial in new]
    RESULTS.write_text(json.dumps(kept, indent=0))


def _task(task: tuple[str, int]) -> list[Trial]:
    candidate, number = task
    with Bench() as bench:
        return trials(bench, PANEL[number], candidate)


if __name__ == "__main__":
    main()
