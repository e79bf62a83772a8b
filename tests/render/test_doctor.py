# SPDX-License-Identifier: Apache-2.0
"""What a machine lacks is said with its remedy."""

import resource
import shutil
import time
from collections import namedtuple
from pathlib import Path

import pytest

from multishade.render import doctor

Usage = namedtuple("Usage", "total used free")


def names_lacking(**options: object) -> dict[str, str]:
    return {check.name: check.line() for check in doctor.instant_checks(**options) if not check.ok}  # type: ignore[arg-type]


def test_a_full_disk_and_a_small_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**31, 2**31, 2 * 2**20))
    lacking = names_lacking(output=tmp_path / "not" / "yet", workers=4)
    assert {"/dev/shm", "temporary folder", "output"} <= set(lacking)
    assert "2 MiB free; 4 workers want 256 MiB: start the container with --shm-size=1g" in lacking["/dev/shm"]
    assert f"0.0 GiB free in {tmp_path}; free space, or choose another folder with -o" in lacking["output"]


def test_too_many_workers_for_the_memory() -> None:
    (memory,) = (check for check in doctor.instant_checks(workers=100_000) if check.name == "memory")
    assert "use --workers " in memory.remedy
    assert [check.ok for check in doctor.instant_checks(workers=0) if check.name == "memory"] == [True]


def test_a_limit_of_the_control_group_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert doctor._cgroup_limit(tmp_path / "memory.max") == 2**30
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor._cgroup_limit(tmp_path / "memory.max") is None
    assert doctor._cgroup_limit(tmp_path / "none") is None


def test_few_open_files_and_a_clock_that_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024, 8192))
    monkeypatch.setattr(time, "clock_gettime", lambda clock: 0.0)
    lacking = names_lacking(workers=0)
    assert "raise it with: ulimit -n 8192" in lacking["open files"]
    assert "1970-01-01 00:00 UTC; it is " in lacking["clock"] and "set it" in lacking["clock"]


def test_packages_libraries_and_the_kernel_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    assert "pip install no-such-package" in doctor._packages().remedy
    monkeypatch.setattr(
        doctor, "_run", lambda command: "\tlibXi.so.6 => not found\n\tlibc.so.6 => /lib (0x7)\n"
    )
    assert doctor._libraries().found == "libXi.so.6 missing"
    monkeypatch.setattr(doctor, "_run", lambda command: "H100, 570.1, 81559 MiB\n")
    assert doctor._gpu() == doctor.Check("GPU", "H100, 570.1, 81559 MiB")
    assert doctor._landlock().name == "Landlock"
