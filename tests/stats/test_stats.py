# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set: one that follows its recipe passes, one with a bias is suspect."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from multishade.cli import main
from multishade.config import load_config, models
from multishade.errors import ShardError
from multishade.geometry.lights import hemisphere
from multishade.protocol.messages import RendererInfo
from multishade.render.assemble import build_sample, field_format
from multishade.render.blender.views import RenderedView
from multishade.render.plan import Plan, PlannedGroup, make_plan
from multishade.render.rerender import measure_quality, reference_config
from multishade.render.sampling import CANONICAL
from multishade.shards.fields import encode_depth, encode_image, encode_mask, encode_normal
from multishade.shards.marker import commit_marker
from multishade.shards.record import open_dataset
from multishade.shards.sample import FieldFormat, Sample, encode_sample
from multishade.shards.tar import write_tar
from multishade.stats.check import Check, cap_p, mean_p, shares_p, uniform_p
from multishade.stats.checks import check_all
from multishade.stats.gather import Statistics, gather
from multishade.stats.measure import measure
from multishade.stats.quality import check_converged, choose_images
from tests.support.synthetic import make_sample

pytestmark = pytest.mark.usefixtures("one_process")

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE, GROUPS = 24, 40
SETTINGS = (
    "camera.width=24",
    "camera.height=24",
    "objects.rotation=full",
    "shards={groups: 40, count: 2}",
    "views={count: 2, canonical: [front], jitter_degrees: 20}",
    "materials={own: 0, metallic: 0.3, non_metallic: 0.7}",
)
Change = Callable[[Sample, PlannedGroup], Sample]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load_config(REPOSITORY / "configs" / "demo.yaml", SETTINGS))


@dataclasses.dataclass(frozen=True)
class Made:
    """A sample of the plan, with a sphere in place of what Blender would render, and its files."""

    sample: Sample
    group: PlannedGroup
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def made(plan: Plan) -> list[Made]:
    base = make_sample(size=SIZE, bump=0)
    found = []
    for shard in range(plan.config.shards.count):
        for group in plan.groups(shard):
            for view in group.views:
                sample = drawn(base, group, view, plan)
                found.append(Made(sample, group, dict(encode_sample(sample, field_format(plan.config)))))
    return found


@pytest.fixture(scope="module")
def sound(made: list[Made], plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("sound"), made, plan)


def write_set(folder: Path, made: list[Made], plan: Plan, failures: int = 0) -> Path:
    open_dataset(folder, plan.record())
    for shard in range(plan.config.shards.count):
        rows = [(one.sample.key, list(one.files.items())) for one in made if one.group.shard == shard]
        path = folder / f"multishade-{shard:06d}.tar"
        commit_marker(path, write_tar(path, rows), failures=[{"group": "g", "error": "e"}] * failures)
    return folder


def suspects(made: list[Made], plan: Plan, change: Change, closely: int = 24) -> set[str]:
    """What is suspect about the set when every sample is changed; only the files that this touches are made anew."""
    format, figures = field_format(plan.config), []
    for number, one in enumerate(made):
        changed = change(one.sample, one.group)
        files = {**one.files, "meta.json": json.dumps(changed.meta).encode()}
        if changed.mask is not one.sample.mask:
            files["mask.png"] = encode_mask(changed.mask)
        if changed.normal is not one.sample.normal:
            files["normal.exr"] = encode_normal(changed.normal, changed.mask, format)
        if number < closely and changed.depth is not one.sample.depth:
            files["depth.exr"] = encode_depth(changed.depth, format)
        if number < closely and changed.images is not one.sample.images:
            files |= dict(encode_image(name, image, format) for name, image in changed.images.items())
        figures.append(measure(changed.key, files, number < closely, 95))
    whole = Statistics(Path("set"), plan.config, plan.config.shards.count, len(made), 0, figures)
    return {check.what for check in check_all(whole, plan.assets) if not check.ok}


