# SPDX-License-Identifier: Apache-2.0
"""Ray on three machines with addresses of their own, one of them cut off in the middle: the run ends, same bytes."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from multishade.render.run import render
from tests.support.fault_runs import DEMO, hashes, plan_of, recipe, without_processes
from tests.support.namespaces import Host, allowed, hosts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
ROOT = Path(__file__).resolve().parents[2]
RAY = Path(sys.executable).parent / "ray"
PORT, SHARDS = 6379, 6
# As in cluster/slurm/ray.sh: a connection without an answer for a minute is given up.
QUICK = '--system-config={"grpc_client_keepalive_time_ms": 30000, "grpc_client_keepalive_timeout_ms": 30000}'


@contextmanager
def ray_node(host: Host, folder: Path, *words: str) -> Iterator[None]:
    """Start one node of Ray in a namespace, and end its processes after the block."""
    node = ["--num-cpus=1", f"--node-ip-address={host.address}", "--object-store-memory=100000000", "--block"]
    with open(folder / f"{host.name}.log", "wb") as log:
        process = subprocess.Popen(
            host.command(str(RAY), "start", *words, *node, "--disable-usage-stats"),
            stdout=log,
            stderr=log,
            env=environment(),
        )
    try:
        yield
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            if member.is_running():
                member.kill()
        psutil.wait_procs(family, timeout=60)
        process.wait()


def environment() -> dict[str, str]:
    # All processes of a cluster need one token; `ray start` and `ray.init` would each look for their own.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "5" * 64}
    return {**os.environ, **token, "PYTHONPATH": str(ROOT), "DUMMY_BLENDER": "slow@load"}


def nodes_of(host: Host, address: str) -> int:
    """Number of nodes that the cluster says it has; 0 if it does not answer."""
    script = (
        f"import ray; ray.init(address={address!r}, log_to_driver=False); print('NODES', len(ray.nodes()))"
    )
    done = subprocess.run(
        host.command(sys.executable, "-c", script),
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(),
    )
    return int(done.stdout.rpartition("NODES ")[2]) if "NODES" in done.stdout else 0


def test_a_machine_that_is_cut_off_does_not_stop_the_run(tmp_path: Path) -> None:
    if not allowed():
        pytest.skip("this user may not make network namespaces")
    folder, output, reference = tmp_path / "plan", tmp_path / "out", tmp_path / "reference"
    folder.mkdir()
    plan = plan_of(folder, shards=SHARDS)
    with without_processes():
        assert render(plan, reference).complete
    temporary = (
        Path("/tmp") / f"ms{os.getpid()}"
    )  # sockets of Ray lie there, whose names may be 107 characters long
    with hosts(3) as (head, second, third):
        address = f"{head.address}:{PORT}"
        starts_cluster = (
            "--head",
            f"--port={PORT}",
            f"--temp-dir={temporary}",
            "--include-dashboard=false",
            QUICK,
        )
        try:
            with ray_node(head, tmp_path, *starts_cluster):
                deadline = time.monotonic() + 600
                while not nodes_of(head, address):
                    assert time.monotonic() < deadline, (tmp_path / f"{head.name}.log").read_text()
                joins = f"--address={address}"
                with ExitStack() as joined:
                    # One after the other: names of sockets in the shared temporary folder are taken when they are free.
                    for number, host in enumerate((second, third), start=2):
                        joined.enter_context(ray_node(host, tmp_path, joins))
                        while nodes_of(head, address) < number:
                            assert time.monotonic() < deadline, (tmp_path / f"{host.name}.log").read_text()
                    sets = [f"--set={override}" for override in recipe(folder, shards=SHARDS)]
                    words = ["render", str(DEMO), *sets, "--shards", f"0-{SHARDS - 1}", "-o", str(output)]
                    driver = subprocess.Popen(
                        head.command(sys.executable, "-m", "multishade", *words, "--address", address),
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                        env=environment(),
                    )
                    while len({path.parent for path in output.glob(".*.groups/*.group")}) < 3:
                        assert driver.poll() is None, driver.communicate()[0]
                        time.sleep(0.02)
                    third.cut_off()
                    cut = time.monotonic()
                    printed, _ = driver.communicate(timeout=1800)
                    print(f"the command ended {time.monotonic() - cut:.0f} s after a node was cut off")
            assert driver.returncode == 0, printed
            assert f"{SHARDS} shards rendered" in printed
            assert hashes(output) == hashes(reference)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    with without_processes():  # what the late writer left goes at the next start
        assert len(render(plan, output).skipped) == SHARDS
    assert [path for path in output.rglob("*") if path.name.startswith(".")] == []
