# SPDX-License-Identifier: Apache-2.0
"""Cores of this machine, and how busy they are -> the number of threads of a command, and numeric libraries kept to it.

Numeric libraries start one thread for each core that they see. On cores that are busy, or that a container only has a
share of, this is far slower than one thread: each parallel loop ends when its last thread has been given a core, and
GCC's OpenMP lets the threads that are ready spin meanwhile, on the very core that the last one waits for. One training
step of a small network, 0.15 s on one thread, took 3.6 to 10.4 s on two, at six times the processor time. Hence as many
threads as cores are free, and threads that sleep while they wait (OMP_WAIT_POLICY).
"""

import functools
import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import threadpoolctl

MOST = 16  # images of this size do not keep more threads busy
MEASURED_SECONDS = 0.2
OPENMP = "OMP_NUM_THREADS"
# Read by the libraries when they are loaded.
_LIMITS = (OPENMP, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
_WAITING = "OMP_WAIT_POLICY"
_WITH_BLAS = ("numpy", "scipy.linalg", "torch")  # packages that come with a BLAS of their own

_chosen: int | None = None
# Two limits of different threads that overlap would restore each other's number.
_limiting = threading.RLock()


@dataclass(frozen=True)
class Threads:
    """The number of threads of a process.

    Attributes:
        count: The number.
        cores: Cores that the process may use.
        explicit: Whether the user set it, by an option or OMP_NUM_THREADS.
        remark: What decided the number, as the end of a sentence, if it is of interest.
    """

    count: int
    cores: int
    explicit: bool
    remark: str = ""

    def __str__(self) -> str:
        """Such as "2 threads (of 2 cores)"."""
        return f"{counted(self.count, 'thread')} (of {counted(self.cores, 'core')}{self.remark})"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 core", "2 cores"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def announce(line: str) -> None:
    """Print a line about threads on standard error; of several training processes, the first one does."""
    if os.environ.get("RANK", "0") == "0":
        print(line, file=sys.stderr, flush=True)


def choose(requested: int | None = None, processes: int = 1) -> Threads:
    """Choose the number of threads: as requested, else as OMP_NUM_THREADS says, else one for each core that is free.

    Args:
        requested: A number that the user asked for.
        processes: Processes that compute at the same time and share the free cores.

    Returns:
        The number for each of the processes, at least 1.
    """
    available = cores()
    if requested is not None:
        return Threads(requested, available, explicit=True)
    value = os.environ.get(OPENMP, "").split(",")[0].strip()
    if value.isdigit() and int(value) > 0:
        return Threads(int(value), available, explicit=True, remark=f"; {OPENMP}")
    free = free_cores()
    processes *= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # of a distributed training
    count = max(1, min(int(free + 0.5), available, MOST) // processes)
    busy = available - free
    remark = f", {busy:.1f} of them busy" if busy >= 0.5 else ""
    return Threads(count, available, explicit=False, remark=remark)


def cores() -> int:
    """Return how many cores this process may use: those of its affinity, at most its share by cgroup."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = cgroup_cores()
    return allowed if share is None else max(1, min(allowed, int(share)))


def processor() -> str:
    """Return the name of this machine's processor, such as "AMD EPYC 9R14"."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []  # not Linux
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def current() -> int:
    """Return the number of threads that `limited` set for this process; outside of it, the number of its cores."""
    return cores() if _chosen is None else _chosen


def free_cores(seconds: float = MEASURED_SECONDS) -> float:
    """Measure, for some tenths of a second, how many of this process's cores other processes leave idle.

    Args:
        seconds: Time of measuring.

    Returns:
        Between 0 and `cores()`.
    """
    percent = psutil.cpu_percent(seconds, percpu=True)
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(len(percent))
    # A container may list fewer cores than their highest number.
    used = [percent[core] for core in mine] if max(mine) < len(percent) else percent
    return min(float(cores()), len(mine) * (1 - sum(used) / (100 * len(used))))


def cgroup_cores(
    own: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> float | None:
    """Read the share of processor time of this process's control groups (v2 cpu.max, v1 cpu.cfs_quota_us).

    Args:
        own: File with the groups of the process.
        mounted: Folder of the groups.

    Returns:
        The share in cores, the smallest of the group's and its parents'; None if there is no limit.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None  # not Linux
    shares: list[float] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        roots = [mounted / controllers, mounted / "cpu"] if controllers else [mounted, mounted / "unified"]
        inside = PurePosixPath(path.lstrip("/"))
        for root in roots:
            for group in (inside, *inside.parents):
                shares += _share_of(root / group)
    return min(shares, default=None)


def _share_of(group: Path) -> list[float]:
    """The limit of one control group, in cores; empty if it has none."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            words = " ".join((group / name).read_text() for name in names).split()
        except OSError:
            continue
        if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:
            return [int(words[0]) / int(words[1])]
    return []


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Keep numeric libraries to `count` threads inside the block, in this process and those that it starts.

    Libraries that are loaded inside the block read their limit from the environment; those that are loaded already are
    told. Enter it before NumPy and torch are imported: how OpenMP waits can only be set before.
    """
    global _chosen
    names = (*_LIMITS, _WAITING)
    before, chosen_before = {name: os.environ.get(name) for name in names}, _chosen
    os.environ.update({name: str(count) for name in _LIMITS})
    os.environ.setdefault(_WAITING, "PASSIVE")
    _chosen = count
    with ExitStack() as stack:
        if "numpy" in sys.modules or "torch" in sys.modules:
            import threadpoolctl

            stack.enter_context(threadpoolctl.threadpool_limits(count))
        if torch := sys.modules.get("torch"):
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(count)
        try:
            yield
        finally:
            _chosen = chosen_before
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS and LAPACK to one thread inside the block, or inside the function that it decorates.

    A product or sum that is split over threads is rounded otherwise than by one, and the number of threads follows from
    how busy the machine is (`choose`): what is written to files would depend on it in the last bits. Other threads of
    this process that enter such a block wait.
    """
    loaded = frozenset(name for name in _WITH_BLAS if name in sys.modules)
    with _limiting, _blas_libraries(loaded).limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _blas_libraries(loaded: frozenset[str]) -> "threadpoolctl.ThreadpoolController":
    """The libraries of this process, listed again when another of _WITH_BLAS has been loaded."""
    # Listing takes a millisecond, setting their threads a few microseconds.
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


def limit_torch(count: int | None = None) -> None:
    """Set torch's threads, and one thread for operators side by side, which no environment variable can.

    Args:
        count: Threads within an operator; None: as `limited` set it. Nothing happens if torch is not imported.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return
    torch.set_num_threads(current() if count is None else count)
    if torch.get_num_interop_threads() != 1:
        # Refused once work has started in this process; threads that have nothing to do sleep.
        with suppress(RuntimeError):
            torch.set_num_interop_threads(1)
