# SPDX-License-Identifier: Apache-2.0
"""Resources -> Ray on this machine or a cluster that was joined, watched while it is used, and nothing left of it.

Ray itself reports a lost raylet or GCS after a minute, by ending the process. Here that is an error within seconds.
"""

import contextlib
import logging
import math
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import ray
from ray._private.worker import global_worker

from multishade.errors import ShardError
from multishade.render.backends import Resources
from multishade.render.progress import Progress, StartRepeated

CONNECT_SECONDS = 5.0
WATCH_SECONDS = 2.0  # between two looks at the processes
SHUTDOWN_SECONDS = 20.0
START_ATTEMPTS = 4
STOPPED_LOOKS = (
    30  # after which a process that is stopped (SIGSTOP) is ended: a stopped worker never finishes
)
GCS_GRACE_SECONDS = 30.0  # on a cluster that was joined, whose GCS may be started again
OBJECT_STORE_BYTES = 100 * 2**20  # only plans and reports travel


class Cluster:
    """Ray as it runs for one call of `render`.

    Attributes:
        slots: Workers that can run at once; on a cluster that was joined, nodes come and go.
    """

    def __init__(self, slots: int, resources: Resources) -> None:
        own = resources.address is None
        self.slots, self._own, self._is_lost, self._resources = slots, own, False, resources
        node = global_worker.node
        self._session = Path(node.get_session_dir_path())
        self._gcs = node.gcs_address
        self._raylet = _raylet(node.raylet_socket_name)
        self._family: set[psutil.Process] = set()
        self._looked = self._answered = time.monotonic()
        self._stopped: dict[psutil.Process, int] = {}
        if own:
            self._family |= set(psutil.Process().children(recursive=True))

    def require_alive(self) -> None:
        """Raise ShardError if the raylet of this machine or the cluster's GCS is gone. Cheap: looks now and then."""
        now = time.monotonic()
        if now - self._looked < WATCH_SECONDS:
            return
        self._looked = now
        if self._raylet is not None and not _runs(self._raylet):
            self._lost(f"its raylet (process {self._raylet.pid}) ended")
        if _answers(self._gcs):
            self._answered = now
            if not self._own:
                self.slots = _slots(self._resources)
        elif self._own or now - self._answered > GCS_GRACE_SECONDS:
            self._lost(f"its GCS at {self._gcs} does not answer")
        if self._own:
            self._end_stopped()

    def _lost(self, how: str) -> None:
        self._is_lost = True
        remedy = (
            "memory may be short: try fewer workers"
            if self._own
            else "look at the cluster's own logs, `ray status`"
        )
        raise ShardError(f"Ray was lost: {how}; {remedy}. Finished work is kept: the same command continues")

    def _end_stopped(self) -> None:
        self._family |= set(psutil.Process().children(recursive=True))
        self._family = {process for process in self._family if process.is_running()}
        stopped = {process for process in self._family if _status(process) == psutil.STATUS_STOPPED}
        self._stopped = {process: self._stopped.get(process, 0) + 1 for process in stopped}
        for process, looks in self._stopped.items():
            if looks > STOPPED_LOOKS:
                process.kill()

    def close(self) -> None:
        """Leave the cluster; end all processes of one that was started here, and remove its temporary folder."""
        if not self._own:
            ray.shutdown()
            return
        self._family |= set(psutil.Process().children(recursive=True))
        if self._is_lost:
            _kill(self._family)  # they would wait for what is lost
        ray.shutdown()
        _kill(self._family)
        shutil.rmtree(self._session, ignore_errors=True)


@contextlib.contextmanager
def running(resources: Resources, progress: Progress) -> Iterator[Cluster]:
    """Start Ray here or join a cluster for the block.

    Args:
        resources: Workers, and the address of a cluster.
        progress: Called if the start is repeated.

    Yields:
        The cluster.

    Raises:
        ShardError: If the cluster does not answer or has less than one worker needs, or Ray cannot be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's default, 15, leaves a worker a thirtieth of a core on which anything else computes: whoever wants the run to
    # give way starts it with `nice`.
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    before = set(psutil.Process().children(recursive=True))
    try:
        if resources.address is None:
            slots = _start(resources, progress)
        else:
            slots = _join(resources, resources.address)
    except BaseException as error:
        ray.shutdown()
        _kill(set(psutil.Process().children(recursive=True)) - before)
        if isinstance(error, SystemExit):  # Ray's own handler of SIGTERM, which it sets while it starts
            raise KeyboardInterrupt from error
        raise
    cluster = Cluster(slots, resources)
    try:
        yield cluster
    finally:
        cluster.close()


def _start(resources: Resources, progress: Progress) -> int:
    """Start Ray on this machine. Its own deadlines of 30 s are too short for a busy one: such a start is repeated."""
    slots = resources.local_workers()
    before = set(psutil.Process().children(recursive=True))
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            _start_once(slots, resources)
            break
        except Exception as error:  # of many kinds; Ray names a deadline in words only
            late = "timed out" in str(error).lower()
            if not late or attempt == START_ATTEMPTS:
                often = f", tried {attempt} times" if attempt > 1 else ""
                raise ShardError(
                    f"Ray cannot be started on this machine{often}: {error}; `multishade doctor` shows what it lacks"
                ) from error
            ray.shutdown()
            _kill(set(psutil.Process().children(recursive=True)) - before)
            progress(StartRepeated(attempt + 1, START_ATTEMPTS))
    return slots


def _start_once(slots: int, resources: Resources) -> None:
    ray.init(
        # Otherwise Ray joins whatever cluster runs on this machine or is named in RAY_ADDRESS.
        address="local",
        num_cpus=slots * resources.cpus_per_worker,
        num_gpus=math.ceil(slots * resources.gpus_per_worker) or None,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )


def _join(resources: Resources, address: str) -> int:
    _require_answer(address)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ShardError(f"--address {address}: no Ray cluster answers there: {error}") from error
    slots = _slots(resources)
    if slots < 1:
        available = ray.cluster_resources()
        raise ShardError(
            f"the Ray cluster has {available.get('CPU', 0):g} CPUs and {available.get('GPU', 0):g} GPUs: too few for "
            f"one worker of {resources.cpus_per_worker} CPUs and {resources.gpus_per_worker:g} GPUs"
        )
    return slots


def _slots(resources: Resources) -> int:
    """Workers that can run at once on the nodes that the cluster has now."""
    available = ray.cluster_resources()
    slots = int(available.get("CPU", 0) // resources.cpus_per_worker)
    if resources.gpus_per_worker:
        slots = min(slots, int(available.get("GPU", 0) // resources.gpus_per_worker))
    return min(slots, resources.workers or slots)


def _require_answer(address: str) -> None:
    """Raise ShardError at once if no cluster answers; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # "auto" and the like: Ray finds the address, or fails at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise ShardError(f"--address {address}: no Ray cluster answers there ({error})") from error


def _answers(address: str) -> bool:
    """Whether a connection to HOST:PORT is accepted."""
    try:
        _require_answer(address)
    except ShardError:
        return False
    return True


def _raylet(socket_name: str | None) -> psutil.Process | None:
    """The process of the raylet that listens on a socket of this machine; None if it is not seen."""
    if not socket_name:
        return None
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "raylet" and any(
            socket_name in word for word in process.info["cmdline"] or ()
        ):
            return process
    return None


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and _status(process) != psutil.STATUS_ZOMBIE


def _status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.Error:
        return psutil.STATUS_DEAD


def _kill(processes: set[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=SHUTDOWN_SECONDS)
