# SPDX-License-Identifier: Apache-2.0
"""`dummy_blender` as a program in Blender's place, failing once, and in the place of `BlenderProcess`."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from multishade.config.models import Runtime
from multishade.errors import AssetError, RenderFailed
from multishade.protocol import messages
from multishade.render.blender import process
from multishade.render.copies import CopyTask, copy_here
from multishade.storage.scratch import make_scratch, remove_scratch
from tests.support.dummy_blender import Child

CHILD = Path(__file__).with_name("dummy_blender.py")
LOADED: list[str] = []  # the groups that a DummyProcess was asked for


def dummy_blender(folder: Path) -> Path:
    """Write the program.

    It is confined as Blender is, and may read no test and run nothing but what lies beside it: so it has the text of
    the child, and a copy of this interpreter. Its path in the command line tells it from the processes of others.
    """
    interpreter, program = folder / "python", folder / "dummy-blender"
    if not interpreter.exists():
        shutil.copy(Path(sys.executable).resolve(), interpreter)
    packages = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    program.write_text(f"#!{interpreter}\nimport sys\n\nsys.path += {packages}\n{CHILD.read_text()}")
    program.chmod(0o755)
    return program


@contextmanager
def failing_once(fault: str) -> Iterator[list[object]]:
    """Let the first child that starts inside the block fail so, and no other; the list gets each child's start."""
    starts: list[object] = []
    real = process.start_blender

    def start(*arguments: Any) -> Any:
        starts.append(arguments)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DUMMY_BLENDER", fault if len(starts) == 1 else "")
            return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "start_blender", start)
        yield starts


class DummyProcess:
    """The same in this process, in the place of `BlenderProcess`: for tests of all that lies around Blender."""

    output = ()

    def __init__(self, device: str, runtime: Runtime, threads: int = 1, assets: Any = None) -> None:
        self.assets = assets
        self.folder = make_scratch()
        self._child = Child(os.environ.get("DUMMY_BLENDER", ""))
        self.info = self.request(messages.Handshake(device))

    last_request = ""

    def request(self, request: Any, seconds: float | None = None) -> Any:
        if isinstance(request, messages.Load):
            LOADED.append(request.group.key)
        self.last_request = messages.name_of(request)
        answer = self._child.answer(request)
        if isinstance(answer, messages.Failed):
            raise AssetError(answer.error) if answer.kind == "asset" else RenderFailed(answer.error)
        return answer

    def copy(self, task: CopyTask) -> str:
        return copy_here(task)

    def cpu_seconds(self) -> float:
        return 0.0

    def close(self) -> None:
        remove_scratch(self.folder)
