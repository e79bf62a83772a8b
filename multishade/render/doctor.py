# SPDX-License-Identifier: Apache-2.0
"""This machine -> what it lacks for rendering, each with its remedy. Nothing is changed.

`instant_checks` cost milliseconds and precede every run; `slow_checks` start programs: Blender, the linker, the driver
of the GPU.
"""

import dataclasses
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import psutil

from multishade.config.models import Runtime
from multishade.confine.apply import support
from multishade.errors import MultiShadeError
from multishade.render.backends import MEMORY_PER_WORKER_GIB
from multishade.render.blender.process import BlenderProcess
from multishade.storage.scratch import LEAST_MEMORY_BYTES, MEMORY_FOLDER, ownerless_scratch

GIB = 2**30
LEAST_OUTPUT_BYTES = GIB
LEAST_TEMPORARY_BYTES = GIB
LEAST_FILES = 4096  # Ray opens some hundred for each worker
PACKAGES = (
    "bpy",
    "numpy",
    "OpenEXR",
    "opencv-python-headless",
    "pillow",
    "ray",
    "trimesh",
    "psutil",
    "fsspec",
)
SECONDS = 20.0  # for each program


@dataclasses.dataclass(frozen=True)
class Check:
    """A property of the machine.

    Attributes:
        name: Of the property.
        found: What it is.
        remedy: What to do; empty if nothing is lacking.
    """

    name: str
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is lacking."""
        return not self.remedy

    def line(self) -> str:
        """Return the check as one line of text."""
        return f"{self.name}: {self.found}" + ("" if self.ok else f"; {self.remedy}")


def instant_checks(output: Path | None = None, workers: int = 1) -> list[Check]:
    """Check memory, folders, limits and the clock.

    Args:
        output: Where shards will be written; it and its parents may be missing. None: the current folder.
        workers: How many will run at once on this machine.

    Returns:
        The checks, those in order as well.
    """
    return [
        _memory(workers),
        _shared_memory(workers),
        _room(
            "temporary folder",
            Path(tempfile.gettempdir()),
            LEAST_TEMPORARY_BYTES,
            "set TMPDIR to another folder",
        ),
        _room(
            "output", output or Path.cwd(), LEAST_OUTPUT_BYTES, "free space, or choose another folder with -o"
        ),
        _open_files(),
        _clock(),
    ]


def slow_checks() -> list[Check]:
    """Check what older versions left, packages, system libraries, Landlock, Ray, the GPU and Blender: some seconds."""
    checks: tuple[Callable[[], Check], ...] = (
        _leftovers,
        _packages,
        _libraries,
        _landlock,
        _ray,
        _gpu,
        _blender,
    )
    return [check() for check in checks]


def _memory(workers: int) -> Check:
    available = psutil.virtual_memory().available
    limit = _cgroup_limit()
    found = f"{available / GIB:.1f} GiB available"
    if limit is not None:
        found += f", {limit / GIB:.1f} GiB allowed by the control group"
        available = min(available, limit)
    needed = workers * MEMORY_PER_WORKER_GIB * GIB
    if available >= needed:
        return Check("memory", found)
    fitting = max(1, int(available / (MEMORY_PER_WORKER_GIB * GIB)))
    return Check("memory", found, f"{workers} workers want {needed / GIB:.0f} GiB: use --workers {fitting}")


def _cgroup_limit(file: Path = Path("/sys/fs/cgroup/memory.max")) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _shared_memory(workers: int) -> Check:
    name = str(MEMORY_FOLDER)
    try:
        free = shutil.disk_usage(MEMORY_FOLDER).free
    except OSError:
        return Check(name, "there is none", "buffers go through the temporary folder, which is slower")
    needed = workers * LEAST_MEMORY_BYTES
    found = f"{free / 2**20:.0f} MiB free"
    if free >= needed:
        return Check(name, found)
    return Check(
        name,
        found,
        f"{workers} workers want {needed / 2**20:.0f} MiB: start the container with --shm-size=1g (else the temporary "
        "folder is used, which is slower)",
    )


def _room(name: str, folder: Path, least: int, remedy: str) -> Check:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Check(name, f"{existing}: {error.strerror}", remedy)
    return Check(name, f"{free / GIB:.1f} GiB free in {existing}", "" if free >= least else remedy)


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    remedy = "" if soft >= LEAST_FILES else f"raise it with: ulimit -n {min(hard, 65536)}"
    return Check("open files", f"{soft} allowed", remedy)


def _clock() -> Check:
    """A clock that is years behind makes object stores refuse signatures, and certificates invalid."""
    now, installed = time.clock_gettime(time.CLOCK_REALTIME), Path(__file__).stat().st_mtime
    behind = (installed - now) / 86400
    found = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    remedy = (
        "" if behind < 1 else f"it is {behind:.0f} days before this installation: set it (timedatectl, NTP)"
    )
    return Check("clock", found, remedy)


def _leftovers() -> Check:
    folders = ownerless_scratch()
    if not folders:
        return Check("left behind", "nothing")
    parents = ", ".join(sorted({str(folder.parent) for folder in folders}))
    return Check(
        "left behind",
        f"{len(folders)} folders multishade-*, blender_* of older versions in {parents}",
        "remove them if no run of such a version is on",
    )


def _packages() -> Check:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    remedy = f"install them again: pip install {' '.join(missing)}" if missing else ""
    return Check("packages", ", ".join(found), remedy)


def _libraries() -> Check:
    """Shared libraries that the bpy wheel needs from the system."""
    try:
        files = [str(file.locate()) for file in distribution("bpy").files or () if file.name == "__init__.so"]
    except PackageNotFoundError:
        return Check("system libraries", "there is no bpy", "pip install bpy")
    printed = _run(["ldd", *files[:1]])
    if printed is None:
        return Check("system libraries", "not checked: there is no ldd")
    missing = sorted(
        {line.split()[0] for line in printed.splitlines() if "not found" in line and "=>" in line}
    )
    if not missing:
        return Check("system libraries", "complete")
    return Check("system libraries", f"{', '.join(missing)} missing", "install the packages that hold them")


def _landlock() -> Check:
    found = support()
    name = f"version {found.landlock}" if found.landlock else "none"
    return Check("Landlock", name, found.missing or "")


def _ray() -> Check:
    try:
        return Check("Ray", f"{version('ray')}; every node of a cluster needs this version")
    except PackageNotFoundError:
        return Check("Ray", "there is none", "pip install ray")


def _gpu() -> Check:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    printed = _run(query)
    if printed:
        return Check("GPU", "; ".join(printed.strip().splitlines()))
    if Path("/proc/driver/nvidia/version").exists() or Path("/dev/kfd").exists():
        return Check("GPU", "a driver is loaded, but no GPU answers", "look at: nvidia-smi, rocminfo")
    return Check("GPU", "none; render.device is cpu")


def _blender() -> Check:
    started = time.perf_counter()
    try:
        with BlenderProcess("cpu", Runtime()) as blender:
            name = blender.info.blender
    except MultiShadeError as error:
        return Check("Blender", str(error), "the lines above name what is missing")
    return Check("Blender", f"{name} starts in {time.perf_counter() - started:.1f} s")


def _run(command: Sequence[str]) -> str | None:
    """What a program prints; None if there is no such program or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
