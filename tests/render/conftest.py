# SPDX-License-Identifier: Apache-2.0
"""One Blender process for a module's tests, and the rendering of a mesh file by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from multishade.config import models
from multishade.protocol.scene import Light, ObjectSource
from multishade.render.blender import BlenderProcess, RenderedView
from tests.render.test_truth import render
from tests.support.scenes import ANY_FILE
from tests.support.shown import LAMP, SEEN_BY, Show


@pytest.fixture(scope="module")
def child() -> Iterator[BlenderProcess]:
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as running:
        yield running


@pytest.fixture
def show(child: BlenderProcess) -> Show:
    def rendered(path: Path, lights: tuple[Light, ...] = (), **changes: object) -> RenderedView:
        source = ObjectSource("file", str(path), **changes)  # type: ignore[arg-type]
        return render(child, source, SEEN_BY, lights or LAMP, mode="lambert", samples=1)

    return rendered
