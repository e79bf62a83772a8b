# SPDX-License-Identifier: Apache-2.0
"""Two checkouts -> the ratio of the processor seconds that `make bench` takes in them: what a change costs a render.

Usage: python -m benchmarks.overhead BEFORE AFTER [--pairs N] [--config FILE] [options of benchmarks.pipeline after --]

Each pair runs `benchmarks.pipeline` once in either checkout, in turns, which of them first alternating, with this
interpreter and the recipe of BEFORE, so that both do the same work: a recipe of AFTER may ask for what is new.
Processor seconds are those of the run and of all processes that it started and waited for, Blender among them, since a
busy machine changes wall-clock time, and processor time less. `make bench-overhead` compares with the last commit
before the work that docs/reliability.md describes, and writes the figures there.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
STAGE = re.compile(r"^(\w+) +(\d+\.\d+)(?: +\d+\.\d+%|$)", re.MULTILINE)  # a line of the benchmark's table


@dataclass(frozen=True)
class Run:
    """One run of the benchmark.

    Attributes:
        cpu: User and system seconds, of its descendants, too.
        stages: Wall-clock seconds a sample, by stage, and their "total".
    """

    cpu: float
    stages: Mapping[str, float]


def run_pipeline(checkout: Path, options: Sequence[str]) -> Run:
    """Run `benchmarks.pipeline` in a checkout.

    Args:
        checkout: Root of a working tree.
        options: Arguments of the benchmark.

    Returns:
        What it took.

    Raises:
        RuntimeError: If the run fails.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.pipeline", *options],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{checkout}: benchmarks.pipeline ended with {process.returncode}")
    stages = {name: float(seconds) for name, seconds in STAGE.findall(printed)}
    return Run(used.ru_utime + used.ru_stime, stages)


def lines(before: Sequence[Run], after: Sequence[Run], what: str) -> list[str]:
    """The pairs, the median ratio and the medians of the stages, as tables."""
    ratios = [new.cpu / old.cpu for old, new in zip(before, after, strict=True)]
    stages = [name for name in after[0].stages if name != "total"]
    pairs = [
        f"| {number} | {old.cpu:.1f} | {new.cpu:.1f} | {new.cpu / old.cpu:.3f} |"
        for number, (old, new) in enumerate(zip(before, after, strict=True), start=1)
    ]
    medians = [
        f"| {name} | {_median(before, name):.3f} | {_median(after, name):.3f} |"
        for name in [*stages, "total"]
    ]
    return [
        f"Processor seconds of the whole run, {what}; median ratio **{np.median(ratios):.3f}** "
        f"({min(ratios):.3f} to {max(ratios):.3f}).",
        "",
        "| pair | before, s | after, s | ratio |",
        "| ---: | ---: | ---: | ---: |",
        *pairs,
        "",
        "Wall-clock seconds a sample by stage (`make bench`), medians:",
        "",
        "| stage | before | after |",
        "| --- | ---: | ---: |",
        *medians,
    ]


def _median(runs: Sequence[Run], stage: str) -> float:
    return float(np.median([run.stages.get(stage, 0.0) for run in runs]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare two checkouts, print each pair as it is measured, and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--config", type=Path, help="the recipe (default: configs/demo.yaml of BEFORE)")
    parser.add_argument("--page", type=Path, help=f"write the figures into a page, such as {PAGE.name}")
    parser.add_argument(
        "options", nargs="*", metavar="-- OPTION", help="of benchmarks.pipeline, such as --groups 2"
    )
    args = parser.parse_args(arguments)
    config = (args.config or args.before / "configs" / "demo.yaml").resolve()
    runs: dict[Path, list[Run]] = {args.before: [], args.after: []}
    for number in range(args.pairs):
        for checkout in (args.before, args.after) if number % 2 == 0 else (args.after, args.before):
            runs[checkout].append(run_pipeline(checkout, [str(config), *args.options]))
            print(f"{checkout}: {runs[checkout][-1].cpu:.1f} processor seconds", flush=True)
    settings = " ".join(args.options) or "defaults"
    what = f"{args.pairs} pairs, `{settings}`, {os.cpu_count()} cores"
    text = "\n".join(lines(runs[args.before], runs[args.after], what))
    print(text)
    if args.page is not None:
        from benchmarks.pages import replace_measured

        replace_measured(args.page, "bench-overhead", text)


if __name__ == "__main__":
    main()
