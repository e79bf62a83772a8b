# SPDX-License-Identifier: Apache-2.0
"""How many shards and groups the command that spreads them keeps up with: `python -m benchmarks.driver`.

Ray runs as in `multishade render`, and the workers do nothing but report: every group's end, and the shard's. So what
is measured is the command itself: shards and groups a second, its memory as the shards add up, and how long it takes to
hear of a shard. The workers are logical: as many tasks are in flight as that number of workers needs, on fewer
processes.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import ray

from multishade.config import load_config
from multishade.render.backends import Resources, ray_cluster
from multishade.render.backends import ray as backend
from multishade.render.plan import Plan, make_plan
from multishade.render.progress import Event, ShardCommitted
from multishade.render.run import _left_out, render
from multishade.render.worker import ShardReport
from multishade.shards.layout import shard_file
from multishade.shards.marker import commit_marker
from multishade.shards.tar import write_tar
from multishade.storage.store import open_store

GROUPS = 16
PARTS = 5  # of the run, whose times and memory are compared
PACE_SECONDS = 0.05  # a shard's time while the delay is measured, so that no queue builds up


def dummy(plan: Plan, shard: int, store: Any, threads: int, counter: Any) -> ShardReport:
    """In the place of rendering a shard: report its groups. threads: milliseconds that it takes."""
    time.sleep(threads / 1000)
    for _ in range(plan.config.shards.groups):
        counter.add.remote()
    return ShardReport(
        shard, plan.config.shards.groups, (), {"ended": time.monotonic(), "total": 1.0, "images": 1.0}
    )


@contextmanager
def dummy_workers(workers: int, processes: int) -> Iterator[None]:
    """Let the Ray backend run `dummy` on few processes, with tasks in flight for many workers."""

    def start(resources: Resources) -> int:
        ray.init(
            address="local",
            num_cpus=processes,
            include_dashboard=False,
            object_store_memory=ray_cluster.OBJECT_STORE_BYTES,
            log_to_driver=False,
        )
        return workers

    def task(resources: Resources) -> Any:
        return ray.remote(dummy).options(num_cpus=1, max_retries=1, name="render_shard")

    before = ray_cluster._start, backend._task
    ray_cluster._start, backend._task = start, task
    try:
        yield
    finally:
        ray_cluster._start, backend._task = before


def run(plan: Plan, shards: int, milliseconds: int) -> tuple[list[float], list[float], list[float]]:
    """Render shards by `dummy`. Returns times of their commits, delays until they were heard of, memory in MiB."""
    process = psutil.Process(os.getpid())
    times: list[float] = []
    delays: list[float] = []
    memory: list[float] = []

    def progress(event: Event) -> None:
        if isinstance(event, ShardCommitted):
            now = time.monotonic()
            times.append(now)
            delays.append(now - event.report.seconds["ended"])
            memory.append(process.memory_info().rss / 2**20)

    with tempfile.TemporaryDirectory() as folder:
        resources = Resources(workers=1, cpus_per_worker=milliseconds)
        render(plan, folder, range(shards), "ray", resources=resources, progress=progress)
    return times, delays, memory


def restart(plan: Plan, shards: int) -> float:
    """Seconds until a run knows which of this number of complete shards are there."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        file = shard_file(store, 0)
        samples = [(f"s000000-g{group:04d}-v0", [("meta.json", b"{}")]) for group in range(GROUPS)]
        commit_marker(file, write_tar(file, samples))
        tar, marker = Path(file.url).read_bytes(), Path(file.url).with_suffix(".json").read_text()
        for shard in range(1, shards):
            path = Path(shard_file(store, shard).url)
            path.write_bytes(tar)
            path.with_suffix(".json").write_text(marker.replace(file.name, path.name))
        started = time.perf_counter()
        assert len(_left_out(store, range(shards))) == shards
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=64, help="logical workers")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    overrides = [f"shards={{count: {args.shards}, groups: {GROUPS}}}"]
    plan = make_plan(load_config(root / "configs" / "demo.yaml", overrides))
    with dummy_workers(args.workers, args.processes):
        times, _, memory = run(plan, args.shards, 0)
    seconds = times[-1] - times[0]
    print(f"| {args.shards:,} shards of {GROUPS} groups, {args.workers} logical workers | |\n| --- | --- |")
    print(f"| shards a second | {(len(times) - 1) / seconds:.0f} |")
    print(f"| groups a second | {(len(times) - 1) * GROUPS / seconds:,.0f} |")
    each = len(times) // PARTS
    parts = [
        (times[(part + 1) * each - 1] - times[part * each]) / (each - 1) / GROUPS for part in range(PARTS)
    ]
    print(f"| ms per group, by fifths of the run | {', '.join(f'{1000 * part:.2f}' for part in parts)} |")
    rss = ", ".join(f"{memory[(part + 1) * each - 1]:.0f}" for part in range(PARTS))
    print(f"| MiB of the command, by fifths | {rss} |")
    with dummy_workers(args.processes, args.processes):
        _, delays, _ = run(plan, min(400, args.shards), round(1000 * PACE_SECONDS))
    delays.sort()
    late = delays[int(0.95 * len(delays))]
    print(
        f"| ms until it hears of a shard: median, 95 % | {1000 * statistics.median(delays):.0f}, {1000 * late:.0f} |"
    )
    print(f"| s until a rerun knows that all {args.shards:,} are there | {restart(plan, args.shards):.1f} |")


if __name__ == "__main__":
    main()
