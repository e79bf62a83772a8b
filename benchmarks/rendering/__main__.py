# SPDX-License-Identifier: Apache-2.0
"""`make bench-render`: seconds per view at equal quality, in one run; docs/performance.md and its plot.

Ours and the limit are measured on the whole panel, the others on a few items of it; there each with two settings, from
which the seconds at 38 dB follow. BlenderProc is left out, and the page says so, unless MULTISHADE_BLENDERPROC names
its source folder (and MULTISHADE_BLENDERPROC_PYTHON a Python with bpy 4.2 and BlenderProc's requirements).
"""

import argparse
import dataclasses
import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.rendering import methods, references, report
from benchmarks.rendering.panel import PANEL, config

PEER_ITEMS = (1, 6, 11)  # metal with a grain, fine texture, glass
SAMPLES = (8, 32)  # of the peers
FACTOR = 2.5  # between the recipe's threshold and the second one that is measured
SHADINGS_RENDERED = 3  # of nine, by the peers
VIEWS, LIGHTS = 3, (1, 2)  # of one item: how cost grows
RESULTS = Path("data/bench-render/results.json")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="*", default=list(PEER_ITEMS), help="of the peers")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/performance.md"))
    parser.add_argument(
        "--report-only", action="store_true", help="write the page from the last run's results"
    )
    args = parser.parse_args()
    if not args.report_only:
        started = time.perf_counter()
        results = measure(args.items, args.workers)
        results["minutes"] = (time.perf_counter() - started) / 60
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1))
    report.write(json.loads(RESULTS.read_text()), args.output)


def measure(items: list[int], workers: int) -> dict[str, Any]:
    """All that the page says. Each task is one process with one rendering thread, `workers` at a time."""
    peers = ["straightforward"] + (["blenderproc"] if methods.blenderproc_is_there() else [])
    first = [("reference", number, 0) for number in range(len(PANEL))]
    tasks = [("ours", number, 0) for number in range(len(PANEL))]
    tasks += [("scaling", number, 0) for number in items[:1]]
    for number in items:
        tasks.append(("dial", number, 0))
        tasks += [(peer, number, place) for peer in peers for place in range(2)]
    settings = {"ours": [threshold() * FACTOR, threshold()]} | {peer: list(SAMPLES) for peer in peers}
    results: dict[str, Any] = {"peers": peers, "items": items, "settings": settings}
    with ProcessPoolExecutor(workers) as pool:
        for stage in (first, tasks):  # the references first: everything else is compared with them
            for (what, number, _), found in zip(stage, pool.map(_task, stage), strict=True):
                results.setdefault(what, {}).setdefault(str(number), []).append(found)
                print(f"{what:<16} {PANEL[number].name:<24} {json.dumps(found)[:120]}", flush=True)
    return results


def _task(task: tuple[str, int, int]) -> dict[str, Any]:
    """`place`: which of the two settings."""
    what, number, place = task
    item = PANEL[number]
    if what == "reference":
        return {"seconds": references.make_all((item,))}
    if what == "scaling":
        return _scaling(number)
    if what == "ours":
        found = _ours(number, [])
    elif what == "dial":
        found = _ours(number, [f"render.adaptive.threshold={threshold() * FACTOR}"])
    else:
        # Shading is rendered with the first setting only: it is the same with both.
        found = getattr(methods, what)(item, SAMPLES[place], SHADINGS_RENDERED if place == 0 else 0)
    return dataclasses.asdict(found)


def threshold() -> float:
    """The recipe's."""
    return config().render.adaptive.threshold


def _ours(number: int, overrides: list[str], views: range = range(1)) -> methods.Measured:
    ours = methods.Ours(config(overrides))
    try:
        return ours.measure(PANEL[number], views)
    finally:
        ours.close()


def _scaling(number: int) -> dict[str, Any]:
    """Seconds of views together and each alone; of one and two lights of a kind, without environments."""
    alone = sum(_ours(number, [], range(view, view + 1)).total for view in range(VIEWS))
    together = _ours(number, [], range(VIEWS)).total
    lights = {}
    for count in LIGHTS:
        changed = [f"lights.{kind}.count={count}" for kind in ("parallel", "point")]
        lights[str(2 * count)] = _ours(number, [*changed, "lights.environment.count=0"]).total
    return {"views": VIEWS, "alone": alone, "together": together, "lights": lights}


if __name__ == "__main__":
    main()
