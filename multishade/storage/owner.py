# SPDX-License-Identifier: Apache-2.0
"""A process <-> a short text for the names of its temporary files, and whether that process still runs.

A process number alone says little: it is used again, on other machines, and in other containers that share a folder.
The text holds the machine (its name and namespace of process numbers), the number, and when it started.
"""

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

PATTERN = r"(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<started>[0-9a-f]+)"
_ENDED = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


@dataclass(frozen=True)
class Owner:
    """A process. `str` gives its text, which `PATTERN` matches.

    Attributes:
        machine: Digest of the machine's name and the namespace of its process numbers.
        pid: Its number.
        started: When it started: the boot, and the time since.
    """

    machine: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.machine}-{self.pid}-{self.started}"

    @property
    def here(self) -> bool:
        """Whether it belongs to this machine: only then this process can tell whether it runs."""
        return self.machine == _machine()

    @property
    def dead(self) -> bool:
        """Whether it has ended for sure: never of another machine's processes."""
        return self.here and _started(self.pid) != self.started


def this_process() -> Owner:
    """Return the process that calls."""
    pid = os.getpid()
    return Owner(_machine(), pid, _started(pid) or "0")


def owner_in(name: str) -> Owner | None:
    """Find the owner in the name of a file or folder; None if it carries none."""
    match = re.search(rf"(?<![0-9a-f]){PATTERN}(?![0-9a-f])", name)
    return None if match is None else Owner(match["machine"], int(match["pid"]), match["started"])


@cache
def _machine() -> str:
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""  # not Linux
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:4]
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process started, in hexadecimal digits; None if there is none, or one that has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() in _ENDED:
            return None
        # Since the boot, where the system tells: dates shift when a clock is set.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{_boot()}{int(fields[19]):x}"
    except psutil.Error:
        return None
    except OSError:
        return f"{int(process.create_time()):x}" if psutil.pid_exists(pid) else None
