# SPDX-License-Identifier: Apache-2.0
"""Plans: every draw follows from the seed and the place alone, and lies where the design says."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from multishade.config import Config, load_config, models
from multishade.errors import ConfigError, ManifestError
from multishade.protocol.codec import from_json, to_json
from multishade.protocol.scene import Group, ObjectSource
from multishade.render import sampling
from multishade.render.plan import Plan, make_plan

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"


def plan_with(*overrides: str) -> Plan:
    return make_plan(load_config(DEMO, overrides))


def test_a_group_is_the_same_whatever_was_drawn_before() -> None:
    alone = plan_with().group(3, 2)
    after_others = [plan_with().groups(shard) for shard in range(4)][3][2]
    assert alone == after_others


def test_places_and_seeds_differ() -> None:
    plan = plan_with()
    first, second, other_shard = plan.group(0, 0), plan.group(0, 1), plan.group(1, 0)
    views = [view for group in (first, second, other_shard) for view in group.views]
    assert len({view.seed for view in views}) == len(views)
    assert len({view.lights for view in views}) == len(views)
    assert plan_with("seed=1").group(0, 0).views[0].lights != first.views[0].lights


def test_each_object_is_used_once_before_any_is_used_again() -> None:
    plan = plan_with("shards.groups=1")
    count = len(plan.assets.objects)
    first_round = [plan.group(shard, 0).object.id for shard in range(count)]
    second_round = [plan.group(shard, 0).object.id for shard in range(count, 2 * count)]
    assert len(set(first_round)) == count == len(set(second_round))
    assert first_round != second_round


def test_material_kinds_come_as_often_as_asked() -> None:
    plan = plan_with("materials={own: 0, metallic: 0.25, non_metallic: 0.75}", "shards.groups=400")
    kinds = Counter(group.material.kind for group in plan.groups(0) if group.material)
    assert kinds.total() == 400
    # Four standard deviations of a binomial with p = 0.25.
    assert abs(kinds["metallic"] - 100) < 4 * np.sqrt(400 * 0.25 * 0.75)


def test_test_materials_are_never_in_train() -> None:
    train, test = plan_with().assets, plan_with("split=test").assets
    for name in ("objects", "materials"):
        assert not {row.id for row in getattr(train, name)} & {row.id for row in getattr(test, name)}


def test_fingerprint_follows_settings_and_rows(tmp_path: Path) -> None:
    plan = plan_with()
    assert plan.record().fingerprint == plan_with().record().fingerprint
    assert plan.record().fingerprint != plan_with("views.count=3").record().fingerprint
    source = Path(plan.config.sources.objects[0])
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(source.read_bytes())
    assert plan_with(f"sources.objects={moved}").record().fingerprint == plan.record().fingerprint
    moved.write_text("\n".join(source.read_text().splitlines()[1:]) + "\n")
    assert plan_with(f"sources.objects={moved}").record().fingerprint != plan.record().fingerprint


def test_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="nowhere.jsonl"):
        plan_with(f"sources.objects={tmp_path / 'nowhere.jsonl'}")


def test_split_without_materials_is_refused(tmp_path: Path) -> None:
    source = Path(plan_with().config.sources.materials[0])
    only = tmp_path / "only.jsonl"
    only.write_text(
        "\n".join(row for row in source.read_text().splitlines() if '"non-metallic"' in row) + "\n"
    )
    with pytest.raises(ConfigError, match="no metallic materials of split 'train'"):
        plan_with(f"sources.materials={only}")


def test_group_survives_the_pipe() -> None:
    planned = plan_with("camera.type=orthographic").group(0, 0)
    group = Group(planned.key, ObjectSource("monkey"), planned.material_spec, planned.views)
    assert from_json(Group, to_json(group)) == group


@pytest.mark.parametrize("number", range(8))
def test_cameras_look_at_the_origin_in_a_right_handed_frame(number: int, rng: np.random.Generator) -> None:
    views = models.Views(count=8, canonical=("front", "back", "left", "right", "top", "bottom"))
    camera = sampling.sample_camera(models.Camera(), views, number, rng)
    matrix = np.array(camera.camera_to_world)
    rotation, position = matrix[:3, :3], matrix[:3, 3]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.isclose(np.linalg.det(rotation), 1)
    distance = np.linalg.norm(position)
    assert 1.5 <= distance <= 1.8
    assert np.allclose(rotation[:, 2], position / distance)


def test_front_view_has_the_world_upright(rng: np.random.Generator) -> None:
    camera = sampling.sample_camera(models.Camera(), models.Views(count=1, canonical=("front",)), 0, rng)
    rotation = np.array(camera.camera_to_world)[:3, :3]
    assert np.allclose(rotation[:, 0], (1, 0, 0))
    assert np.allclose(rotation[:, 1], (0, 0, 1))


def test_lights_come_evenly_from_the_upper_front(rng: np.random.Generator) -> None:
    settings = models.Lights(parallel=models.ParallelLight(count=64), point=models.PointLight(count=64))
    lights = [light for _ in range(40) for light in sampling.sample_lights(settings, ["sky"], rng)]
    directions = np.array([light.direction for light in lights if light.kind == "parallel"])
    assert np.allclose(np.linalg.norm(directions, axis=1), 1)
    assert (directions[:, 1] >= 0).all()
    lowest = np.sin(np.radians(10))
    assert (directions[:, 2] >= lowest).all()
    # Uniform by solid angle means uniform in z: compare the mean with its standard error.
    error = (1 - lowest) / np.sqrt(12 * len(directions))
    assert abs(directions[:, 2].mean() - (1 + lowest) / 2) < 4 * error
    distances = np.linalg.norm([light.position for light in lights if light.kind == "point"], axis=1)
    assert (distances > 1.2 - 1e-9).all() and (distances < 2.5 + 1e-9).all()


def test_point_lights_stand_about_the_object_not_the_camera() -> None:
    for view in (view for number in range(20) for view in plan_with("views.count=3").group(0, number).views):
        (light,) = (light for light in view.lights if light.kind == "point")
        assert light.position is not None
        world = np.array(view.camera.camera_to_world) @ (*light.position, 1.0)
        distance = np.linalg.norm(world[:3])  # from the origin, where the object is
        assert 1.2 - 1e-9 < distance < 2.5 + 1e-9
        toward_camera = world[:3] @ np.array(view.camera.camera_to_world)[:3, 2] / distance
        assert toward_camera > np.sin(np.radians(10)) - 1e-9


def test_a_kind_of_material_that_is_not_wanted_is_not_worn() -> None:
    plan = plan_with("materials={own: 0, metallic: 0, non_metallic: 1}", "shards.groups=60")
    assert {group.material.kind for group in plan.groups(0) if group.material} == {"non-metallic"}


def test_environments_of_a_view_differ(rng: np.random.Generator) -> None:
    for _ in range(20):
        lights = sampling.sample_lights(models.Lights(), ["a", "b", "c"], rng)
        first, second = (light.environment for light in lights if light.kind == "environment")
        assert first != second


def test_rotations_are_rotations(rng: np.random.Generator) -> None:
    for kind in ("none", "yaw", "full"):
        matrix = np.array(sampling.sample_object_rotation(kind, rng))
        assert np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.isclose(np.linalg.det(matrix), 1)
        if kind == "yaw":
            assert np.allclose(matrix @ (0, 0, 1), (0, 0, 1))


def test_paths_per_view_counts_every_image() -> None:
    config: Config = load_config(DEMO, ["camera.width=16", "camera.height=16"])
    samples = config.render.samples
    expected = samples.parallel + samples.point + 2 * samples.environment + 1
    assert make_plan(config).paths_per_view() == expected * 256
