# SPDX-License-Identifier: Apache-2.0
"""JSON Schema for editors accepts what the loader accepts and refuses what it refuses; origins of settings are true."""

from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import yaml

from multishade.config import Config, recipes
from multishade.config.load import effective_settings, load_settings
from multishade.config.schema import editor_schema, sections_of, task_schema
from multishade.models.base import ModelSettings
from multishade.training.config import TrainConfig
from multishade.training.tasks import DEFAULT, settings_types
from multishade.training.tasks.rose import RoseConfig


def schema_of(recipe: recipes.Recipe) -> dict[str, Any]:
    if recipe.name.startswith(recipes.TRAIN):
        return task_schema(settings_types(), DEFAULT, "title")
    return editor_schema(Config, "title")


@pytest.mark.parametrize("recipe", recipes.list_recipes(), ids=lambda recipe: recipe.name)
def test_shipped_recipes_satisfy_their_schema_and_name_it(recipe: recipes.Recipe) -> None:
    jsonschema.validate(yaml.safe_load(recipe.path.read_text()), schema_of(recipe))
    line = recipe.path.read_text().splitlines()[1]
    prefix = "# yaml-language-server: $schema="
    assert line.startswith(prefix)
    kind = "train" if recipe.name.startswith(recipes.TRAIN) else "recipe"
    assert (recipe.path.parent / line.removeprefix(prefix)).resolve().name == f"{kind}.json"
    assert (recipe.path.parent / line.removeprefix(prefix)).is_file()


@pytest.mark.parametrize(
    "changed",
    [
        {"views": {"cuont": 2}},
        {"views": {"count": 0}},
        {"camera": {"distance": [1.5, 1.6, 1.7]}},
        {"shading": {"mode": "phong"}},
        {"sources": {"objects": 3}},
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(changed: dict[str, Any]) -> None:
    recipe = {"extends": "demo.yaml", **changed}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(recipe, editor_schema(Config, "title"))


def test_a_recipe_needs_a_name_unless_it_extends_another() -> None:
    schema = editor_schema(Config, "title")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"seed": 1}, schema)
    jsonschema.validate({"extends": "demo.yaml", "seed": 1}, schema)
    jsonschema.validate({"name": "mine", "sources": {"objects": "mine.jsonl"}, "light_basis": True}, schema)


def test_the_task_of_a_training_run_decides_its_settings() -> None:
    class Other(TrainConfig):
        task: Literal["other"] = "other"
        model: ModelSettings
        depth: int = 3

    schema = task_schema({"rose": RoseConfig, "other": Other}, "rose", "title")
    shared = {"name": "mine", "data": {"train": ["a"], "val": ["b"]}}
    jsonschema.validate({**shared, "task": "other", "model": {"size": 64}, "depth": 2}, schema)
    jsonschema.validate({**shared, "model": {"preset": "channels-tiny", "lights": 6}}, schema)
    for wrong in (
        {**shared, "task": "other", "model": {"lights": 6}},
        {**shared, "model": {"preset": "channels-tiny"}, "depth": 2},
        {**shared, "task": "third", "model": {}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_the_reference_has_each_setting_of_a_configuration_once() -> None:
    config = load_settings("demo", Config, ["light_basis=true"])
    listed = [setting.name for section in sections_of(Config) for setting in section.settings]
    assert len(listed) == len(set(listed))
    in_effect = effective_settings("demo", Config, ["light_basis=true"])
    assert {setting.name for setting in in_effect} == set(listed) - {"light_basis"}
    assert config.light_basis is not None


def test_units_ranges_and_defaults_are_those_of_the_model() -> None:
    settings = {each.name: each for section in sections_of(Config) for each in section.settings}
    focal = settings["camera.focal_mm"]
    assert (focal.unit, focal.range, focal.default) == ("mm", "number, above 0", "35")
    strength = settings["lights.point.strength"]
    assert (strength.unit, strength.range, strength.default) == (
        "W/m^2",
        "two numbers, above 0",
        "[2, 6]",
    )
    assert settings["split"].range == "train, val, test"
    assert settings["render.quality.psnr"].range == "number, 20 to 60 or null"
    assert settings["name"].default == ""


def test_each_value_has_the_line_the_option_or_the_default_as_its_origin(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: shipped:configs/demo.yaml\nname: mine\nviews:\n  count: 3\nlight_basis: true\n")
    found = effective_settings(mine, Config, ["camera={width: 64}", "seed=5", "seed=6"])
    origins = {setting.name: (setting.value, setting.origin) for setting in found}
    demo = recipes.find_recipe("demo")
    assert origins["name"] == ("mine", f"{mine}:2")
    assert origins["views.count"] == (3, f"{mine}:4")
    line = 1 + demo.read_text().splitlines().index("objects: {rotation: yaw}")
    assert origins["objects.rotation"] == ("yaw", f"{demo}:{line}")
    assert origins["camera.width"] == (64, "--set camera={width: 64}")
    assert origins["camera.height"] == (576, "default")  # --set replaced the section of demo.yaml
    assert origins["seed"] == (6, "--set seed=6")
    assert origins["light_basis.count"] == (16, "default")
