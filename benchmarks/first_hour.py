# SPDX-License-Identifier: Apache-2.0
"""Measure how long a newcomer waits, and write it into README.md.

    python -m benchmarks.first_hour [--set-up SECONDS | --fresh] [--busy 1]

The walk is made in a fresh clone, by the commands of README, while other processes keep cores busy: two shards and
their sheet, the normal map of a photo, a trained tiny model. Seconds count from the clone. The environment is this
one, linked into the clone; with --fresh `make setup` makes one there and is measured. What others computed meanwhile
is measured before the walk and after it, and stated with the figures.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from multishade.threads import cores, processor

REPOSITORY = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- first hour: `make first-hour` -->", "<!-- end of first hour -->"
MEASURED_SECONDS = 10.0
KEY = "s000000-g0000-v0"
BIN = ".venv/bin"
# Ends with this process, however that ends.
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**6))"
WALK = (
    ("two shards of the demo", "make render SHARDS=0-1"),
    ("(a) their contact sheet", f"{BIN}/multishade-inspect data/demo/*.tar --sheet sheet.png"),
    ("a photo", f"{BIN}/multishade export data/demo {KEY} -o out/photos"),
    ("(b) a normal map of it", f"{BIN}/multishade infer out/photos/{KEY}/image_parallel.png"),
    ("(c) a trained tiny model", f"{BIN}/multishade train rose-tiny"),
)
RESULTS = ("sheet.png", "out/infer/image_parallel/normal_gl.png", "out/train/rose-tiny/model")


@dataclass(frozen=True)
class Step:
    """A step of the walk, its command, its seconds, and those since the clone began."""

    what: str
    command: str
    seconds: float
    since: float


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep cores busy with processes that compute and do nothing else."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Load:
    """What other processes do on this machine: cores that they keep busy, and Linux's load average of a minute."""

    cores: float
    average: float


def measure_load(seconds: float = MEASURED_SECONDS) -> Load:
    """Measure for some seconds in which this process computes nothing."""
    used = sum(psutil.cpu_percent(seconds, percpu=True)) / 100
    return Load(used, psutil.getloadavg()[0])


def load_text(before: Load, after: Load, started: int) -> str:
    """Where the walk was made, and beside what: the middle of a sentence."""
    ours = f" ({started} of them by a process started for this)" if started else ""
    return (
        f"on {cores()} cores ({processor()}), of which other processes kept {before.cores:.1f} busy before the walk "
        f"and {after.cores:.1f} after it{ours}; load average {before.average:.1f} and {after.average:.1f}"
    )


def walk(clone: Path, fresh: bool) -> list[Step]:
    """Clone the repository into `clone` and run the commands there. Raises CalledProcessError if one fails."""
    started = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment["PYTHONPATH"] = str(clone)  # also if the environment is that of another clone
    copied = _step("the clone", f"git clone -q {REPOSITORY} {clone}", REPOSITORY, environment, started)
    steps = [replace(copied, command="git clone")]
    if fresh:
        steps.append(_step("the environment, 1.1 GB of wheels", "make setup", clone, environment, started))
    else:
        (clone / ".venv").symlink_to(Path(sys.prefix))
        if not (clone / ".venv" / ".all").exists():
            raise SystemExit(f"error: {sys.prefix}: was not made by `make setup`; use --fresh")
        _make_old(clone)
    steps += [_step(what, command, clone, environment, started) for what, command in WALK]
    missing = [name for name in RESULTS if not (clone / name).exists()]
    if missing:
        raise SystemExit(f"error: the walk made no {', '.join(missing)}")
    return steps


def _make_old(clone: Path) -> None:
    """Date what the environment depends on before it."""
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(clone / name, (0, 0))


def _step(what: str, command: str, folder: Path, environment: dict[str, str], started: float) -> Step:
    begun = time.perf_counter()
    print(f"$ {command}", flush=True)
    subprocess.run(["bash", "-c", command], cwd=folder, env=environment, check=True)
    ended = time.perf_counter()
    print(f"  {ended - begun:.0f} s, {ended - started:.0f} s since the clone began", flush=True)
    return Step(what, command, ended - begun, ended - started)


def text_of(steps: list[Step], set_up: float | None, load: str) -> str:
    """The paragraph and the table for README."""
    rows = [
        f"| {step.what}: `{step.command.removeprefix(BIN + '/')}` | {step.seconds:.0f} s | {step.since / 60:.1f} min |"
        for step in steps
    ]
    note = "" if set_up is None else f" The set-up, measured apart, took {set_up / 60:.0f} minutes."
    return "\n".join(
        [
            BEGIN,
            f"Waiting, measured {load}.{note}",
            "",
            "| step | takes | since the clone |",
            "| --- | --- | --- |",
            *rows,
            END,
        ]
    )


def write_into(readme: Path, text: str) -> None:
    """Replace what stands between the marks."""
    page = readme.read_text(encoding="utf-8")
    replaced, count = re.subn(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda match: text, page, flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"error: {readme}: expected one pair of the marks {BEGIN} and {END}, found {count}")
    readme.write_text(replaced, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--busy", type=int, default=1, help="processes that keep cores busy (default: 1)")
    parser.add_argument(
        "--fresh", action="store_true", help="make an environment in the clone, and measure it"
    )
    parser.add_argument(
        "--set-up", type=float, metavar="SECONDS", help="what `make setup` took, to be stated"
    )
    parser.add_argument("--print", action="store_true", help="print the result, and leave README.md as it is")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="first-hour-") as folder, busy(args.busy):
        before = measure_load()
        print(f"other processes keep {before.cores:.1f} of {cores()} cores busy", flush=True)
        steps = walk(Path(folder) / "multishade", args.fresh)
        after = measure_load()
    text = text_of(steps, args.set_up, load_text(before, after, args.busy))
    print(text)
    if not args.print:
        write_into(REPOSITORY / "README.md", text)


if __name__ == "__main__":
    main()
