# SPDX-License-Identifier: Apache-2.0
"""A copy has the pixels that Blender would read of the file itself: copying changes who decodes it, nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COPIED = (".hdr", ".exr", ".tif", ".tiff", ".webp", ".tga", ".bmp")

pytestmark = pytest.mark.blender


def compared(folder: Path, files: list[Path]) -> dict[str, dict]:
    command = [sys.executable, "-m", "tests.support.image_copies", str(folder), *map(str, files)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = [json.loads(line) for line in printed.splitlines() if line.startswith('{"name"')]
    return {each["name"]: each for each in found}


def test_copies_of_every_format_have_the_pixels_that_blender_reads(tmp_path: Path) -> None:
    found = compared(tmp_path, [])
    assert len(found) == 24
    assert [each for each in found.values() if not each["equal"]] == []


@pytest.mark.slow
def test_copies_of_real_files_have_the_pixels_that_blender_reads(tmp_path: Path, shared_dir: Path) -> None:
    files = [
        path
        for path in sorted((shared_dir / "assets").rglob("*"))
        if path.suffix.lower() in COPIED and "broken" not in path.parts
    ]
    found = compared(tmp_path, files)
    assert len(found) > 40
    assert [each for each in found.values() if not each["equal"]] == []
