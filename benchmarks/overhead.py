# SPDX-License-Identifier: Apache-2.0
"""Two checkouts -> processor seconds of `make bench`'s groups in either: what a change costs a render.

Usage: python -m benchmarks.overhead BEFORE AFTER [--pairs N] [--groups N] [--config FILE] [--page FILE]

Each pair renders the same groups once in either checkout, by its own `benchmarks.pipeline`, in turns, which of them
first alternating, with this interpreter and the recipe of BEFORE, so that both do the same work: a recipe of AFTER may
ask for what is new. Processor seconds are those of the process and of Blender, since a busy machine changes wall-clock
time, and processor time less. What is spent once a process (imports, Blender's start) is apart, as in `make bench`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Runs in a checkout, of any version since b1a19d2: prints processor seconds until the first group, and of each group.
SCRIPT = """
import json, resource, sys, time
from pathlib import Path
import psutil
from benchmarks import pipeline
from multishade.config import load_config

def cpu():
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return time.process_time() + ended.ru_utime + ended.ru_stime + sum(each.user + each.system for each in living)

run = pipeline.Run(pipeline.make_plan(load_config(Path(sys.argv[1]), [])), 1)
spent = [cpu()]
for number in range(int(sys.argv[2])):
    run.group(number)
    spent.append(cpu())
run.close()
print(json.dumps(spent))
"""


@dataclass(frozen=True)
class Spent:
    """Processor seconds of one run, Blender's among them: until its first group, and of each group."""

    start: float
    groups: tuple[float, ...]


def render_groups(checkout: Path, config: Path, groups: int) -> Spent:
    """Render groups in a checkout.

    Args:
        checkout: Root of a working tree.
        config: The recipe.
        groups: How many, from the first one on.

    Returns:
        What it took.

    Raises:
        subprocess.CalledProcessError: If the run fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(config), str(groups)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    spent = json.loads(done.stdout.splitlines()[-1])
    return Spent(spent[0], tuple(np.diff(spent).tolist()))


def lines(before: Sequence[Spent], after: Sequence[Spent]) -> list[str]:
    """The medians over the runs, by group, and the ratio of their sums, as a table."""
    rows = [("once a process: imports, start of Blender", _median([each.start for each in before]))]
    news = [_median([each.start for each in after])]
    for number in range(len(before[0].groups)):
        rows.append((f"group {number}", _median([each.groups[number] for each in before])))
        news.append(_median([each.groups[number] for each in after]))
    ratios = [sum(new.groups) / sum(old.groups) for old, new in zip(before, after, strict=True)]
    return [
        f"Processor seconds on {os.cpu_count()} cores, medians of {len(before)} runs of each; ratio of all groups "
        f"**{np.median(ratios):.3f}** ({min(ratios):.3f} to {max(ratios):.3f}).",
        "",
        "| | before | after |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {old:.2f} | {new:.2f} |" for (name, old), new in zip(rows, news, strict=True)),
    ]


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare two checkouts; print each run as it ends, then the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--groups", type=int, default=3)
    parser.add_argument("--config", type=Path, help="the recipe (default: configs/demo.yaml of BEFORE)")
    parser.add_argument("--page", type=Path, help="write the figures into this page")
    args = parser.parse_args(arguments)
    config = (args.config or args.before / "configs" / "demo.yaml").resolve()
    spent: dict[Path, list[Spent]] = {args.before: [], args.after: []}
    for number in range(args.pairs):
        for checkout in (args.before, args.after) if number % 2 == 0 else (args.after, args.before):
            spent[checkout].append(render_groups(checkout, config, args.groups))
            print(f"{checkout}: {spent[checkout][-1]}", flush=True)
    text = "\n".join(lines(spent[args.before], spent[args.after]))
    print(text)
    if args.page is not None:
        from benchmarks.pages import replace_measured

        replace_measured(args.page, "bench-overhead", text)


if __name__ == "__main__":
    main()
