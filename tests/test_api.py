# SPDX-License-Identifier: Apache-2.0
"""The public API: every name of `multishade` is there, and used as a newcomer would, on tiny inputs."""

from pathlib import Path

import numpy as np
import pytest

import multishade
from tests.support.data_shards import data, write_shards
from tests.support.imports import REPOSITORY, modules
from tests.support.synthetic_benchmarks import write_diligent_object

SMALL = [
    "camera.width=32",
    "camera.height=32",
    "shards.groups=1",
    "shards.count=2",
    "views.count=1",
    "lights.environment.count=0",
    "lights.point.count=0",
    "render.samples.parallel=1",
]
EXPORTED = sorted(set(multishade.__all__) - {"__version__"})


def sphere(size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Normals (H, W, 3) of a sphere seen by an orthographic camera, and its mask (H, W)."""
    x, y = np.meshgrid(np.linspace(-1.1, 1.1, size), -np.linspace(-1.1, 1.1, size))
    mask = x**2 + y**2 < 0.95
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    return np.where(mask[..., None], np.stack([x, y, z], axis=-1), 0), mask


@pytest.mark.parametrize("name", EXPORTED)
def test_every_public_name_is_found_and_has_documentation(name: str) -> None:
    value = getattr(multishade, name)
    assert value.__doc__ and name in dir(multishade)
    assert name in (REPOSITORY / "docs" / "api.md").read_text()


def test_every_public_name_is_used_in_a_test_below() -> None:
    text = modules("tests")["tests.test_api"].read_text()
    assert [name for name in EXPORTED if f"multishade.{name}" not in text] == []


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'multishade' has no attribute 'rendre'"):
        multishade.rendre  # noqa: B018


def test_a_configuration_becomes_a_plan() -> None:
    config = multishade.load_config("demo", SMALL)
    assert isinstance(config, multishade.Config)
    plan = multishade.make_plan(config)
    assert isinstance(plan, multishade.Plan)
    assert [group.key for group in plan.groups(1)] == ["s000001-g0000"]


@pytest.mark.blender
def test_a_rendered_data_set_is_read_by_key(tmp_path: Path) -> None:
    plan = multishade.make_plan(multishade.load_config("demo", SMALL))
    result = multishade.render(plan, tmp_path, shards=[1])
    assert isinstance(result, multishade.RenderResult) and result.complete and result.samples == 1
    samples = multishade.Dataset(tmp_path)
    assert list(samples) == ["s000001-g0000-v0"]
    sample = samples["s000001-g0000-v0"]
    assert isinstance(sample, multishade.Sample)
    assert sample.images["image_parallel"].shape == (32, 32, 3)
    assert samples.record.fingerprint == plan.record().fingerprint


def test_render_is_a_package_and_a_function() -> None:
    from multishade.render import plan

    assert multishade.render.plan is plan  # type: ignore[attr-defined]
    assert callable(multishade.render)


def test_errors_of_users_have_one_base() -> None:
    with pytest.raises(multishade.MultiShadeError, match="demmo: neither a file nor a shipped recipe"):
        multishade.load_config("demmo")


def test_a_shard_is_written_and_read_back(tmp_path: Path) -> None:
    (tar,) = write_shards(tmp_path / "source", counts=(2,))
    samples = list(multishade.Dataset(tar).values())
    marker = multishade.write_shard(tmp_path / "copy" / "mine-000000.tar", samples)
    assert marker.samples == 2
    (first, files), _ = multishade.read_shard(tmp_path / "copy" / "mine-000000.tar")
    assert first == samples[0].key and "normal.exr" in files
    copied = multishade.Dataset(tmp_path / "copy")
    assert [key for key in copied] == [sample.key for sample in samples]
    assert np.array_equal(copied[first].normal, samples[0].normal)


def test_shards_are_inspected(tmp_path: Path) -> None:
    first, second = write_shards(tmp_path, counts=(2, 1))
    inspection = multishade.inspect_shards(tmp_path)
    assert inspection.sound and [report.keys for report in inspection.reports] == [2, 1]
    second.write_bytes(second.read_bytes()[:-2000])
    damaged = multishade.inspect_shards([first, second], workers=2)
    assert not damaged.sound and {finding.shard for finding in damaged.findings} == {second.name}


def test_shading_under_lights_is_solved_for_its_normals() -> None:
    normal, mask = sphere()
    directions = multishade.lights.ring(9)
    images = multishade.shading.lambert(normal, directions, mask)
    solution = multishade.solve(images, directions, mask, method="relu")
    cosine = (solution.normal * normal).sum(-1)[mask & solution.determined]
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 0.1


def test_normals_become_a_surface_and_a_mesh() -> None:
    normal, mask = sphere()
    surface = multishade.integrate(normal, mask, pixel_size=2.2 / 47)
    depth = surface.depth[mask]
    assert np.ptp(depth) == pytest.approx(np.ptp(normal[mask][:, 2]), rel=0.05)
    mesh = multishade.mesh_from_depth(surface.depth, mask, pixel_size=2.2 / 47)
    assert len(mesh.vertices) == mask.sum()


def test_images_under_single_lights_are_summed_to_an_image_under_several() -> None:
    normal, mask = sphere()
    basis = multishade.shading.lambert(normal, multishade.lights.hemisphere(4), mask)[..., None]
    image = multishade.relight(basis, [1, 0, 2, 0])
    assert np.allclose(image, basis[0] + 2 * basis[2])


def test_a_loader_makes_batches_of_a_shard(tmp_path: Path) -> None:
    tars = write_shards(tmp_path, counts=(4,))
    loader = multishade.Loader(data(*tars), multishade.lights.ring(9), batch_size=2)
    batch = next(iter(loader))
    assert len(batch.keys) == 2


def test_the_bundled_model_predicts_the_normals_of_a_photo() -> None:
    normal, mask = sphere()
    photo = np.repeat(np.clip(normal @ [0.3, 0.4, 0.8], 0, 1)[..., None], 3, axis=-1)
    prediction = multishade.infer(photo, multishade.load_model(), mask)
    assert prediction.normal.shape == (48, 48, 3)
    assert np.allclose(np.linalg.norm(prediction.normal[mask], axis=-1), 1, atol=1e-3)


def test_a_model_is_trained_on_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tars = [str(tar) for tar in write_shards(tmp_path, counts=(4, 2))]
    overrides = [
        f"data.train=[{tars[0]}]",
        f"data.val=[{tars[1]}]",
        "optimisation={steps: 1, batch: 2, warmup: 0}",
    ]
    overrides += ["model.size=16", "output=out/tiny", "logging.tensorboard=false"]
    folder = multishade.train("rose-tiny", overrides=overrides)
    assert multishade.load_model(folder).settings.size == 16


def test_methods_are_evaluated_on_a_benchmark_and_compared(tmp_path: Path) -> None:
    for name in ("ball", "cat"):
        write_diligent_object(tmp_path / f"{name}PNG")
    methods = ("relu", "constant")
    relu, constant = (
        multishade.evaluate(method, f"diligent:{tmp_path}", pictures=False) for method in methods
    )
    assert relu.averaged["mean"] < 0.5 < constant.averaged["mean"]
    comparison = multishade.compare(relu, constant, resamples=99)
    assert comparison.overall[0].difference.difference > 0
