# SPDX-License-Identifier: Apache-2.0
"""Small data sets to break and to finish, what they leave behind, and the figures that the harness collects."""

import hashlib
import json
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from multishade.config import load_config
from multishade.render.plan import Plan, make_plan
from multishade.storage.owner import owner_in, this_process
from multishade.storage.scratch import scratch_folders
from tests.support.dummy_process import DummyProcess, dummy_blender

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
OBJECTS = 6
PATIENCE = 1800.0  # seconds until a run hangs for sure, on a busy machine, too: Ray starts in minutes there


def recipe(folder: Path, *more: str, groups: int = 3, shards: int = 2) -> list[str]:
    """Overrides of the demo: dummy Blender, images of 16 pixels, one view a group."""
    manifest = folder / "objects.jsonl"
    manifest.write_text(
        "".join(
            json.dumps(
                {
                    "id": f"monkey-{number}",
                    "source": "blender",
                    "location": "monkey",
                    "family": "monkey",
                    "licence": "CC0-1.0",
                    "split": "train",
                }
            )
            + "\n"
            for number in range(OBJECTS)
        )
    )
    return [
        f"sources.objects={manifest}",
        "camera={width: 16, height: 16}",
        f"shards={{groups: {groups}, count: {shards}}}",
        "views={count: 1, canonical: [front]}",
        "lights.point.count=0",
        "lights.environment.count=0",
        "shading.count=3",
        f"runtime.blender={dummy_blender(folder)}",
        *more,
    ]


def plan_of(folder: Path, *more: str, groups: int = 3, shards: int = 2) -> Plan:
    return make_plan(load_config(DEMO, recipe(folder, *more, groups=groups, shards=shards)))


@contextmanager
def without_processes() -> Iterator[None]:
    """Render inside this process: for what lies around Blender, hundreds of times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multishade.render.group_renderer.BlenderProcess", DummyProcess)
        yield


@contextmanager
def mounted(place: Path, kib: int) -> Iterator[Path]:
    """A file system in memory of this size, if this user may mount one."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every tar."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.tar"))}


def left_behind(output: Path, folder: Path) -> list[str]:
    """What a finished run must not leave: hidden files in its output, processes, temporary folders."""
    found = [f"file {path}" for path in output.rglob("*") if any(part.startswith(".") for part in path.parts)]
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or ())
        ended = process.info["status"] == psutil.STATUS_ZOMBIE
        if str(folder) in command and process.pid != this_process().pid and not ended:
            found.append(f"process {process.pid} {command}")
    for scratch in scratch_folders():
        owner = owner_in(scratch.name)
        if owner is not None and (owner.dead or owner == this_process()):
            found.append(f"folder {scratch}")
    return found


@dataclass
class Figures:
    """What `make test-faults` did: faults by kind, seconds, peak memory."""

    faults: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.perf_counter)
    recovery: dict[str, float] = field(default_factory=dict)  # what -> seconds until the error or the end

    def lines(self) -> list[str]:
        """The figures as rows of a table."""
        rows = [f"| {what} | {count} |" for what, count in sorted(self.faults.items())]
        peak = max(
            resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        seconds = time.perf_counter() - self.started
        return [
            "| fault | times |",
            "| --- | --- |",
            *rows,
            f"| **all** | **{sum(self.faults.values())}** |",
            "",
            f"{seconds:.0f} seconds; the largest process had {peak / 2**10:.0f} MiB.",
            *(f"{what}: {seconds:.1f} seconds." for what, seconds in sorted(self.recovery.items())),
        ]


FIGURES = Figures()
