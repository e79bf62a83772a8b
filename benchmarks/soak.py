# SPDX-License-Identifier: Apache-2.0
"""Memory, descriptors, temporary files and speed of a long run, and 1,000 views in a row in one Blender: `make soak`.

The run is `multishade render` with Ray and one worker, on images of 16 pixels, with a program in Blender's place that
answers at once (`tests/support/dummy_blender.py`), so that an hour has as many groups as weeks of rendering have.
At the same time real Blender renders views of 32 pixels in one process that is never replaced. Table and plot go into
docs/reliability.md. On a machine with other work, compare processor time at the start and the end, not the speed.
"""

import argparse
import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil

from multishade.config import load_config
from multishade.render.group_renderer import GroupRenderer
from multishade.render.plan import make_plan
from multishade.render.stopwatch import Stopwatch
from multishade.shards.layout import shard_file
from multishade.shards.marker import read_marker
from multishade.storage.owner import owner_in
from multishade.storage.scratch import scratch_folders
from tests.support.fault_runs import DEMO, recipe

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE, PLOT = REPOSITORY / "docs" / "reliability.md", REPOSITORY / "docs" / "images" / "soak.png"
EVERY = 5.0  # seconds between two looks at the run
GROUPS, MOST_SHARDS = 4, 100_000
VIEWS_A_GROUP = 4
MIB = 2**20
# What a process of the run is, by a word of its command line; the first one that fits.
ROLES = {
    "multishade render": "driver",  # first, since its options name the program in Blender's place
    "dummy-blender": "Blender's place",
    "ray::": "worker",
    "raylet/raylet": "raylet",
    "gcs_server": "GCS",
}
GROWTH_DESCRIPTORS = 16  # of a process, from the first tenth of the run to the last: more is a leak


@dataclasses.dataclass
class Look:
    """The run at one moment.

    Attributes:
        seconds: Since its start.
        shards: Committed so far.
        memory: Resident MiB by role, of the largest process of each.
        descriptors: Open descriptors likewise.
        temporary: Scratch folders of its processes, and hidden files and folders in the output.
    """

    seconds: float
    shards: int
    memory: dict[str, float]
    descriptors: dict[str, int]
    temporary: int


@dataclasses.dataclass
class Views:
    """Views that one Blender rendered one after another.

    Attributes:
        memory: Resident MiB of the process after each group.
        seconds: Of wall-clock time a view, by group.
        cpu: Processor seconds of Blender a view, by group.
    """

    memory: list[float] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    cpu: list[float] = dataclasses.field(default_factory=list)


def watch_run(minutes: float, place: Path) -> tuple[list[Look], Path]:
    """Render for so many minutes, and look at the run every few seconds.

    Args:
        minutes: How long, from the first shard on.
        place: An empty folder.

    Returns:
        What was seen, and the folder of the shards.

    Raises:
        RuntimeError: If the run ends by itself.
    """
    output = place / "out"
    sets = [f"--set={each}" for each in recipe(place, groups=GROUPS, shards=MOST_SHARDS)]
    command = [
        sys.executable,
        "-m",
        "multishade",
        "render",
        str(DEMO),
        *sets,
        "--workers",
        "1",
        "-o",
        str(output),
    ]
    looks: list[Look] = []
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--shards", f"0-{MOST_SHARDS - 1}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            started = None
            while started is None or time.perf_counter() - started < 60 * minutes:
                time.sleep(EVERY)
                if process.poll() is not None:
                    raise RuntimeError(f"the run ended by itself: {(place / 'log').read_text()[-2000:]}")
                shards = sum(1 for path in output.glob("multishade-*.tar"))
                if shards and started is None:
                    started = time.perf_counter()
                if started is not None:
                    looks.append(_look(process.pid, time.perf_counter() - started, shards, output))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=300)
    return looks, output


