# SPDX-License-Identifier: Apache-2.0
"""One Blender process with all cores, or one process per core: `make bench-cores`.

Renders the same groups of a config in three layouts, in turn: one process with as many threads as there are cores; as
many processes with one thread each, started as a worker starts them (`multishade.render.blender.cores`); and the same
processes started on all cores, where an idle thread spins beside each that renders. Prints samples per minute and CPU
seconds per sample.
"""

import argparse
import contextlib
import dataclasses
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest import mock

import psutil

from multishade.config import load_config
from multishade.render.blender import cores
from multishade.render.group_renderer import GroupRenderer
from multishade.render.plan import make_plan
from multishade.render.stopwatch import Stopwatch


@dataclasses.dataclass(frozen=True)
class Layout:
    name: str
    processes: int
    threads: int
    held: bool = True


@dataclasses.dataclass(frozen=True)
class Part:
    """The work of one process: samples, start and end, CPU seconds of Blender."""

    samples: int
    began: float
    ended: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, nargs="?", default=Path("configs/demo.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--groups", type=int, default=4, help="rendered by each layout, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    count = len(cores.allowed() or ()) or psutil.cpu_count() or 1
    layouts = [
        Layout(f"1 process, {count} threads", 1, count),
        Layout(f"{count} processes, 1 thread", count, 1),
        Layout(f"{count} processes, 1 thread, started on all cores", count, 1, held=False),
    ]
    rounds = [[measure(layout, args) for layout in layouts] for _ in range(args.rounds)]
    print(f"{args.config}, {args.groups} groups, {count} cores, median of {args.rounds} rounds")
    for layout, found in zip(layouts, zip(*rounds, strict=True), strict=True):
        pace, cpu = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"  {layout.name:<48} {pace:6.1f} samples per minute   {cpu:5.2f} CPU s per sample")


def measure(layout: Layout, args: argparse.Namespace) -> tuple[float, float]:
    """Samples per minute, and CPU seconds per sample."""
    shares = [list(range(args.groups))[place :: layout.processes] for place in range(layout.processes)]
    with ProcessPoolExecutor(layout.processes) as pool:
        parts = list(
            pool.map(
                _part, *zip(*[(layout, share, args.config, args.overrides) for share in shares], strict=True)
            )
        )
    samples = sum(part.samples for part in parts)
    elapsed = max(part.ended for part in parts) - min(part.began for part in parts)
    return 60 * samples / elapsed, sum(part.cpu for part in parts) / samples


def _part(layout: Layout, groups: list[int], config: Path, overrides: list[str]) -> Part:
    plan = make_plan(load_config(config, overrides))
    unheld = mock.patch.object(cores, "held_to", lambda count: contextlib.nullcontext())
    with (
        contextlib.nullcontext() if layout.held else unheld,
        GroupRenderer(plan.config, layout.threads, Stopwatch()) as renderer,
    ):
        process = psutil.Process(renderer.blender().pid)
        renderer.render(plan.group(1, 0))  # loads what is loaded lazily
        before, began = sum(process.cpu_times()[:2]), time.perf_counter()
        samples = sum(len(renderer.render(plan.group(0, number))) for number in groups)
        return Part(samples, began, time.perf_counter(), sum(process.cpu_times()[:2]) - before)


if __name__ == "__main__":
    main()