def drawn(base: Sample, group: PlannedGroup, view: Any, plan: Plan) -> Sample:
    """The sphere at the view's distance under as many images as the view has lights, exposed as the recipe says."""
    distance = np.linalg.norm(np.array(view.camera.camera_to_world)[:3, 3])
    pictures = list(base.images.values())
    rendered = RenderedView(
        view=view,
        mask=base.mask,
        normal=base.normal,
        normal_geometry=base.normal,
        depth=base.depth + np.float32(distance - 1.65),
        alpha=base.alpha,
        images={light.field: pictures[i % 4] for i, light in enumerate(view.lights)},
        sequence=None,
    )
    return build_sample(rendered, group, plan.config, RendererInfo("5.0.1", "CPU", ""))


def with_lights(sample: Sample, kind: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Sample:
    lights = {
        name: {**light, **change(light)} if light["type"] == kind else light
        for name, light in sample.meta["lights"].items()
    }
    return dataclasses.replace(sample, meta={**sample.meta, "lights": lights})


def lean(sample: Sample, group: PlannedGroup) -> Sample:
    """Only the right half of the sphere is there."""
    mask = sample.mask & (np.arange(SIZE) >= SIZE // 2)
    there = mask[..., None]
    return dataclasses.replace(sample, mask=mask, normal=np.where(there, sample.normal, 0))


def from_the_right(sample: Sample, group: PlannedGroup) -> Sample:
    return with_lights(
        sample, "parallel", lambda light: {"direction": [abs(light["direction"][0]), *light["direction"][1:]]}
    )


def at_the_camera(sample: Sample, group: PlannedGroup) -> Sample:
    """Positions meant from the object's centre, but written as from the camera."""
    distance = float(np.linalg.norm(np.array(sample.meta["camera"]["camera_to_world"])[:3, 3]))

    def shift(light: dict[str, Any]) -> dict[str, Any]:
        x, y, z = light["position"]
        return {"position": [x, y, z + distance]}

    return with_lights(sample, "point", shift)


def unchanged(sample: Sample, group: PlannedGroup) -> Sample:
    return sample


def four_times_as_bright(sample: Sample, group: PlannedGroup) -> Sample:
    return dataclasses.replace(sample, images={name: image * 4 for name, image in sample.images.items()})


def all_metal(sample: Sample, group: PlannedGroup) -> Sample:
    return dataclasses.replace(
        sample, meta={**sample.meta, "material": {"id": "m", "kind": "metallic", "licence": "CC0-1.0"}}
    )


def one_sky(sample: Sample, group: PlannedGroup) -> Sample:
    first = group.environments[0].id
    return with_lights(sample, "environment", lambda light: {"environment": first})


def a_quarter_turn(sample: Sample, group: PlannedGroup) -> Sample:
    return with_lights(sample, "environment", lambda light: {"rotation": light["rotation"] / 4})


def one_object(sample: Sample, group: PlannedGroup) -> Sample:
    return dataclasses.replace(
        sample, meta={**sample.meta, "object": {**sample.meta["object"], "id": "o", "family": "blob"}}
    )


def farther_away(sample: Sample, group: PlannedGroup) -> Sample:
    return dataclasses.replace(sample, depth=sample.depth * np.float32(1.5))


def at_the_border(sample: Sample, group: PlannedGroup) -> Sample:
    first = int(np.flatnonzero(sample.mask.any(axis=0))[0])
    rolled = {name: np.roll(getattr(sample, name), -first, axis=1) for name in ("mask", "normal")}
    return dataclasses.replace(sample, **rolled)


def camera_aside(sample: Sample, group: PlannedGroup) -> Sample:
    pose = np.array(sample.meta["camera"]["camera_to_world"])
    pose[:3, 3] += 0.1 * pose[:3, 0]
    return dataclasses.replace(
        sample, meta={**sample.meta, "camera": {**sample.meta["camera"], "camera_to_world": pose.tolist()}}
    )


def always_from_the_front(sample: Sample, group: PlannedGroup) -> Sample:
    pose = np.array(sample.meta["camera"]["camera_to_world"])
    distance = np.linalg.norm(pose[:3, 3])
    back, up = (np.array(vector, float) for vector in CANONICAL["front"])
    pose[:3, :3] = np.stack([np.cross(up, back), up, back], axis=1)
    pose[:3, 3] = back * distance
    return dataclasses.replace(
        sample, meta={**sample.meta, "camera": {**sample.meta["camera"], "camera_to_world": pose.tolist()}}
    )


def flat(sample: Sample, group: PlannedGroup) -> Sample:
    """Normals that all look at the camera."""
    normal = np.where(sample.mask[..., None], np.float32([0, 0, 1]), np.float32(0))
    return dataclasses.replace(sample, normal=normal)


def test_what_the_plan_draws_is_not_suspect(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["stats", str(sound), "-o", str(tmp_path / "a"), "--strict", "--images", "24"])
    printed = capsys.readouterr().out
    assert code == 0, printed
    lines = printed.splitlines()
    assert f"{4 * GROUPS} of {4 * GROUPS} samples" in lines[-1] and ", 0 suspect;" in lines[-1]
    assert all(line.startswith("ok") and "; expected: " in line for line in lines[:-1])
    page = (tmp_path / "a" / "stats.html").read_bytes()
    assert page.count(b"data:image/png;base64,") >= 6
    assert page.count(b"src=") == page.count(b'src="data:') and b"href" not in page
    found = json.loads((tmp_path / "a" / "stats.json").read_text())
    assert found["suspect"] == 0 and found["note"] == "" and len(found["checks"]) == len(lines) - 1
    assert main(["stats", str(sound), "-o", str(tmp_path / "b"), "--workers", "2", "--images", "24"]) == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (unchanged, set()),
        (lean, {"normals, left and right"}),
        (flat, {"normals, mean cosine to the camera's ray"}),
        (from_the_right, {"parallel lights, direction seen from the object"}),
        (
            at_the_camera,
            {
                "point lights, direction seen from the object",
                "point lights, distance from the object's centre",
            },
        ),
        (four_times_as_bright, {"exposure, median luminance inside the mask"}),
        (all_metal, {"materials, own / metallic / non-metallic", "metallic materials, how often each"}),
        (one_sky, {"environments, how often each"}),
        (a_quarter_turn, {"environments, rotation"}),
        (one_object, {"objects, how often each", "object families, how often each"}),
        (farther_away, {"depth, samples beyond the object's bounding sphere"}),
        (at_the_border, {"mask, objects that touch the border"}),
        (camera_aside, {"camera, looks at the object's centre"}),
        (always_from_the_front, {"random views, direction from the object to the camera"}),
    ],
)
def test_a_bias_is_found(change: Change, expected: set[str], made: list[Made], plan: Plan) -> None:
    found = suspects(made, plan, change)
    # A mistake may show in a few places more, but not everywhere.
    assert expected <= found and len(found) <= len(expected) + (3 if expected else 0), found