def _look(pid: int, seconds: float, shards: int, output: Path) -> Look:
    memory: dict[str, float] = {}
    descriptors: dict[str, int] = {}
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        try:
            line = " ".join(process.cmdline())
            role = next((name for word, name in ROLES.items() if word in line), "others")
            memory[role] = max(memory.get(role, 0.0), process.memory_info().rss / MIB)
            descriptors[role] = max(descriptors.get(role, 0), process.num_fds())
        except psutil.Error:
            continue  # it has just ended
    owners = [owner_in(folder.name) for folder in scratch_folders()]
    pids = {process.pid for process in family}
    temporary = sum(1 for owner in owners if owner is not None and owner.pid in pids)
    temporary += sum(1 for path in output.iterdir() if path.name.startswith("."))
    return Look(seconds, shards, memory, descriptors, temporary)


def render_views(count: int) -> Views:
    """Render so many views in one real Blender that is never replaced.

    Args:
        count: Views; groups of four.

    Returns:
        What was measured.
    """
    overrides = [
        "camera={width: 32, height: 32}",
        f"shards={{groups: {-(-count // VIEWS_A_GROUP)}, count: 1}}",
        f"views.count={VIEWS_A_GROUP}",
        "runtime.groups_per_child=1000000",
        "render.samples={parallel: 1, point: 1, environment: 1, shading: 1}",
    ]
    plan = make_plan(load_config(DEMO, overrides))
    views = Views()
    with GroupRenderer(plan.config, 1, Stopwatch()) as renderer:
        first = renderer.blender(plan.group(0, 0))
        blender = psutil.Process(first.pid)
        for number in range(plan.config.shards.groups):
            before, started = renderer.cpu_seconds, time.perf_counter()
            renderer.render(plan.group(0, number))
            views.seconds.append((time.perf_counter() - started) / VIEWS_A_GROUP)
            views.cpu.append((renderer.cpu_seconds - before) / VIEWS_A_GROUP)
            views.memory.append(blender.memory_info().rss / MIB)
        if renderer.blender() is not first:
            raise RuntimeError("Blender was replaced: the files of the groups differ")
    return views


