# SPDX-License-Identifier: Apache-2.0
"""The examples run as they are printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imports import REPOSITORY


@pytest.mark.blender
def test_quickstart_recovers_the_normals_of_a_rendered_object(tmp_path: Path) -> None:
    script = REPOSITORY / "examples" / "quickstart.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "data")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    error = re.search(r"mean angular error (\d+\.\d+) degrees", done.stdout)
    assert error is not None and float(error[1]) < 1
    assert (tmp_path / "data" / "surface.ply").stat().st_size > 10_000