def test_strict_makes_a_suspicion_an_error(
    made: list[Made], plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_set(tmp_path / "set", made, plan, failures=8)
    run = ["stats", str(folder), "-o", str(tmp_path / "page"), "--images", "4"]
    assert main(run) == 0 and main([*run, "--strict"]) == 1
    assert "SUSPECT  groups that could not be rendered: 16 of" in capsys.readouterr().out


def test_of_many_samples_whole_shards_are_read_and_always_the_same(sound: Path) -> None:
    part = gather(sound, max_samples=50, max_images=10)
    assert len(part.samples) == 2 * GROUPS and part.total == 4 * GROUPS
    close = [sample.key for sample in part.samples if sample.images]
    assert len(close) == 10
    again = gather(sound, max_samples=50, max_images=10)
    assert [sample.key for sample in again.samples if sample.images] == close
    assert {sample.view for sample in part.samples if sample.images} == {0, 1}


def test_manifests_that_are_gone_are_said_to_be(
    made: list[Made], plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "objects.jsonl"
    manifest.write_bytes(Path(plan.config.sources.objects[0]).read_bytes())
    demo = REPOSITORY / "configs" / "demo.yaml"
    moved = make_plan(load_config(demo, (*SETTINGS, f"sources.objects={manifest}")))
    folder = write_set(tmp_path / "set", made, moved)
    manifest.unlink()
    assert main(["stats", str(folder), "-o", str(tmp_path / "page"), "--strict", "--images", "4"]) == 0
    printed = capsys.readouterr().out
    assert f"not compared with the manifests: {manifest}" in printed
    assert "object families" not in printed


def test_what_is_no_data_set_is_refused(
    made: list[Made], plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", str(tmp_path)]) == 2
    assert "is this a data set's folder?" in capsys.readouterr().err
    folder = write_set(tmp_path / "set", made, plan)
    shard = folder / "multishade-000000.tar"
    content = bytearray(shard.read_bytes())
    content[content.index(b"normal.exr") + 512 + 400] ^= 255
    shard.write_bytes(content)
    assert main(["stats", str(folder), "-o", str(tmp_path / "page")]) == 2
    assert "s000000-g0000-v0.normal.exr" in capsys.readouterr().err


@pytest.mark.parametrize("image", ["exr", "png16"])
@pytest.mark.parametrize("mode", ["lambert", "cast", "photometric"])
def test_a_sample_of_every_kind_is_measured(mode: str, image: str) -> None:
    sample = make_sample(size=48, bump=0, mode=mode)
    files = dict(encode_sample(sample, FieldFormat(image=image)))  # type: ignore[arg-type]
    found = measure(sample.key, files, True, 95)
    assert found.area == pytest.approx(sample.mask.mean()) and found.pixels == found.disc.sum()
    # Seen from D = 1.65 a sphere of R = 0.5 shows what turns up to acos(R / D) from the axis.
    assert found.facing == pytest.approx(2 / 3, abs=0.02) and found.turned_away == 0
    assert found.depth is not None and found.depth[0] == pytest.approx(1.65 - 0.5, abs=0.01)
    names = [entry.field for entry in found.images]
    assert names == [*sample.images, *(["shading"] if mode == "photometric" else [])]
    luminance = sample.images["image_env0"][sample.mask] @ np.array([0.2126, 0.7152, 0.0722])
    assert found.images[2].median == pytest.approx(np.median(luminance), rel=0.02)
    assert (found.stored_lit is None) == (mode == "lambert")
    if found.stored_lit is not None:
        assert (found.stored_lit <= found.lit + 0.02).all()
        assert (found.stored_lit[0] < found.lit[0] - 0.1) == (
            mode == "cast"
        )  # a wall shadows every second light


def test_even_directions_pass_and_others_do_not() -> None:
    rng = np.random.default_rng(0)
    lowest = np.sin(np.radians(10))
    even = [cap_p(hemisphere(300, 10, rng), lowest, 2 * np.pi) for _ in range(200)]
    assert np.mean(np.array(even) < 0.05) < 0.09  # a p-value is one
    upper = hemisphere(300, 10, rng)
    upper[:, 1] = np.abs(upper[:, 1])
    assert cap_p(upper, lowest, np.pi) > 1e-3 and cap_p(upper, lowest, 2 * np.pi) < 1e-6
    # Angles drawn evenly are not solid angle drawn evenly.
    elevation, azimuth = rng.uniform(np.radians(10), np.pi / 2, 300), rng.uniform(0, 2 * np.pi, 300)
    crowded = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=1
    )
    assert cap_p(crowded, lowest, 2 * np.pi) < 1e-6
    assert cap_p(-upper, lowest, np.pi) == 0


def test_uniform_means_and_shares() -> None:
    rng = np.random.default_rng(1)
    assert uniform_p(rng.uniform(2, 6, 500), 2, 6) > 1e-3 > uniform_p(rng.uniform(2, 5, 500), 2, 6)
    assert uniform_p([2, 6.1], 2, 6) == 0 and uniform_p([3, 3], 3, 3) == 1 and uniform_p([3, 3.1], 3, 3) == 0
    assert mean_p(rng.normal(0, 0.1, 50), 0) > 1e-3 > mean_p(rng.normal(0.1, 0.1, 50), 0)
    assert mean_p([1.0] * 3, 0) == 1 and mean_p([1.0] * 20, 0) == 0
    even = {"a": 0.5, "b": 0.5}
    assert shares_p({"a": 52, "b": 48}, even)[0] > 0.1
    p, worst = shares_p({"a": 50, "b": 45, "stranger": 5}, even)
    assert p < 1e-6 and worst == "stranger"


def test_images_that_stayed_below_their_quality_are_counted(plan: Plan) -> None:
    def check(values: list[float], wanted: float | None) -> list[Check]:
        asked = plan.config.render.model_copy(update={"quality": models.Quality(psnr=wanted)})
        config = plan.config.model_copy(update={"render": asked})
        samples = [SimpleNamespace(quality={"image_point": value}) for value in values]
        return list(check_converged(SimpleNamespace(config=config, samples=samples)))  # type: ignore[arg-type]

    (good,) = check([38.5] * 39 + [33.0], 38.0)
    assert good.ok and "2.5% of 40" in good.measured and "33.0 dB" in good.measured
    (bad,) = check([38.5] * 9 + [33.0], 38.0)
    assert not bad.ok
    assert check([38.5], None) == []


def test_references_are_sampled_plainly(plan: Plan) -> None:
    """Whatever ends the images of the recipe earlier would leave its own error in what they are compared with."""
    adaptive = plan.config.render.model_copy(update={"adaptive": models.Adaptive(threshold=0.1)})
    asked = plan.config.render.model_copy(update={"quality": models.Quality(psnr=38)})
    for render in (adaptive, asked):
        found = reference_config(plan.config.model_copy(update={"render": render}), 512).render
        assert found.adaptive.threshold == 0 and found.quality.psnr is None and not found.denoise.enabled
        assert set(found.samples.model_dump().values()) == {512}


@pytest.mark.blender
def test_images_rendered_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against many paths a good image is close, and one whose exposure was forgotten is not."""
    rows = [
        {"id": "a", "source": "builtin", "location": "superquadric/1", "family": "superquadric"},
        {"id": "b", "source": "builtin", "location": "superquadric/2", "family": "superquadric"},
    ]
    manifest = tmp_path / "objects.jsonl"
    manifest.write_text(
        "".join(json.dumps({**row, "licence": "CC0-1.0", "split": "train"}) + "\n" for row in rows)
    )
    sets = (
        "camera={width: 48, height: 48}",
        "shards={groups: 2, count: 1}",
        "lights.environment.count=1",
        "render={samples: {parallel: 256, point: 256, environment: 256}, denoise: {enabled: false}}",
        f"sources.objects={manifest}",
    )
    folder = tmp_path / "set"
    options = [f"--set={item}" for item in sets]
    demo = str(REPOSITORY / "configs" / "demo.yaml")
    assert main(["render", demo, *options, "-o", str(folder), "--shards", "0", "--workers", "1"]) == 0
    found = gather(folder, 100, 4)
    images = choose_images(found, 3)
    assert len({key for key, _ in images}) == 3 and len({field for _, field in images}) == 3
    quality = list(measure_quality(folder, images, 512, 1))
    assert {item.kind for item in quality} == {"parallel", "point", "environment"}
    assert min(item.psnr for item in quality) > 27, quality
    assert quality == list(measure_quality(folder, images, 512, 1))
    code = main(["stats", str(folder), "-o", str(tmp_path / "p"), "--psnr", "1", "--reference-samples", "4"])
    assert code == 0 and "PSNR of parallel images against 4 paths" in capsys.readouterr().out

    from multishade.shards.tar import read_shard

    path = folder / "multishade-000000.tar"
    samples = [(key, dict(files)) for key, files in read_shard(path)]
    for _, files in samples:
        meta = json.loads(files["meta.json"])
        meta["exposure"] = {name: factor * 3 for name, factor in meta["exposure"].items()}
        files["meta.json"] = json.dumps(meta).encode()
    commit_marker(path, write_tar(path, [(key, list(files.items())) for key, files in samples]))
    assert max(item.psnr for item in measure_quality(folder, images, 64, 1)) < 20
    for _, files in samples:
        meta = json.loads(files["meta.json"])
        meta["lights"]["image_parallel"]["strength"] += 1
        files["meta.json"] = json.dumps(meta).encode()
    commit_marker(path, write_tar(path, [(key, list(files.items())) for key, files in samples]))
    with pytest.raises(ShardError, match="image_parallel was lit otherwise than this version"):
        list(measure_quality(folder, choose_images(found, 1), 4, 1))
