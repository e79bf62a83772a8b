# SPDX-License-Identifier: Apache-2.0
"""`make bench-render`: seconds per view at equal quality, in one run; the tables of docs/performance.md and its plot.

Ours and the straightforward script are measured on the whole panel, the script with two numbers of samples, from which
its seconds at another quality are interpolated. BlenderProc is measured on one item if MULTISHADE_BLENDERPROC names its
source folder (and MULTISHADE_BLENDERPROC_PYTHON a Python with bpy 4.2 and BlenderProc's requirements); otherwise the
page reports that it is missing.
"""

import argparse
import dataclasses
import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.rendering import methods, quality, references, report
from benchmarks.rendering.panel import PANEL, config

SAMPLES = (8, 32)  # of the others
BLENDERPROC_ITEM = 6  # fine texture
SCALING_ITEM = 1
QUALITY_ITEMS = (4, 5)  # a weave, a cloth
SHADINGS_RENDERED = 3  # of nine, by the peers
VIEWS, LIGHTS = 3, (1, 2)  # of one item: how cost grows
QUALITY = [  # a target of PSNR instead of adaptive sampling
    "render.adaptive.threshold=0",
    f"render.quality.psnr={quality.TARGET_DB}",
    "render.denoise.quality=high",
    "render.samples={parallel: 512, point: 512, environment: 512, mixed: 512}",
]
RESULTS = Path("data/bench-render/results.json")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/performance.md"))
    parser.add_argument(
        "--report-only", action="store_true", help="write the page from the last run's results"
    )
    args = parser.parse_args()
    if not args.report_only:
        started = time.perf_counter()
        results = measure(args.workers)
        results["minutes"] = (time.perf_counter() - started) / 60
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1))
    report.write(json.loads(RESULTS.read_text()), args.output)


def measure(workers: int) -> dict[str, Any]:
    """Measure everything on the page. Each task is one process with one rendering thread, `workers` at a time."""
    first = [("reference", number, 0) for number in range(len(PANEL))]
    numbers = list(reversed(range(len(PANEL))))  # glass, which takes longest, first
    tasks = [("ours", number, 0) for number in numbers]
    tasks += [("straightforward", number, place) for number in numbers for place in range(2)]
    if methods.blenderproc_is_there():
        tasks += [("blenderproc", BLENDERPROC_ITEM, place) for place in range(2)]
    tasks += [("scaling", SCALING_ITEM, 0), *(("quality", number, 0) for number in QUALITY_ITEMS)]
    results: dict[str, Any] = {"samples": list(SAMPLES)}
    with ProcessPoolExecutor(workers) as pool:
        for stage in (first, tasks):  # the references first: everything else is compared with them
            for (what, number, _), found in zip(stage, pool.map(_task, stage), strict=True):
                results.setdefault(what, {}).setdefault(str(number), []).append(found)
                print(f"{what:<16} {PANEL[number].name:<24} {json.dumps(found)}", flush=True)
    return results


def _task(task: tuple[str, int, int]) -> dict[str, Any]:
    """Run one measurement; `place`: which of the two settings."""
    what, number, place = task
    item = PANEL[number]
    if what == "reference":
        return {"seconds": references.make_all((item,))}
    if what == "scaling":
        return _scaling(number)
    if what == "ours":
        found = _ours(number, [])
    elif what == "quality":
        found = _ours(number, QUALITY)
    else:
        # Shading is rendered with the first setting only: it is the same with both.
        found = getattr(methods, what)(item, SAMPLES[place], SHADINGS_RENDERED if place == 0 else 0)
    return dataclasses.asdict(found)


def _ours(number: int, overrides: list[str], views: range = range(1)) -> methods.Measured:
    ours = methods.Ours(config(overrides))
    try:
        return ours.measure(PANEL[number], views)
    finally:
        ours.close()


def _scaling(number: int) -> dict[str, Any]:
    """Seconds of views in one group and each in its own; of one and two lights of a kind, without environments."""
    alone = sum(_ours(number, [], range(view, view + 1)).total for view in range(VIEWS))
    together = _ours(number, [], range(VIEWS)).total
    lights = {}
    for count in LIGHTS:
        changed = [f"lights.{kind}.count={count}" for kind in ("parallel", "point")]
        lights[str(2 * count)] = _ours(number, [*changed, "lights.environment.count=0"]).total
    return {"views": VIEWS, "alone": alone, "together": together, "lights": lights}


if __name__ == "__main__":
    main()
