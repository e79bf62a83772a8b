# SPDX-License-Identifier: Apache-2.0
"""A data set that lives in a bucket: rendered by a command that is killed, continued, looked at, published, trained on.

The bucket is moto's, behind a proxy that answers every 25th request with an error, cuts it or loses the answer. The
program in Blender's place is the dummy.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from multishade.render.run import render
from multishade.storage.store import open_store
from tests.support.fault_runs import FIGURES, hashes, plan_of, recipe, without_processes
from tests.support.s3_server import Fault, S3Server, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TRAIN = (
    "optimisation.steps=2",
    "optimisation.batch=2",
    "validation={every: 2, samples: 2}",
    "data.workers=1",
)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


def environment(server: S3Server) -> dict[str, str]:
    return {**os.environ, **server.environment(), "PYTHONPATH": str(ROOT), "DUMMY_BLENDER": "slow@load"}


def command(server: S3Server, folder: Path, *words: str, code: int = 0) -> str:
    """Run a command to its end; it has this exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "multishade", *words],
        env=environment(server),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def killed(server: S3Server, folder: Path, *words: str) -> None:
    """Start a command that renders. When two groups are in the bucket kill it, and its workers, which would go on."""
    process = subprocess.Popen(
        [sys.executable, "-m", "multishade", *words],
        env=environment(server),
        cwd=folder,
        start_new_session=True,
    )
    try:
        while sum(".groups/" in line and line.startswith("PUT") for line in server.log) < 2:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.05)
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=60)


def view(server: S3Server, folder: Path, place: str) -> int:
    """Open the page on a place; the number of samples that it lists."""
    process = subprocess.Popen(
        [sys.executable, "-m", "multishade", "view", place, "--port", "0", "--cache", str(folder / "cache")],
        env=environment(server),
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        count, _, address = process.stdout.readline().partition(" samples: ")
        with urllib.request.urlopen(address.strip()) as answer:
            assert b"<html" in answer.read().lower()
        return int(count)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def test_the_life_of_a_data_set_in_a_bucket(server: S3Server, tmp_path: Path) -> None:
    place = f"{server.bucket()}/demo"
    folder = tmp_path / "plan"
    folder.mkdir()
    sets = [f"--set={override}" for override in recipe(folder)]
    words = ("render", "demo", *sets, "--shards", "0-1", "--workers", "2")
    with without_processes():
        assert render(plan_of(folder), tmp_path / "local").complete

    server.log.clear()
    server.faults[:] = [Fault(kind, times=10_000, every=25) for kind in ("500", "lose answer", "cut answer")]
    killed(server, tmp_path, *words, "-o", place)
    store = open_store(place)
    staged = [
        name
        for part in store.list_folders(".*.groups")
        if not store.exists(f"{part[1:].removesuffix('.groups')}.json")
        for name in store.child(part).list_names("*.group")
    ]
    printed = command(server, tmp_path, *words, "-o", place)
    assert staged and f"{len(staged)} groups were finished before an interrupt" in printed
    remote = {name: store.read_bytes(name) for name in store.list_names("*.tar")}
    local = {path.name: path.read_bytes() for path in (tmp_path / "local").glob("*.tar")}
    assert len(local) == 2 and remote == local, hashes(tmp_path / "local")
    assert store.list_folders() == [] and store.unfinished() == []
    assert "2 already there" in command(server, tmp_path, *words, "-o", place)

    # The dummy's sphere has not the size that the recipe's objects have; all else is sound.
    inspected = json.loads(command(server, tmp_path, "inspect", place, "--json", code=1))
    assert inspected["samples"] == 6 and {each["check"] for each in inspected["findings"]} == {"depth"}
    command(server, tmp_path, "stats", place, "-o", "stats")
    assert (tmp_path / "stats" / "stats.html").is_file()
    assert view(server, tmp_path, place) == 6
    command(server, tmp_path, "card", place, "--preview-samples", "2")
    listed = command(server, tmp_path, "push", place, "user/demo", "--dry-run")
    assert "multishade-000001.tar" in listed and listed.count(".parquet") == 1 and "README.md" in listed

    data = (f"data.train=[{place}/multishade-000000.tar]", f"data.val=[{place}/multishade-000001.tar]")
    settings = [f"--set={each}" for each in (*TRAIN, *data, "output=run")]
    command(server, tmp_path, "train", "rose-tiny", *settings)
    assert (tmp_path / "run" / "model" / "rose.json").is_file()
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps and max(steps) == 2

    for kind, times in server.served.items():
        FIGURES.faults[f"S3 server: {kind}"] += times
    FIGURES.faults["command that writes to S3: SIGKILL"] += 1
