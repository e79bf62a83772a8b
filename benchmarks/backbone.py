# SPDX-License-Identifier: Apache-2.0
"""What a pretrained encoder is worth: networks trained for equal processor time on the same shards, and their errors.

    python -m benchmarks.backbone --minutes 35 --seeds 3 [--arms lite0 lite0-random channels-fine] [-o out/backbone]

Each run is a process of one thread. A few steps are timed first; the number of steps is what fits into the time, so
that the learning rate falls to 0 at its end. Prints a Markdown table: pictures, processor minutes (with data loading,
without validation), mean angular error on shards of unseen objects beside that of the best constant; mean and range
over seeds. A run that is finished is not made again (`result.json` in its folder).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIMED = 5  # steps, after one that is not counted: it allocates and compiles
# name -> overrides of the configuration
ARMS: Mapping[str, Mapping[str, Any]] = {
    "lite0": {"model.preset": "lite0"},
    "lite0-random": {"model.preset": "lite0", "model.encoder": {"weights": "random", "rate": 1.0}},
    "lite0-batch": {"model.preset": "lite0", "model.encoder": {"statistics": "batch"}},
    "lite0-small": {"model.preset": "lite0-small"},
    "lite2": {"model.preset": "lite2"},
    "lite2-random": {"model.preset": "lite2", "model.encoder": {"weights": "random", "rate": 1.0}},
    "channels-small": {"model.preset": "channels-small"},
    "channels-fine": {"model.preset": "channels-fine"},
}
DEFAULT_ARMS = ("lite0", "lite0-random", "lite2", "lite2-random", "channels-small", "channels-fine")


@dataclass(frozen=True)
class Run:
    """What a run was, and what came out; angles in degrees, times in processor seconds."""

    arm: str
    seed: int
    budget: float
    settings: tuple[str, ...]
    steps: int
    pictures: int
    seconds: float
    error: float
    constant: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "train" / "rose-lite0.yaml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the configuration, all arms"
    )
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=DEFAULT_ARMS)
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--minutes", type=float, default=35.0, help="of one core, each run (default: 35)")
    parser.add_argument(
        "--test", default="data/bundled-test", help="shards of unseen objects (default: data/bundled-test)"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("out/backbone"), help="runs and results")
    parser.add_argument("--one", nargs=2, metavar=("ARM", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    settings = tuple([*args.set, f"data.val=[{args.test}]"])
    if args.one:
        train_one(args.config, args.one[0], int(args.one[1]), args.minutes * 60, settings, args.output)
        return 0
    runs = []
    for seed in range(args.seeds):
        for arm in args.arms:
            path = result_path(args.output, arm, seed)
            if not finished(path, args.minutes * 60, settings):
                given = list(sys.argv[1:] if arguments is None else arguments)
                command = [sys.executable, "-m", "benchmarks.backbone", *given, "--one", arm, str(seed)]
                environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
                subprocess.run(command, check=True, env=environment)
            runs.append(read(path))
    print(table(runs))
    return 0


def result_path(out: Path, arm: str, seed: int) -> Path:
    return out / f"{arm}-{seed}" / "result.json"


def read(path: Path) -> Run:
    content = json.loads(path.read_text())
    return Run(**{**content, "settings": tuple(content["settings"])})


def finished(path: Path, budget: float, settings: tuple[str, ...]) -> bool:
    """Whether a run of this length and these settings has been made."""
    if not path.is_file():
        return False
    run = read(path)
    return (run.budget, run.settings) == (budget, settings)


def train_one(path: Path, arm: str, seed: int, budget: float, settings: tuple[str, ...], out: Path) -> None:
    """Time an arm's steps, train it for `budget` processor seconds, write its result."""
    from multishade.training import tasks

    folder = result_path(out, arm, seed).parent
    chosen = [f"{name}={json.dumps(value)}" for name, value in ARMS[arm].items()]

    def config(name: str, *more: str) -> Any:
        common = (
            f"name={arm}-{seed}",
            f"seed={seed}",
            f"output={folder / name}",
            "checkpoints.every=1000000",
        )
        return tasks.load_config(path, [*settings, *chosen, *common, "logging.tensorboard=false", *more])

    _empty(folder)
    begun, ended = _clocked(config("timing", f"optimisation.steps={TIMED + 1}", "validation.samples=1"))
    steps = max(2, round(budget / ((ended - begun) / TIMED)))
    run = config("run", f"optimisation.steps={steps}", "validation.every=1000000")
    begun, ended = _clocked(run)
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    last = next(row for row in reversed(rows) if "val/mean_angle" in row)
    result = Run(
        arm,
        seed,
        budget,
        settings,
        steps,
        steps * run.optimisation.batch * run.optimisation.accumulation,
        (ended - begun) * steps / (steps - 1),
        last["val/mean_angle"],
        last["val/constant_angle"],
    )
    result_path(out, arm, seed).write_text(json.dumps(asdict(result), indent=2) + "\n")


def _clocked(config: Any) -> tuple[float, float]:
    """Train; the processor time after the first step and after the last, before validation."""
    from multishade.training.trainer import train

    times: list[float] = []
    train(
        config,
        report=lambda text: print(text, flush=True),
        on_step=lambda *_: times.append(time.process_time()),
    )
    return times[0], times[-1]


def _empty(folder: Path) -> None:
    """Remove the runs of a comparison that was broken off, or had other settings."""
    import shutil

    for name in ("timing", "run"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    (folder / "result.json").unlink(missing_ok=True)


def table(runs: Sequence[Run]) -> str:
    """Markdown: one row for each arm, in the order of the runs."""
    lines = [
        "| network | seeds | steps | pictures | processor minutes | error (least to most) | best constant |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for arm in dict.fromkeys(run.arm for run in runs):
        group = [run for run in runs if run.arm == arm]
        errors = [run.error for run in group]
        lines.append(
            f"| {arm} | {len(group)} | {_mean([run.steps for run in group]):.0f} "
            f"| {_mean([run.pictures for run in group]):.0f} | {_mean([run.seconds for run in group]) / 60:.1f} "
            f"| {_mean(errors):.2f} ({min(errors):.2f} to {max(errors):.2f}) | {group[0].constant:.2f} |"
        )
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    sys.exit(main())
