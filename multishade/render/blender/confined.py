# SPDX-License-Identifier: Apache-2.0
"""A folder to exchange files in, and the files of assets -> the box of a Blender process; groups -> their files."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from multishade.assets.schema import ObjectRow, Row
from multishade.config.models import Runtime
from multishade.confine.box import Box, with_python
from multishade.render.plan import PlannedGroup

OPEN_FILES = 4096
HEADROOM = (
    1.5  # memory that Blender may have, over `runtime.memory_gib`: what grows slowly is ended by name before
)
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
    return with_python(box).reading((*own, *assets.read), assets.names)


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
