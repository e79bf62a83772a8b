# SPDX-License-Identifier: Apache-2.0
"""The wheel by itself: installed into a fresh environment, its commands run in an empty folder.

The environment has the wheel's own copy of MultiShade. The packages that it depends on come from the environment that
runs the tests, through a path file, so that nothing is downloaded. tests/test_extras.py tests that they are declared.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
NOT_IN_INFER = (
    *("torch", "diffusers", "transformers", "accelerate", "safetensors", "huggingface_hub", "peft"),
    "tensorboard",
)
SMALL = "camera.width=48 camera.height=48 shards.groups=1 views.count=1 lights.environment.count=0"
# Stands for a Blender binary: runs what follows --python, knowing nothing of the environment's paths.
BINARY = """#!/bin/sh
unset PYTHONPATH
while [ "$1" != --python ]; do shift; done
exec {python} "$2"
"""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """A fresh environment with the wheel, and an empty folder to run in."""

    programs: Path
    folder: Path

    def run(self, *command: str) -> str:
        """Run a program of the environment in the folder -> its standard output; it must exit with 0."""
        bare = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        program = [str(self.programs / command[0]), *command[1:]]
        done = subprocess.run(program, cwd=self.folder, env=bare, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def multishade(self, *arguments: str) -> str:
        return self.run("multishade", *arguments)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in dist/, or one built now."""
    built = sorted((REPOSITORY / "dist").glob("*.whl"))
    if built:
        return built[-1]
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, str(REPOSITORY)], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment that has the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # Path files of that folder are not read, so its editable MultiShade stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, str(wheel)], check=True)
    return python.parent


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Installed:
    return Installed(environment, tmp_path)


def test_the_package_comes_from_the_wheel(installed: Installed) -> None:
    code = "import multishade, blender_scripts; print(multishade.__file__, blender_scripts.__file__)"
    for path in installed.run("python", "-c", code).split():
        assert Path(path).is_relative_to(installed.programs.parent)


def test_recipes_are_listed_and_copied(installed: Installed) -> None:
    assert "demo " in installed.multishade("configs")
    assert "train/rose-tiny " in installed.multishade("configs")
    installed.multishade("configs", "--copy", "multishade-k6", "-o", "mine.yaml")
    assert "6 x lambert" in installed.multishade("plan", "mine.yaml")


def test_a_recipe_is_rendered_by_name_into_an_empty_folder(installed: Installed) -> None:
    settings = [part for setting in SMALL.split() for part in ("--set", setting)]
    installed.multishade("render", "demo", "--shards", "0", "-o", "data/demo", *settings)
    assert "1 sample" in installed.run("multishade-inspect", "data/demo/multishade-000000.tar")
    sources = json.loads((installed.folder / "data/demo/dataset.json").read_text())["plan"]["sources"]
    assert all(Path(path).is_file() for paths in sources.values() for path in paths)


def test_a_blender_binary_finds_its_scripts(installed: Installed) -> None:
    binary = installed.folder / "blender"
    binary.write_text(BINARY.format(python=installed.programs / "python"))
    binary.chmod(0o755)
    settings = [part for setting in SMALL.split() for part in ("--set", setting)]
    settings += ["--set", f"runtime.blender={binary}"]
    installed.multishade("render", "demo", "--shards", "0", "-o", "data/demo", *settings)
    assert (installed.folder / "data/demo/multishade-000000.tar").is_file()


def test_the_bundled_model_infers_normals(installed: Installed) -> None:
    y, x = np.mgrid[-1.2:1.2:96j, -1.2:1.2:96j]
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    grey = (255 * np.clip(0.3 * x - 0.4 * y + 0.8 * z, 0, 1) * (z > 0)).astype(np.uint8)
    Image.fromarray(np.dstack([grey, grey, grey, np.uint8(255 * (z > 0))])).save(
        installed.folder / "photo.png"
    )
    # Only the extra `infer` is there: what the others install is hidden.
    code = f"import sys; sys.modules.update(dict.fromkeys({NOT_IN_INFER})); from multishade.cli import main; "
    code += "raise SystemExit(main(['infer', 'photo.png', '-o', 'out', '--video', 'none']))"
    assert "run by onnxruntime" in installed.run("python", "-c", code)
    assert {"normal_gl.png", "normal.exr", "page.html"} <= {
        path.name for path in (installed.folder / "out").iterdir()
    }
