# SPDX-License-Identifier: Apache-2.0
"""Debian's Slurm on this machine, in a folder of its own: munge, one controller and one node."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("mungekey", "munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "squeue")
CONF = """
ClusterName=multishade
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SlurmdTimeout=600
ReturnToService=2
KillWait=30
MinJobAge=3600
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=100000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> list[str]:
    """Programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@dataclass
class Slurm:
    """A running Slurm."""

    folder: Path

    def call(self, *words: str) -> str:
        """Run a command of Slurm. Returns what it prints."""
        environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def states(self, job: int) -> dict[str, str]:
        """State of each task of an array (or of a job: "0") that the controller knows."""
        found = {}
        for line in self.call("scontrol", "--oneliner", "show", "job", str(job)).splitlines():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            found[words.get("ArrayTaskId", "0")] = words["JobState"]
        return found

    def wait(
        self, job: int, states: set[str], task: str | None = None, seconds: float = 1500.0
    ) -> dict[str, str]:
        """Wait until a task, or all tasks, are in one of the states."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.states(job)
            chosen = found if task is None else {task: found.get(task, "")}
            if all(state in states for state in chosen.values()):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.5)


@contextmanager
def slurm(folder: Path, cpus: int) -> Iterator[Slurm]:
    """Start munge, controller and node, and end them after the block."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    values = {
        "host": socket.gethostname().split(".")[0],
        "controller": _port(),
        "node": _port(),
        "cpus": cpus,
    }
    (folder / "slurm.conf").write_text(CONF.format(folder=folder, **values))
    folder.chmod(0o755)
    subprocess.run(["mungekey", "--create", f"--keyfile={folder}/munge.key"], check=True)
    munge = [
        "munged",
        "--foreground",
        "--force",
        f"--key-file={folder}/munge.key",
        f"--socket={folder}/munge.socket",
    ]
    munge += [f"--{kind}-file={folder}/munge.{kind}" for kind in ("pid", "log", "seed")]
    with ExitStack() as stack:
        for command in (
            munge,
            ["slurmctld", "-D", "-i", "-f", f"{folder}/slurm.conf"],
            ["slurmd", "-D", "-f", f"{folder}/slurm.conf"],
        ):
            log = stack.enter_context(open(folder / f"{command[0]}.out", "wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(_end, process)
            time.sleep(1)
        running = Slurm(folder)
        deadline = time.monotonic() + 120
        while True:
            try:
                if "idle" in running.call("sinfo", "--noheader", "--format=%T"):
                    break
            except AssertionError:
                pass  # not up yet
            assert time.monotonic() < deadline, (folder / "slurmctld.log").read_text()[-3000:]
            time.sleep(0.5)
        yield running


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
