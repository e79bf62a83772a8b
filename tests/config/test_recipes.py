# SPDX-License-Identifier: Apache-2.0
"""Shipped recipes: found by short name or path, and still the same data set when copied to be edited."""

from pathlib import Path

import pytest

from multishade.config import load_config, load_settings, recipes
from multishade.errors import ConfigError
from multishade.training import tasks
from multishade.training.tasks.rose import RoseConfig

NAMES = [recipe.name for recipe in recipes.list_recipes()]
DATA_SETS = [name for name in NAMES if not name.startswith("train/")]


def resolved(config: object) -> object:
    """A configuration as plain values, the manifests' paths normalised."""
    values = config.model_dump()  # type: ignore[attr-defined]
    if "sources" in values:
        values["sources"] = {
            kind: [str(Path(path).resolve()) for path in paths] for kind, paths in values["sources"].items()
        }
    return values


def test_a_name_means_the_same_as_its_path() -> None:
    assert load_config("demo") == load_config(recipes.shipped_folder() / "configs" / "demo.yaml")


def test_recipes_of_training_need_no_prefix() -> None:
    assert recipes.find_recipe("rose-tiny", recipes.TRAIN) == recipes.find_recipe("train/rose-tiny")
    assert recipes.find_recipe("rose-tiny") == recipes.find_recipe("train/rose-tiny")


def test_a_name_of_both_kinds_is_the_one_that_the_command_takes() -> None:
    assert recipes.find_recipe("bundled").parent.name == "configs"
    assert recipes.find_recipe("bundled", recipes.TRAIN).parent.name == "train"


def test_an_existing_file_wins_over_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").write_text(
        "name: mine\nsources: {objects: o.jsonl}\nmaterials: {own: 1, metallic: 0, non_metallic: 0}"
    )
    assert recipes.find_recipe("demo") == Path("demo")


def test_an_unknown_name_gets_the_closest_ones() -> None:
    with pytest.raises(ConfigError, match=r"multishade-k9: neither a file .* did you mean multishade-k6 or"):
        load_config("multishade-k9")
    with pytest.raises(ConfigError, match="rose-tyni: neither .* did you mean rose-tiny"):
        load_settings("rose-tyni", RoseConfig, kind=recipes.TRAIN)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_has_one_sentence_that_describes_it(name: str) -> None:
    (summary,) = [recipe.summary for recipe in recipes.list_recipes() if recipe.name == name]
    assert summary[0].isupper() and summary.endswith(".") and 20 < len(summary) < 130


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_in_any_folder_means_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Manifests that are yet to be made are looked for below the current folder, as in a checkout.
    monkeypatch.chdir(recipes.shipped_folder())
    copy = tmp_path / "below" / "mine.yaml"
    copy.parent.mkdir()
    copy.write_text(recipes.copy_of_recipe(name, copy))
    if name in DATA_SETS:
        assert resolved(load_config(copy)) == resolved(load_config(name))
    else:
        assert tasks.load_config(copy) == tasks.load_config(recipes.find_recipe(name))


def test_a_copy_keeps_the_comments_and_names_no_folder_of_this_machine() -> None:
    for name in NAMES:
        text = recipes.copy_of_recipe(name, Path("mine.yaml"))
        assert text.startswith("# SPDX-License-Identifier")
        assert "../" not in text and str(recipes.shipped_folder()) not in text


def test_shipped_manifests_can_be_named_from_any_configuration(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: shipped:configs/demo.yaml\nname: mine\n")
    config = load_config(mine, ["sources.materials=shipped:assets_manifest/materials.jsonl"])
    assert config.sources.materials == (
        str(recipes.shipped_folder() / "assets_manifest" / "materials.jsonl"),
    )
