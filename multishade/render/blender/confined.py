# SPDX-License-Identifier: Apache-2.0
"""A folder to exchange files in, and the files of assets -> a Blender process in its box; groups -> their files."""

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from multishade.assets.schema import ObjectRow, Row
from multishade.config.models import Runtime
from multishade.confine.apply import say_what_is_missing
from multishade.confine.box import Box, with_python
from multishade.confine.launch import confined
from multishade.errors import BlenderCrashed
from multishade.render.plan import PlannedGroup

REPOSITORY = Path(__file__).resolve().parents[3]
OPEN_FILES = 4096
HEADROOM = (
    1.5  # memory that Blender may have, over `runtime.memory_gib`: what grows slowly is ended by name before
)
# Where Cycles (its own kernels, below XDG_CACHE_HOME/cycles), OptiX and CUDA keep what they compile.
_KERNEL_FOLDERS = {"XDG_CACHE_HOME": "", "OPTIX_CACHE_PATH": "optix", "CUDA_CACHE_PATH": "cuda"}
WRITTEN_BYTES = 16 << 30  # of one file


def blender_box(folder: Path, device: str, runtime: Runtime, assets: "AssetFiles") -> Box:
    """Describe what a Blender process may touch.

    Args:
        folder: The folder that it writes to.
        device: The render device; drivers of graphics cards reserve memory that nothing uses, so that only the size of
            what is in use is limited there.
        runtime: Limits, and the binary.
        assets: The files that it reads.

    Returns:
        The box, with the interpreter, the libraries, and this program's code.
    """
    own: list[str] = []
    if runtime.blender is not None and (found := shutil.which(runtime.blender)) is not None:
        own = [os.path.dirname(os.path.abspath(found)), os.path.dirname(os.path.realpath(found))]
    box = Box(
        scratch=str(folder),
        gpu=device != "cpu",
        data_bytes=int(runtime.memory_gib * HEADROOM * 2**30) if device == "cpu" else None,
        open_files=OPEN_FILES,
        file_bytes=WRITTEN_BYTES,
    )
    if box.gpu:
        kernels = kernel_cache()
        kernels.mkdir(parents=True, exist_ok=True)
        box = dataclasses.replace(box, caches=(str(kernels),))
    return with_python(box).reading((*own, *assets.read), assets.names)


def kernel_cache() -> Path:
    """Return the folder in which this machine keeps GPU kernels, so that they are compiled once: MULTISHADE_KERNELS."""
    return Path(os.environ.get("MULTISHADE_KERNELS") or "~/.cache/multishade/kernels").expanduser().absolute()


class AssetFiles:
    """The files of assets that Blender may read.

    Attributes:
        read: Files, and the folders of those assets of which only Blender can tell what they need.
        names: Folders whose names importers list.
    """

    def __init__(
        self, groups: Iterable[PlannedGroup] = (), rows: Iterable[Row] = (), paths: Iterable[str | Path] = ()
    ) -> None:
        """Collect the files of planned groups and of rows, and further files and folders."""
        self.read: set[str] = {os.path.abspath(path) for path in paths}
        self.names: set[str] = set()
        for row in rows:
            self._add(row)
        for group in groups:
            self._add_group(group)

    def covers(self, other: "AssetFiles") -> bool:
        """Whether everything in `other` may be read."""
        return other.read <= self.read and other.names <= self.names

    def _add_group(self, group: PlannedGroup) -> None:
        used = {light.environment for view in group.views for light in view.lights}
        used |= {
            view.sequence.ambient.environment for view in group.views if view.sequence.ambient is not None
        }
        named = [row for row in group.environments if row.in_files and str(row.path) in used]
        for row in (group.object, *([group.material] if group.material else []), *named):
            self._add(row)

    def _add(self, row: Row) -> None:
        if not row.in_files:
            return
        folder, names = row.members()
        if isinstance(row, ObjectRow) and not row.lists_all_files:
            self.read.add(str(row.root_folder))
        self.read |= {os.path.normpath(folder / name) for name in names}
        self.names |= {os.path.dirname(os.path.normpath(folder / name)) for name in names}


def start_blender(runtime: Runtime, box: Box) -> subprocess.Popen[str]:
    """Start Blender in a box, with pipes to its streams. Raises BlenderCrashed if there is no such program."""
    say_what_is_missing()
    if runtime.blender is None:
        command = [sys.executable, "-m", "blender_scripts.server"]
    else:
        script = REPOSITORY / "blender_scripts" / "server.py"
        found = shutil.which(runtime.blender)
        if found is None:
            raise BlenderCrashed(f"{runtime.blender}: Blender cannot be started: there is no such program")
        command = [
            os.path.abspath(found),
            "--background",
            "--factory-startup",
            "--disable-autoexec",
            "--python",
            str(script),
        ]
    # A fixed hash seed, since importers written in Python iterate over sets.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
    # Blender's own temporary files go with the folder, also if it is killed.
    temporary = os.path.join(box.scratch, "tmp")
    os.mkdir(temporary)
    environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary)
    environment["BLENDER_USER_RESOURCES"] = box.scratch  # no add-ons and settings of this user
    for name, folder in _KERNEL_FOLDERS.items() if box.caches else ():
        environment[name] = os.path.join(box.caches[0], folder)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    try:
        return subprocess.Popen(
            confined(command, box),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise BlenderCrashed(f"{command[0]}: Blender cannot be started: {error.strerror}") from error
