# SPDX-License-Identifier: Apache-2.0
"""docs/add-a-model.md: the package that the page prints is installed, trained, resumed and used, as the page says."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from multishade.errors import ConfigError, ModelError
from multishade.models import load_model, registry
from multishade.models.base import Inputs
from multishade.training import state, tasks
from multishade.training.trainer import train
from tests.support.imports import REPOSITORY
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.training_runs import quiet
from tests.test_snippets import add_photo, add_programs

PAGE = (REPOSITORY / "docs" / "add-a-model.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^<!-- file (\S+) -->\n```\w*\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^<!-- commands -->\n```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's files, two shards of bumpy spheres, and the package installed into site/."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for shard in range(2):
        samples = [
            make_sample(
                f"s{shard:06d}-g{view:04d}-v0",
                size=48,
                bump=0.1 * view,
                kind=("perspective", "orthographic")[view % 2],
            )
            for view in range(4)
        ]
        tar = folder / "data" / "demo" / f"multishade-{shard:06d}.tar"
        tar.parent.mkdir(parents=True, exist_ok=True)
        write_synthetic_shard(tar, samples)
    add_photo(folder)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    ]
    done = subprocess.run(
        [*pip, "--target", "site", "./tiny-depth"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(place / "site"))
    monkeypatch.chdir(place)
    importlib.invalidate_caches()
    yield place
    for name in [name for name in sys.modules if name.partition(".")[0] == "tiny_depth"]:
        del sys.modules[name]


def test_the_page_has_what_it_promises() -> None:
    expected = ["pyproject.toml", "tiny_depth/model.py", "tiny_depth/task.py"]
    assert list(FILES) == [*(f"tiny-depth/{name}" for name in expected), "tiny-depth.yaml"]
    assert len(COMMANDS) == 1


@pytest.mark.timeout(3000)  # five programs one after the other
def test_its_commands_train_resume_infer_and_evaluate(place: Path) -> None:
    programs = add_programs(place)
    programs["PYTHONPATH"] += f":{place / 'site'}"
    install, *rest = COMMANDS[0].splitlines()
    assert install == "pip install -e tiny-depth"  # done by the fixture, into a folder of the test's own
    said = []
    for command in rest:
        done = subprocess.run(
            ["bash", "-eu", "-c", command], cwd=place, env=programs, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        said.append(done.stdout)
    assert "planned with 60 steps, now 120" in said[1] and "steps 61 to 120" in said[1]
    run = place / "out" / "train" / "tiny-depth"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    measured = [row for row in lines if "val/mean_angle" in row]
    assert [row["step"] for row in measured] == [60, 120]
    assert measured[-1]["val/mean_angle"] < 0.6 * measured[-1]["val/constant_angle"]
    assert measured[-1]["val/relief_error"] < 0.5 * measured[-1]["val/flat_error"]
    normal = np.asarray(Image.open(next((place / "out" / "photo").glob("*normal*.png"))))
    assert normal.shape[:2] == (64, 64)
    summary = (place / "out" / "measured" / "summary.md").read_text()
    assert "tiny-depth" in summary and "constant" in summary


def test_a_killed_run_makes_the_steps_that_it_would_have_made(installed: Path, tmp_path: Path) -> None:
    def run(name: str, **options: Any) -> Path:
        short = ["optimisation.steps=4", "checkpoints.every=2", f"output={tmp_path / name}"]
        return train("tiny-depth.yaml", overrides=short, report=quiet, **options)

    def stop(step: int, values: Any) -> None:
        if step == 3:
            raise KeyboardInterrupt

    run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("killed", on_step=stop)
    run("killed", resume=True)
    whole, resumed = (
        load_model(state.listed(tmp_path / name)[-1]).networks()["network"].state_dict()
        for name in ("whole", "killed")
    )
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


def test_it_is_a_model_like_any_other(installed: Path, tmp_path: Path) -> None:
    task = tasks.task_class("tiny-depth")(tasks.load_config("tiny-depth.yaml"))
    model = task.build()
    model.save_pretrained(tmp_path)
    assert registry.model_name(tmp_path) == "tiny-depth"
    again = load_model(tmp_path)
    image = torch.rand(2, 3, 32, 32)
    first, second = (each.predict(Inputs(image=image)).normal for each in (model, again))
    assert first is not None and second is not None
    torch.testing.assert_close(first, second)
    with pytest.raises(ModelError, match=r"an image of shape \(2, 3, 30, 32\); tiny-depth takes"):
        again.predict(Inputs(image=image[:, :, 1:-1]))
    with pytest.raises(ModelError, match="this model needs the input 'image', which is missing"):
        again.predict(Inputs())
    assert "tiny-depth" in tasks.settings_types(installed=True)
    assert "tiny-depth" not in tasks.settings_types()


def test_without_the_package_its_names_are_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no task 'tiny-depth'; there are rose"):
        tasks.task_class("tiny-depth")
    with pytest.raises(ModelError, match="no model 'tiny-depth'; there are rose"):
        registry.model_class("tiny-depth")


def test_a_name_that_two_packages_register_is_an_error(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.MODELS, "tiny-depth", "multishade.models.rose.model:RoSE")
    with pytest.raises(ModelError, match="packages multishade and tiny-depth both register 'tiny-depth'"):
        registry.model_names()


def test_what_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODELS, "lost", "multishade.models.lost:Lost")
    with pytest.raises(ModelError, match="lost: is registered as .*no module multishade.models.lost"):
        registry.model_class("lost")
    monkeypatch.setitem(registry.MODELS, "lost", "multishade.models.base:Lost")
    with pytest.raises(ModelError, match="lost: is registered as .*cannot be loaded"):
        registry.model_class("lost")
