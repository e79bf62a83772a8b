# SPDX-License-Identifier: Apache-2.0
"""`pip install --editable`: the package is found from a folder that holds a clone called `multishade`."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
BUILD = "import sys; from setuptools.build_meta import build_editable; print(build_editable(sys.argv[1]))"
# -S: without the packages of this environment, in which MultiShade is installed already.
SCRIPT = """
import importlib.util, site, sys
site.addsitedir(sys.argv[1])
import multishade
print(multishade.__file__, importlib.util.find_spec("multishade.data").origin)
"""


def test_a_script_beside_the_clone_imports_the_package(tmp_path: Path) -> None:
    clone = tmp_path / "multishade"
    for folder in ("multishade", "blender_scripts"):
        shutil.copytree(
            REPOSITORY / folder, clone / folder, ignore=shutil.ignore_patterns("__pycache__", "weights")
        )
    for file in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / file, clone)
    (clone / "data").mkdir()  # rendered shards; it was taken for the package multishade.data
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path)], cwd=clone, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(script), str(tmp_path / "site")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    package = clone / "multishade"
    assert done.stdout.split() == [str(package / "__init__.py"), str(package / "data" / "__init__.py")], (
        done.stderr
    )
