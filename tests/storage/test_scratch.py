# SPDX-License-Identifier: Apache-2.0
"""Temporary folders name their owner: those of the dead go, those of the living, of strangers and of nobody stay."""

import subprocess
import sys
from pathlib import Path

import pytest

from multishade.storage import owner, scratch
from multishade.storage.owner import Owner, owner_in, this_process
from multishade.storage.scratch import make_scratch, remove_scratch, sweep_scratch


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of the test alone, in the place of /dev/shm and the temporary folder."""
    monkeypatch.setattr(scratch, "MEMORY_FOLDER", tmp_path / "memory")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "memory").mkdir()
    return tmp_path


def made_by(name: str, parent: Path) -> Path:
    folder = parent / f"multishade-{name}-abcd1234"
    folder.mkdir()
    (folder / "render.exr").write_bytes(b"data")
    return folder


def ended_process() -> Owner:
    code = "from multishade.storage.owner import this_process; print(this_process())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    found = owner_in(printed)
    assert found is not None
    return found


def test_an_owner_is_read_from_a_name() -> None:
    me = this_process()
    assert owner_in(f"multishade-{me}-x_1") == me == owner_in(f".a.tar.{me}-00ff.partial")
    assert owner_in("multishade-ab12cd34") is None and owner_in(".a.tar.0011aabb.partial") is None
    assert not me.dead and me.here


def test_a_number_that_is_used_again_is_another_process() -> None:
    me = this_process()
    assert Owner(me.machine, me.pid, "1").dead
    assert not Owner("00000000", me.pid, "1").dead  # nobody here can tell


def test_only_folders_of_the_dead_are_swept(places: Path) -> None:
    dead = ended_process()
    mine = make_scratch()
    assert mine.parent == places / "memory"
    stay = [
        mine,
        made_by(str(Owner("00000000", dead.pid, dead.started)), places),
        places / "multishade-ownerless",
        places / "something-else",
    ]
    for folder in stay[2:]:
        folder.mkdir()
    gone = [made_by(str(dead), places), made_by(str(dead), places / "memory")]
    link = places / f"multishade-{dead}-link0000"
    link.symlink_to(places / "something-else")
    assert sorted(sweep_scratch()) == sorted(gone)
    assert all(folder.is_dir() for folder in stay) and link.is_symlink()
    assert scratch.ownerless_scratch() == [places / "multishade-ownerless"]
    remove_scratch(mine)
    assert not mine.exists()


def test_a_zombie_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = owner._started(child.pid)
    assert started is not None
    found = Owner(this_process().machine, child.pid, started)
    assert not found.dead
    child.kill()
    child.wait()
    assert found.dead


def test_a_small_memory_folder_is_passed_over(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LEAST_MEMORY_BYTES", 2**60)
    folder = make_scratch()
    assert folder.parent == places
    remove_scratch(folder)
