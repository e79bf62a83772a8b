# SPDX-License-Identifier: Apache-2.0
"""The examples run as they are printed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.imports import REPOSITORY
from tests.support.synthetic import make_sample, write_synthetic_shard


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


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_javascript_reader_agrees_with_ours(tmp_path: Path) -> None:
    sample = make_sample("s000000-g0000-v0", size=37)
    write_synthetic_shard(tmp_path / "multishade-000000.tar", [sample])
    command = ["node", str(REPOSITORY / "examples" / "reader.mjs"), str(tmp_path), sample.key]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["object"] == "sphere" and found["size"] == [37, 37]
    assert found["normal"] == pytest.approx(sample.normal[18, 18].tolist(), abs=1e-3)
    assert found["pixels"] == np.count_nonzero(sample.mask)
    assert found["nearest"] == pytest.approx(float(sample.depth.min()), rel=1e-6)
