# SPDX-License-Identifier: Apache-2.0
"""Two checkouts -> the ratio of the processor seconds that `make bench` takes in them: what a change costs a render.

Usage: python -m benchmarks.overhead BEFORE AFTER [--pairs N] [options of benchmarks.pipeline after --]

Each pair runs `benchmarks.pipeline` once in either checkout, in turns, which of them first alternating, with this
interpreter. Processor seconds are those of the run and of all processes that it started and waited for, Blender among
them, since a busy machine changes wall-clock time, and processor time less. A checkout is a folder such as
`git worktree add ../before b1a19d2` makes.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def processor_seconds(checkout: Path, options: Sequence[str]) -> float:
    """Run `benchmarks.pipeline` in a checkout.

    Args:
        checkout: Root of a working tree.
        options: Arguments of the benchmark.

    Returns:
        User and system seconds of the run with its descendants.

    Raises:
        RuntimeError: If the run fails.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.pipeline", *options],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{checkout}: benchmarks.pipeline ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare two checkouts, and print each pair and the median."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "options", nargs="*", metavar="-- OPTION", help="of benchmarks.pipeline, such as --groups 2"
    )
    args = parser.parse_args(arguments)
    ratios = []
    print("| pair | before, s | after, s | ratio |\n| ---: | ---: | ---: | ---: |")
    for number in range(args.pairs):
        order = (args.before, args.after) if number % 2 == 0 else (args.after, args.before)
        spent = {checkout: processor_seconds(checkout, args.options) for checkout in order}
        ratios.append(spent[args.after] / spent[args.before])
        print(
            f"| {number + 1} | {spent[args.before]:.1f} | {spent[args.after]:.1f} | {ratios[-1]:.3f} |",
            flush=True,
        )
    low, high = min(ratios), max(ratios)
    print(f"\nmedian ratio {np.median(ratios):.3f} ({low:.3f} to {high:.3f}) of {args.pairs} pairs")


if __name__ == "__main__":
    main()
