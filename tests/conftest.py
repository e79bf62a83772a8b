# SPDX-License-Identifier: Apache-2.0
"""What several test files share: where the real data lies, and a seeded generator."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start Blender come first: with several processes, none waits at the end for the slowest file."""
    slow = {item.path for item in items if item.get_closest_marker("blender")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real assets and benchmark images beside the repository; tests that need it skip without it."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder of real assets and benchmarks beside the repository (../shared)")
    return folder


@pytest.fixture(scope="module")
def one_process() -> Iterator[None]:
    """`multishade render` in this process, without the start of Ray: for tests that are about what is rendered."""
    from multishade.render import run
    from multishade.render.backends import local

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "load_backend", lambda name: local.render_shards)
        yield


@pytest.fixture
def with_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a module that uses `one_process`: `multishade render` starts Ray after all, for tests that are about it."""
    from multishade.render import backends, run

    monkeypatch.setattr(run, "load_backend", backends.load_backend)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260209)
