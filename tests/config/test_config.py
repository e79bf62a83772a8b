# SPDX-License-Identifier: Apache-2.0
"""Configurations: strict, precise about what is wrong, and the shipped ones say what the paper says."""

from pathlib import Path

import pytest

from multishade.config import fingerprint_fields, load_config
from multishade.errors import ConfigError
from multishade.render.plan import make_plan

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DEMO = CONFIGS / "demo.yaml"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_load(path: Path) -> None:
    assert load_config(path).name


def test_paper_settings() -> None:
    config = load_config(CONFIGS / "multishade.yaml")
    assert (config.camera.width, config.camera.height) == (576, 576)
    assert (config.camera.focal_mm, config.camera.sensor_mm, config.camera.distance) == (35, 32, (1.5, 1.8))
    assert config.views.count == 6
    assert (config.lights.parallel.count, config.lights.point.count, config.lights.environment.count) == (
        1,
        1,
        2,
    )
    assert (config.shading.mode, config.shading.count, config.shading.elevation_degrees) == ("lambert", 9, 45)


def test_override_wins_over_the_file() -> None:
    config = load_config(DEMO, ["views.count=5", "camera.distance=[1.6, 1.7]"])
    assert config.views.count == 5
    assert config.camera.distance == (1.6, 1.7)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("views.cont=2", "unknown setting 'views.cont'. Allowed: count, canonical, jitter_degrees"),
        ("views.count=0", "'views.count' is 0: input should be greater than or equal to 1"),
        ("views.count=two", "'views.count' is 'two'"),
        ("camera.distance=[2, 1]", "a range is [low, high], but 2.0 > 1.0"),
        ("camera.distance=[0.2, 1]", "lies inside the object's bounding sphere"),
        ("materials.own=1", "own + metallic + non_metallic must be 1, not 1.5"),
        ("shading.mode=phong", "'lambert', 'cast' or 'photometric'"),
        ("render.device=gpu", "'cpu', 'cuda', 'optix', 'hip', 'oneapi' or 'metal'"),
        ("render={quality: {psnr: 38}, adaptive: {threshold: 0.1}}", "give one of them"),
        ("render={quality: {psnr: 38}, samples: {point: 1}}", "samples.point is 1: give it more"),
        ("views", "write it as section.key=value"),
        ("views.count.more=1", "is a value, not a section"),
    ],
)
def test_wrong_override_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(DEMO, [override])
    assert message in str(caught.value)
    assert f"--set {override}" in str(caught.value)


def test_wrong_line_in_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nsources:\n  objects: a.jsonl\nviews:\n  count: -3\ncamra: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"{path}:5: 'views.count' is -3" in str(caught.value)
    assert f"{path}:6: unknown setting 'camra'" in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a list", "name: [unclosed"])
def test_file_that_is_no_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="mine.yaml"):
        load_config(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.yaml: cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


def test_manifests_are_found_beside_the_file_and_overrides_beside_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(DEMO, ["sources.objects=mine.jsonl"])
    assert config.sources.objects == (str(tmp_path / "mine.jsonl"),)
    assert (
        Path(config.sources.materials[0]).resolve() == CONFIGS.parent / "assets_manifest" / "materials.jsonl"
    )


def test_fingerprint_ignores_how_it_is_run_and_how_far() -> None:
    def fields(*overrides: str) -> dict:
        return fingerprint_fields(load_config(DEMO, overrides))

    assert fields() == fields("runtime.attempts=5", "shards.count=7", "sources.objects=other.jsonl")
    assert fields() != fields("views.count=3")
    assert fields() != fields("seed=1")
    assert fields() != fields("render.quality.psnr=38")
    assert "quality" not in fields()["render"]  # what is not used leaves no trace


def test_a_file_holds_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"extends: {DEMO}\nname: mine\nviews: {{count: 4}}\n")
    mine, demo = load_config(tmp_path / "mine.yaml"), load_config(DEMO)
    assert (mine.name, mine.views.count) == ("mine", 4)
    assert mine.views.canonical == demo.views.canonical  # a section is merged, not replaced
    assert mine.sources == demo.sources  # found beside the file that names them


def test_an_error_is_placed_in_the_file_that_makes_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: base\nsources: {objects: o.jsonl}\nviews:\n  cout: 2\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nviews:\n  count: 0\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "mine.yaml")
    assert "base.yaml:4: unknown setting 'views.cout'" in str(caught.value)
    assert "mine.yaml:3: 'views.count' is 0" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: mine.yaml", "mine.yaml: extends itself through mine.yaml"),
        ("extends: gone.yaml", "gone.yaml: cannot be read .*; .*mine.yaml extends it"),
        ("extends: [a, b]", "'extends' is .*: name one file"),
    ],
)
def test_a_file_that_cannot_be_extended(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "mine.yaml")


def test_ablations_differ_from_the_recipe_in_one_thing() -> None:
    recipe = load_config(CONFIGS / "multishade.yaml").model_dump()
    different = {
        "multishade-k6": {"shading"},
        "multishade-k12": {"shading"},
        "multishade-spiral": {"shading"},
        "multishade-own-materials": {"materials"},
        "multishade-fine": {"render"},
    }
    for name, sections in different.items():
        ablation = load_config(CONFIGS / f"{name}.yaml").model_dump()
        assert {key for key in recipe if recipe[key] != ablation[key]} == sections | {"name"}, name


@pytest.mark.parametrize("name", ["multishade-k6", "multishade-k12", "multishade-spiral"])
def test_ablations_of_the_sequence_keep_the_images(name: str) -> None:
    recipe, ablation = (
        make_plan(load_config(CONFIGS / f"{stem}.yaml")).group(3, 5) for stem in ("multishade", name)
    )
    for ours, theirs in zip(recipe.views, ablation.views, strict=True):
        assert (ours.seed, ours.camera, ours.lights) == (theirs.seed, theirs.camera, theirs.lights)
        assert ours.sequence != theirs.sequence