def _tenths(values: Sequence[float]) -> tuple[float, float]:
    """Median of the first tenth and of the last."""
    part = max(1, len(values) // 10)
    return float(np.median(values[:part])), float(np.median(values[-part:]))


def _cpu_a_shard(output: Path, shards: int) -> list[float]:
    """Processor seconds of each committed shard, from its marker."""
    markers = [read_marker(shard_file(output, number)) for number in range(shards)]
    return [float(marker.timings["cpu"]) for marker in markers if marker is not None]


def lines(minutes: float, looks: Sequence[Look], cpu: Sequence[float], views: Views) -> list[str]:
    """The measured values as a table: in the first tenth, in the last tenth."""
    rows: list[tuple[str, str, str]] = []
    roles = [
        role
        for role in dict.fromkeys([*ROLES.values(), "others"])
        if any(role in look.memory for look in looks)
    ]
    for role in roles:
        start, end = _tenths([look.memory[role] for look in looks if role in look.memory])
        rows.append((f"resident memory: {role}", f"{start:.0f} MiB", f"{end:.0f} MiB"))
    for role in roles:
        start, end = _tenths([look.descriptors[role] for look in looks if role in look.descriptors])
        rows.append((f"open descriptors: {role}", f"{start:.0f}", f"{end:.0f}"))
    start, end = _tenths([look.temporary for look in looks])
    rows.append(("temporary files and folders", f"{start:.0f}", f"{end:.0f}"))
    speed = [
        60 * GROUPS * (after.shards - before.shards) / (after.seconds - before.seconds)
        for before, after in zip(looks, looks[1:], strict=False)
    ]
    part = max(1, len(speed) // 10)
    rows.append(("groups a minute", f"{np.mean(speed[:part]):.0f}", f"{np.mean(speed[-part:]):.0f}"))
    start, end = _tenths(cpu)
    rows.append(("processor seconds a shard", f"{start:.2f}", f"{end:.2f}"))
    rows.append(("real Blender: resident memory", *(f"{value:.0f} MiB" for value in _tenths(views.memory))))
    rows.append(("real Blender: seconds a view", *(f"{value:.3f}" for value in _tenths(views.seconds))))
    rows.append(("real Blender: processor seconds a view", *(f"{value:.3f}" for value in _tenths(views.cpu))))
    groups = GROUPS * looks[-1].shards
    return [
        f"{minutes:.0f} minutes, {groups:,} groups in {looks[-1].shards:,} shards; beside it "
        f"{len(views.seconds) * VIEWS_A_GROUP:,} views of 32 x 32 pixels in one Blender. Medians:",
        "",
        "| | first tenth | last tenth |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {start} | {end} |" for name, start, end in rows),
        "",
        "![Memory and speed over the run](images/soak.png)",
    ]


def plot(looks: Sequence[Look], views: Views, path: Path) -> None:
    """Write the plot: memory and speed of the run over time, memory and time of real Blender over views."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, ((memory, speed), (blender, seconds)) = pyplot.subplots(
        2, 2, figsize=(8.4, 5.2), dpi=110, layout="constrained"
    )
    minutes = np.array([look.seconds for look in looks]) / 60
    for role in ROLES.values():
        values = [look.memory.get(role, np.nan) for look in looks]
        memory.plot(minutes, values, label=role, linewidth=1.2)
    memory.set(xlabel="minutes", ylabel="resident MiB", ylim=(0, None), title="a run with Ray")
    memory.legend(frameon=False, fontsize=7)
    shards = np.array([look.shards for look in looks])
    speed.plot(minutes, GROUPS * shards / 1000, "C0")
    speed.set(xlabel="minutes", ylabel="thousand groups", ylim=(0, None), title="finished groups")
    counts = VIEWS_A_GROUP * np.arange(1, len(views.memory) + 1)
    blender.plot(counts, views.memory, "C1")
    blender.set(xlabel="views", ylabel="resident MiB", ylim=(0, None), title="one real Blender")
    seconds.plot(counts, views.seconds, "C7", linewidth=0.6, label="wall clock")
    seconds.plot(counts, views.cpu, "C1", linewidth=0.9, label="processor")
    seconds.set(xlabel="views", ylabel="seconds a view", ylim=(0, None), title="one real Blender")
    seconds.legend(frameon=False, fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def leaks(looks: Sequence[Look]) -> list[str]:
    """What grew over the run that must not: descriptors and temporary files, in numbers that no load explains."""
    found = []
    for role in {role for look in looks for role in look.descriptors}:
        start, end = _tenths([look.descriptors[role] for look in looks if role in look.descriptors])
        if end - start > GROWTH_DESCRIPTORS:
            found.append(f"open descriptors: {role}: {start:.0f}, then {end:.0f}")
    start, end = _tenths([look.temporary for look in looks])
    if end - start > 2:
        found.append(f"temporary files: {start:.0f}, then {end:.0f}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak test; returns 1 if descriptors or temporary files leak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="of the run, from the first shard on (default 60)"
    )
    parser.add_argument("--views", type=int, default=1000, help="in a row in real Blender (default 1000)")
    parser.add_argument("--page", type=Path, default=PAGE, help="gets the table")
    parser.add_argument("--plot", type=Path, default=PLOT)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as place, ThreadPoolExecutor(1) as beside:
        rendering = beside.submit(render_views, options.views)
        looks, output = watch_run(options.minutes, Path(place))
        cpu = _cpu_a_shard(output, looks[-1].shards)
        views = rendering.result()
    text = lines(options.minutes, looks, cpu, views)
    found = leaks(looks)
    print("\n".join([*text, *found]))
    plot(looks, views, options.plot)
    if not found:
        from benchmarks.pages import replace_measured

        replace_measured(options.page, "soak", "\n".join(text))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
