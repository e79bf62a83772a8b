# SPDX-License-Identifier: Apache-2.0
"""A sound shard passes; each way of being wrong is found by the check meant for it; the command says so."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.depth import depth_to_points, points_to_normals
from multishade.imaging.codecs import read_png
from multishade.inspect.checks import CHECKS, check_sample
from multishade.inspect.physics import check_depth
from multishade.inspect.report import SHARD_CHECKS, inspect_shard, summarise
from multishade.inspect.text import render_text
from multishade.report.sheet import draw_sheet, spread
from multishade.shards.marker import commit_marker, read_marker
from multishade.shards.sample import FieldFormat, Sample, decode_sample, encode_sample
from tests.support.synthetic import (
    DISTANCE,
    POINT,
    camera_matrix,
    cast_sphere,
    make_sample,
    ring,
    with_basis,
    with_meta,
    with_passes,
    write_synthetic_shard,
)

SIZE = 72


def stored(sample: Sample, **format: Any) -> Sample:
    """As it is read from a shard."""
    return decode_sample(sample.key, dict(encode_sample(sample, FieldFormat(**format))))


def changed(sample: Sample, name: str, change: Callable[[np.ndarray], np.ndarray | None]) -> Sample:
    """A copy in which `change` was made to one array; returning None means it was made in place."""
    array = getattr(sample, name).copy()
    result = change(array)
    return replace(sample, **{name: array if result is None else result})


def put(where: Any, value: Any) -> Callable[[np.ndarray], None]:
    return lambda array: array.__setitem__(where, value)


def with_image(sample: Sample, name: str, image: np.ndarray) -> Sample:
    return replace(sample, images={**sample.images, name: image.astype(np.float32)})


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
@pytest.mark.parametrize("mode", ["lambert", "cast", "photometric"])
@pytest.mark.parametrize("geometry", [False, True])
def test_sound_samples_pass_every_check(kind: str, mode: str, geometry: bool) -> None:
    failed, measures = check_sample(
        stored(make_sample(kind=kind, mode=mode, size=SIZE, normal_geometry=geometry))
    )
    assert failed == {}
    assert measures["depth_degrees"] < (0.2 if geometry else 2.5)
    assert measures["object_radius"] == pytest.approx(0.5, abs=1e-4)
    assert measures["least_squares_degrees"] < {"lambert": 0.02, "cast": 0.02, "photometric": 2.0}[mode]


@pytest.mark.parametrize("format", [{"image": "png8"}, {"shading_stored": False}, {"normal": "float"}])
def test_sound_samples_pass_in_every_format(format: dict[str, Any]) -> None:
    assert check_sample(stored(make_sample(size=SIZE), **format))[0] == {}


def wavy(size: int, waves: int, rng: np.random.Generator) -> Sample:
    """The sphere with normals bent by up to 45 degrees, by two waves of random direction."""
    sample = make_sample(size=size, bump=0)
    turned = sample.normal.astype(np.float64)
    for _ in range(2):
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        height = np.cos(np.pi * waves * (sample.normal @ axis) + rng.uniform(0, 6))
        turned -= 0.6 * height[..., None] * axis
    turned *= sample.mask[..., None] / np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-9)
    return replace(sample, normal=turned.astype(np.float32))


@pytest.mark.parametrize("waves", [3, 6, 12, 50])
def test_strong_bump_is_not_taken_for_a_wrong_depth(waves: int, rng: np.random.Generator) -> None:
    for _ in range(3):
        messages, measures = check_depth(wavy(96, waves, rng))
        assert messages == [], measures


def test_a_slightly_wrong_lens_shows_over_several_samples(tmp_path: Path) -> None:
    lens = camera_matrix("perspective", SIZE) * [[1.1, 1, 1], [1, 1.1, 1], [1, 1, 1]]
    keys = [f"s000000-g000{group}-v0" for group in range(6)]
    samples = [with_meta(make_sample(key, size=SIZE), "camera", K=lens.tolist()) for key in keys]
    write_synthetic_shard(tmp_path / "a.tar", samples)
    report = inspect_shard(tmp_path / "a.tar")
    assert report.findings == [], "one sample alone does not tell"
    (finding,) = summarise([report])["findings"]
    message = r"depth: its slope tilts outward by 1\.\d degrees: another lens\? in the median of 6 samples"
    assert re.match(message, finding["message"])


SOUND = make_sample(size=SIZE)
MIDDLE = (SIZE // 2, SIZE // 2)


def flipped(axis: int) -> Sample:
    """Normals with one axis turned round, and shading that follows them: only the depth can tell."""
    sign = np.ones(3, np.float32)
    sign[axis] = -1
    normal = SOUND.normal * sign
    shading = np.maximum(0, np.einsum("hwc,kc->khw", normal, SOUND.meta["shading"]["directions"]))
    return replace(SOUND, normal=normal, shading=shading.astype(np.float32))


def exchanged() -> Sample:
    normal = make_sample(size=SIZE, bump=0.3).normal
    return replace(SOUND, normal=normal[..., [1, 0, 2]].copy())


def scattered() -> Sample:
    """One normal for all, far off."""
    tilted = np.array([0.95, 0.0, np.sqrt(1 - 0.95**2)])
    return changed(SOUND, "normal", put(SOUND.mask, tilted))


def along_the_ray(sample: Sample) -> Sample:
    points = depth_to_points(
        np.where(sample.mask, sample.depth, 1), sample.meta["camera"]["K"], "perspective"
    )
    distance = np.linalg.norm(points, axis=-1)
    return replace(sample, depth=np.where(sample.mask, distance, np.inf).astype(np.float32))


def cast(change: Callable[[np.ndarray], None]) -> Sample:
    return changed(make_sample(size=SIZE, mode="cast"), "shading", change)


def moved(array: np.ndarray) -> np.ndarray:
    return np.roll(array, 6, axis=1)


def without(section: str | None, name: str) -> Sample:
    meta = json.loads(json.dumps({**SOUND.meta, "encoding": {}}))
    del (meta[section] if section else meta)[name]
    return replace(SOUND, meta=meta)


def unlit(sample: Sample, name: str) -> Sample:
    return with_image(sample, name, sample.images[name] * 0.001)


LENS = camera_matrix("perspective", SIZE) * [[1.3, 1, 1], [1, 1.3, 1], [1, 1, 1]]
OTHER_LIGHTS = SOUND.meta["shading"]["directions"][1:]

SKY = SOUND.meta["lights"]["image_env0"]
BASIS = with_basis(make_sample(size=SIZE, mode="photometric"))
PASSES = with_passes(make_sample(size=SIZE))
PHOTOMETRIC = make_sample(size=SIZE, mode="photometric")


def lit(name: str, **changes: Any) -> Sample:
    return with_meta(SOUND, "lights", **{name: {**SOUND.meta["lights"][name], **changes}})


def focal(factor: float, centre: float = 0.5, last: float = 1.0, skew: float = 0.0) -> Sample:
    """SOUND with other intrinsics: focal lengths by a factor, centre and skew in sides of the image."""
    camera = SOUND.meta["camera"]
    (a, _, _), (_, b, _), _ = camera["K"]
    side = camera["width"]
    rows = [[a * factor, skew * side, centre * side], [0.0, b * factor, centre * side], [0.0, 0.0, last]]
    return with_meta(SOUND, "camera", K=rows)


def posed(matrix: np.ndarray) -> Sample:
    return with_meta(SOUND, "camera", camera_to_world=matrix.tolist())


def with_directions(directions: list[list[float]]) -> Sample:
    return with_meta(SOUND, "shading", directions=directions)


PATCH = np.zeros_like(SOUND.mask)
PATCH[30:38, 34:42] = True


def black_under_its_light() -> Sample:
    facing = lit("image_point", position=[0.0, 0.0, -0.1])
    return with_meta(unlit(facing, "image_point"), "exposure", image_point=64.0)


def magenta(where: np.ndarray) -> Sample:
    """Part of the object in the colour that Cycles gives to an image that it did not find."""
    cosine = np.maximum(SOUND.normal @ SOUND.meta["lights"]["image_parallel"]["direction"], 0)
    shown = 3.0 / np.pi * cosine[..., None] * np.array([0.96, 0.004, 0.96])
    return with_image(
        SOUND, "image_parallel", np.where(where[..., None], shown, SOUND.images["image_parallel"])
    )


def exchanged_images() -> Sample:
    return with_image(SOUND, "image_parallel", SOUND.images["image_parallel"][::-1, ::-1])


def shuffled_images() -> Sample:
    image = SOUND.images["image_parallel"].copy()
    image[SOUND.mask] = np.random.default_rng(0).permutation(image[SOUND.mask])
    return with_image(SOUND, "image_parallel", image)


def turned(where: np.ndarray) -> Sample:
    return changed(SOUND, "normal", lambda a: np.where(where[..., None], -a, a))


def turned_gently() -> Sample:
    """Normals a little beyond the horizon, on more pixels than bump turns."""
    patch = np.zeros_like(SOUND.mask)
    patch[26:46, 26:46] = True
    return changed(SOUND, "normal", put(patch, np.array([0.98, 0.0, -np.sqrt(1 - 0.98**2)])))


# What is wrong, the check that is meant to find it, and what it says.
DAMAGES: list[tuple[str, Sample, str, str]] = [
    ("a name is missing", without("object", "licence"), "meta", "object.licence: Field required"),
    ("a section is missing", without(None, "exposure"), "meta", "exposure: Field required"),
    (
        "another schema",
        replace(SOUND, meta={**SOUND.meta, "schema": 99}),
        "meta",
        "schema: Input should be 1",
    ),
    ("another key", replace(SOUND, key="s000009-g0000-v0"), "meta", "is not the tar's"),
    ("a path", with_meta(SOUND, "object", id="/home/ann/cow.obj"), "meta", "object.id: .* is a path"),
    ("unknown light", with_meta(SOUND, "lights", image_point={"type": "lamp"}), "meta", "lights.image_point"),
    ("no exposure value", with_meta(SOUND, "exposure", image_point=0.0), "meta", "greater than 0"),
    (
        "camera of another size",
        with_meta(SOUND, "camera", width=SIZE + 8),
        "sizes",
        f"not \\({SIZE}, {SIZE + 8}",
    ),
    ("a frame lacks", changed(SOUND, "shading", lambda a: a[:8]), "sizes", r"shading is \(8, "),
    (
        "cast shading lacks",
        with_meta(replace(SOUND, shading=None), "shading", mode="cast"),
        "sizes",
        "not stored",
    ),
    ("NaN in a normal", changed(SOUND, "normal", put((*MIDDLE, 0), np.nan)), "finite", "normal: 1 values"),
    (
        "infinity in an image",
        with_image(SOUND, "image_env1", np.inf * np.ones((SIZE, SIZE, 3))),
        "finite",
        "env1",
    ),
    (
        "NaN in the depth",
        changed(SOUND, "depth", put(MIDDLE, np.nan)),
        "finite",
        "depth: 1 values are not a number",
    ),
    ("empty mask", changed(SOUND, "mask", np.zeros_like), "mask", "is empty"),
    (
        "leaves the frame",
        changed(SOUND, "mask", put((MIDDLE[0], slice(None)), True)),
        "mask",
        "image's border",
    ),
    (
        "normal off the mask",
        changed(SOUND, "normal", put((2, 3), [0, 0, 1])),
        "mask",
        "normal: is there at 1 pixels",
    ),
    ("normal missing", changed(SOUND, "normal", put(MIDDLE, 0)), "mask", "normal: is missing at 1 pixels"),
    ("depth off the mask", changed(SOUND, "depth", put((2, 3), 1.2)), "mask", "depth: is there at 1 pixels"),
    ("depth missing", changed(SOUND, "depth", put(MIDDLE, np.inf)), "mask", "depth: is missing at 1 pixels"),
    (
        "depth 0 off the mask",
        changed(SOUND, "depth", lambda a: np.where(SOUND.mask, a, 0)),
        "mask",
        "depth: is there",
    ),
    ("behind the camera", changed(SOUND, "depth", lambda a: -a), "mask", "not in front of the camera"),
    (
        "shading off the mask",
        changed(SOUND, "shading", put((4, 2, 3), 0.1)),
        "mask",
        "not 0 at 1 pixels off the mask",
    ),
    ("mask moved", changed(SOUND, "mask", moved), "mask", "normal: is missing"),
    ("coverage moved", changed(SOUND, "alpha", moved), "alpha", "beyond the mask's rim"),
    (
        "a hole in the coverage",
        changed(SOUND, "alpha", put((slice(30, 40), slice(30, 40)), 0)),
        "alpha",
        "uncovered",
    ),
    ("normals too long", changed(SOUND, "normal", lambda a: a * np.float32(1.01)), "unit normals", "0.01"),
    (
        "normals as colours",
        changed(SOUND, "normal", lambda a: a * 0.5 + 0.5),
        "unit normals",
        "not of unit length",
    ),
    (
        "normals inside out",
        changed(SOUND, "normal", lambda a: -a),
        "unit normals",
        "face away from the camera",
    ),
    ("a light not unit", with_directions([[0, 0, 2], *OTHER_LIGHTS]), "lights", "light 0: .* 2,"),
    ("lights in a plane", with_directions([[0, 0.6, 0.8], [0, 0, 1], [0, 1, 0]] * 3), "lights", "one plane"),
    ("a lamp not unit", lit("image_parallel", direction=[0, 0, 3]), "lights", "image_parallel .* length 3"),
    ("light from behind", lit("image_parallel", direction=[0, 0.6, -0.8]), "lights", "from behind"),
    ("lamp behind", lit("image_point", position=[0, 0, -3]), "lights", "behind the object"),
    ("lamp inside", lit("image_point", position=[0, 0.1, -1.6]), "lights", "inside the object"),
    ("light of another kind", with_meta(SOUND, "lights", image_point=SKY), "lights", "lit by .* environment"),
    (
        "image without light",
        with_image(SOUND, "image_env2", SOUND.images["image_env1"]),
        "lights",
        "image_env2 has no entry",
    ),
    ("light without image", with_meta(SOUND, "lights", image_env7=SKY), "lights", "image_env7 is no image"),
    (
        "image without exposure",
        replace(SOUND, meta={**SOUND.meta, "exposure": {}}),
        "lights",
        "exposure: image_parallel has none",
    ),
    (
        "negative shading",
        changed(SOUND, "shading", put((0, *MIDDLE), -0.2)),
        "shading",
        "1 values are negative",
    ),
    (
        "a frame brighter",
        changed(SOUND, "shading", put(2, SOUND.shading[2] * 1.02)),
        "shading",
        "frame 2 is not max",
    ),  # type: ignore[index]
    (
        "frames exchanged",
        changed(SOUND, "shading", lambda a: a[[1, 0, *range(2, 9)]]),
        "shading",
        "frame 0, 1 is not",
    ),
    ("frames mirrored", changed(SOUND, "shading", lambda a: a[:, :, ::-1]), "shading", "and 5 more is not"),
    ("cast too bright", cast(lambda a: np.multiply(a, 1.1, out=a)), "shading", "is brighter than"),
    ("cast too dark", cast(lambda a: np.multiply(a, 0.8, out=a)), "shading", "of what is lit is not"),
    ("a black frame", changed(PHOTOMETRIC, "shading", put(3, 0)), "shading", "frame 3 is black"),
    (
        "other normals",
        replace(SOUND, normal=make_sample(size=SIZE, bump=0.2).normal),
        "least squares",
        "on average",
    ),
    ("shading all dark", changed(SOUND, "shading", lambda a: a * 0), "least squares", "no pixel is lit"),
    ("x flipped", flipped(0), "depth", "with the normal's x flipped"),
    ("y flipped", flipped(1), "depth", "with the normal's y flipped"),
    ("x and y exchanged", exchanged(), "depth", "x and y exchanged"),
    ("normals at random", scattered(), "depth", r"\(median\) off the normal$"),
    ("distance along the ray", along_the_ray(SOUND), "depth", "distance along the ray"),
    ("depth in other units", changed(SOUND, "depth", lambda a: a * 10), "depth", "from the object's centre"),
    ("camera elsewhere", posed(np.eye(4)), "depth", "from the object's centre"),
    ("camera mirrored", posed(np.diag([1.0, 1, -1, 1])), "camera", "no rotation"),
    ("pose without its last row", posed(np.diag([1.0, 1, 1, 2])), "camera", "last row of camera_to_world"),
    (
        "camera far away",
        posed(np.eye(4) + np.eye(4, k=1) * 2e4 * (np.arange(4) == 3)),
        "camera",
        "farther than",
    ),
    ("focal length of 0", focal(0.0), "camera", "not positive"),
    ("focal length of a telescope", focal(1e5), "camera", "are plausible for"),
    ("focal length halved", focal(0.5), "depth", "if the focal lengths are 2 times those of K"),
    ("focal length doubled", focal(2.0), "depth", "if the focal lengths are 0.5 times those of K"),
    ("centre elsewhere", focal(1.0, centre=9.0), "camera", "lies far outside of the image"),
    ("K of another form", focal(1.0, last=2.0), "camera", "last row of K is 0, 0, 2"),
    ("K with a skew", focal(1.0, skew=0.1), "camera", "skew"),
    ("lamp off", unlit(SOUND, "image_point"), "exposure", "image_point: is black"),
    (
        "black at any exposure",
        black_under_its_light(),
        "appearance",
        "black .*, but its light hits 8.% of the",
    ),
    ("missing image", magenta(SOUND.mask), "appearance", "100% of the lit object is magenta"),
    ("missing decal", magenta(PATCH), "appearance", "image_parallel: .% of the lit object is magenta"),
    (
        "images of another object",
        exchanged_images(),
        "appearance",
        "correlation -0.* for material kind non-m",
    ),
    ("images at random", shuffled_images(), "appearance", "image_parallel: contradicts the normal"),
    ("some faces inside out", turned(PATCH), "unit normals", "beyond the rim face away .* by more than 30"),
    ("normals astray", turned_gently(), "unit normals", "2.% beyond the rim face away from the camera$"),
    (
        "overexposed",
        with_image(SOUND, "image_env0", SOUND.images["image_env0"] * 20),
        "exposure",
        "blown out",
    ),
    (
        "background left in",
        with_image(SOUND, "image_env0", SOUND.images["image_env0"] + 0.2),
        "exposure",
        "background is 0.2",
    ),
    (
        "basis of mirrored lights",
        with_meta(BASIS, "light_basis", directions=(ring() * [-1, 1, 1]).tolist()),
        "light basis",
        "fit their lights with x flipped",
    ),
    (
        "passes of another view",
        replace(PASSES, passes={name: values[:, ::-1] for name, values in PASSES.passes.items()}),
        "passes",
        "position: up to 0.* scene units from where depth and camera put it",
    ),
]


@pytest.mark.parametrize(
    ("sample", "check", "message"), [row[1:] for row in DAMAGES], ids=[row[0] for row in DAMAGES]
)
def test_damage_is_found_by_the_check_meant_for_it(sample: Sample, check: str, message: str) -> None:
    failed, _ = check_sample(replace(sample, meta={"encoding": {}, **sample.meta}))
    assert any(re.search(message, text) for text in failed.get(check, [])), failed


def test_an_object_that_no_light_reaches_may_be_dark() -> None:
    """Its image was exposed as far as the limit allows; there is nothing to be mended."""
    side = [POINT[0] * 4, 0.0, -DISTANCE + 0.1]  # less than half of the ball faces it
    dark = with_meta(unlit(lit("image_point", position=side), "image_point"), "exposure", image_point=64.0)
    failed, measures = check_sample(replace(dark, meta={"encoding": {}, **dark.meta}))
    assert not failed and measures["image_point_p99"] < 0.02


def test_every_check_is_shown_to_fail() -> None:
    assert {row[2] for row in DAMAGES} == set(CHECKS)


def checked(sample: Sample) -> tuple[dict[str, list[str]], dict[str, float]]:
    return check_sample(replace(sample, meta={"encoding": {}, **sample.meta}))


def test_a_purple_object_is_no_missing_image() -> None:
    purple = SOUND.images["image_parallel"] * 0 + magenta(SOUND.mask).images["image_parallel"] * [0.3, 1, 0.3]
    failed, _ = checked(with_image(SOUND, "image_parallel", purple))
    assert "appearance" not in failed


@pytest.mark.parametrize("kind", ["metallic", "own"])
def test_other_materials_than_matt_ones_need_not_follow_the_cosine(kind: str) -> None:
    failed, measures = checked(with_meta(shuffled_images(), "material", kind=kind))
    assert "appearance" not in failed
    assert ("image_parallel_agreement" in measures) == (kind == "own")


def test_bump_at_the_rim_is_not_turned_away() -> None:
    failed, _ = checked(make_sample(size=SIZE, bump=0.3))
    assert "unit normals" not in failed


def test_nearly_black_images_are_counted_and_named(tmp_path: Path) -> None:
    dim = with_image(SOUND, "image_env1", SOUND.images["image_env1"] * 0.02)
    dim.images["image_env1"][30:33, 30:33] = 1.0
    write_synthetic_shard(tmp_path / "a.tar", [dim])
    summary = summarise([inspect_shard(tmp_path / "a.tar")])
    (image,) = summary["nearly_black"]
    assert (image["key"], image["image"]) == (dim.key, "image_env1") and image["median"] < 0.005
    assert "nearly black   1 image, by their median luminance: s000000-g0000-v0 image_env1" in render_text(
        summary
    )


KEYS = ["s000000-g0000-v0", "s000000-g0000-v1", "s000000-g0001-v0"]


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "multishade-000000.tar"
    write_synthetic_shard(path, [make_sample(key, size=SIZE) for key in KEYS])
    return path


def reasons(path: Path) -> list[str]:
    return [f"{finding.check}: {finding.message}" for finding in inspect_shard(path).findings]


def test_a_sound_shard_is_counted(shard: Path) -> None:
    summary = summarise([inspect_shard(shard)])
    assert summary["sound"] and summary["findings"] == []
    assert (summary["samples"], summary["groups"], summary["objects"]) == (3, 2, 1)
    assert summary["lights"] == {"environment": 6, "parallel": 3, "point": 3}
    assert summary["environments"] == {"sky": 3, "sunset": 3}
    assert list(summary["files"])[-1] == "meta.json"
    assert summary["bytes"] == shard.stat().st_size
    assert summary["checks"] == dict.fromkeys((*SHARD_CHECKS, *CHECKS), 0)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_cut_tar_is_not_readable_and_not_what_the_marker_says(shard: Path) -> None:
    whole = shard.read_bytes()
    shard.write_bytes(whole[: whole.index(b"s000000-g0001-v0.normal.exr") + 900])
    found = reasons(shard)
    assert re.match(
        r"readable: cut short: 's000000-g0001-v0\.normal\.exr' at byte \d+ has 388 of its \d+", found[0]
    )
    assert re.match(r"hashes: bytes: the marker says \d+, the tar has \d+", found[1])


def test_one_flipped_bit_anywhere_is_found_by_the_hash(shard: Path, rng: np.random.Generator) -> None:
    whole = shard.read_bytes()
    for place in rng.integers(0, len(whole), 5):
        data = bytearray(whole)
        data[place] ^= 1
        shard.write_bytes(data)
        assert any(text.startswith("hashes: sha256: the marker says") for text in reasons(shard))


def test_a_damaged_file_is_named_and_the_other_samples_are_checked_all_the_same(shard: Path) -> None:
    whole = shard.read_bytes()
    start = whole.index(b"s000000-g0000-v1.mask.png") + 512
    shard.write_bytes(whole[: start + 60] + bytes(30) + whole[start + 90 :])
    report = inspect_shard(shard)
    assert [facts.key for facts in report.samples] == [KEYS[0], KEYS[2]]
    assert any(
        finding.check == "readable" and finding.key == KEYS[1] and "mask.png" in finding.message
        for finding in report.findings
    )


def test_samples_with_other_files_are_found_within_and_between_tars(tmp_path: Path) -> None:
    plain, more = make_sample(KEYS[0], size=SIZE), make_sample(KEYS[1], size=SIZE, normal_geometry=True)
    first = write_synthetic_shard(tmp_path / "a.tar", [plain])
    write_synthetic_shard(tmp_path / "b.tar", [more])
    together = summarise([inspect_shard(tmp_path / name) for name in ("a.tar", "b.tar")])
    assert [finding["message"] for finding in together["findings"]] == ["has normal_geometry.exr besides"]
    # No writer of ours mixes them in one tar; a joined tar does.
    import tarfile

    with tarfile.open(tmp_path / "joined.tar", "w") as joined:
        for name in ("a.tar", "b.tar"):
            with tarfile.open(tmp_path / name) as tar:
                for member in tar:
                    joined.addfile(member, tar.extractfile(member))
    commit_marker(tmp_path / "joined.tar", first)
    assert "files: has normal_geometry.exr besides" in reasons(tmp_path / "joined.tar")
    assert any(
        text.startswith("hashes: samples: the marker says 1, the tar has 2")
        for text in reasons(tmp_path / "joined.tar")
    )


def test_a_key_in_two_tars_is_found(shard: Path) -> None:
    copy = shard.with_name("multishade-000001.tar")
    shutil.copy(shard, copy)
    summary = summarise([inspect_shard(shard), inspect_shard(copy)])
    assert [finding["message"] for finding in summary["findings"]] == [
        "the key is in multishade-000000.tar too"
    ] * 3


def test_a_tar_without_marker_is_sound_but_says_that_nothing_was_compared(shard: Path) -> None:
    shard.with_suffix(".json").unlink()
    summary = summarise([inspect_shard(shard)])
    assert summary["sound"] and "no marker beside" in render_text(summary)
    shard.with_suffix(".json").write_text("{}")
    assert reasons(shard)[0].startswith("hashes:")


def test_failed_groups_in_the_marker_are_told(shard: Path) -> None:
    marker = read_marker(shard)
    assert marker is not None
    commit_marker(shard, marker, failures=[{"group": "s000000-g0002", "error": "no faces"}])
    assert "1 group could not be rendered" in render_text(summarise([inspect_shard(shard)]))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from multishade.cli.inspect import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def test_the_command_exits_0_with_a_page_and_a_sheet(shard: Path, tmp_path: Path) -> None:
    done = run(shard, "--sheet", tmp_path / "sheet.png", "--rows", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("1 shard, 2 groups, 3 samples")
    assert "\nsound\n" in done.stdout and "sheet.png: 2 of 3 samples" in done.stdout
    assert read_png(tmp_path / "sheet.png").shape[2] == 3


def test_the_command_exits_1_with_the_reasons_and_clean_json(shard: Path) -> None:
    whole = shard.read_bytes()
    start = whole.index(b"s000000-g0000-v1.normal.exr") + 512
    shard.write_bytes(whole[: start + 2000] + bytes(64) + whole[start + 2064 :])
    done = run(shard.parent, "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert {finding["check"] for finding in summary["findings"]} == {"readable", "hashes"}
    page = run(str(shard.parent / "*.tar"))
    assert page.returncode == 1
    assert re.search(
        r"FAIL  readable .*\n +multishade-000000.tar s000000-g0000-v1: .*normal\.exr", page.stdout
    )
    assert page.stdout.rstrip().endswith("not sound: 2 findings")


def test_the_command_exits_2_where_there_is_nothing_to_inspect(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2 and "no such tar" in done.stderr and done.stdout == ""
    assert run("--rows", "0", "x.tar").returncode == 2


def test_several_workers_say_the_same_as_one(shard: Path) -> None:
    write_synthetic_shard(
        shard.with_name("multishade-000001.tar"), [make_sample("s000001-g0000-v0", size=SIZE)]
    )
    assert run(shard.parent, "--json", "--workers", "2").stdout == run(shard.parent, "--json").stdout


@pytest.mark.parametrize("mode", ["cast", "photometric"])
def test_the_sheet_shows_every_mode_and_is_the_same_twice(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tar"
    write_synthetic_shard(path, [make_sample(key, size=SIZE, mode=mode, lights=15) for key in KEYS])
    pictures = []
    for name in ("one.png", "two.png"):
        assert draw_sheet(tmp_path / name, [path], rows=3, reasons={KEYS[1]: ["normal: something"]}) == 3
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]


def test_the_sheet_leaves_out_what_cannot_be_read(shard: Path, tmp_path: Path) -> None:
    whole = shard.read_bytes()
    start = whole.index(b"s000000-g0000-v1.mask.png") + 512
    shard.write_bytes(whole[: start + 60] + bytes(30) + whole[start + 90 :])
    (tmp_path / "broken.tar").write_bytes(b"x" * 5000)
    assert draw_sheet(tmp_path / "sheet.png", [shard, tmp_path / "broken.tar"], rows=8) == 2


def test_the_sheet_spreads_over_groups_and_views_and_puts_trouble_first() -> None:
    tar = Path("a.tar")
    places = [(tar, f"s0-g{group}-v{view}") for group in range(8) for view in range(3)]
    keys = [key for _, key in spread(places, 4, set())]
    assert keys == ["s0-g0-v0", "s0-g2-v1", "s0-g4-v2", "s0-g6-v0"]
    assert [key for _, key in spread(places, 2, {"s0-g5-v1"})][0] == "s0-g5-v1"
    assert len(spread(places, 100, set())) == 24
    assert [key for _, key in spread(places[:6], 3, set())] == ["s0-g0-v0", "s0-g0-v1", "s0-g1-v0"]


def test_points_and_normals_of_a_depth_map_are_those_of_the_sphere() -> None:
    for kind in ("perspective", "orthographic"):
        matrix = camera_matrix(kind, 256)
        mask, normal, depth = cast_sphere(kind, 256, matrix)
        points = depth_to_points(depth, matrix.tolist(), kind)
        np.testing.assert_allclose(np.linalg.norm(points[mask] + [0, 0, 1.65], axis=-1), 0.5, atol=1e-9)
        found, trusted = points_to_normals(points, mask)
        assert trusted.sum() > 0.8 * mask.sum()
        assert angular_error_degrees(found[trusted], normal[trusted]).max() < 0.5


def test_damaged_shards_never_stop_the_inspection(shard: Path, rng: np.random.Generator) -> None:
    """Random bytes in random places: a report, whatever they hit."""
    whole = shard.read_bytes()
    for _ in range(12):
        data = bytearray(whole)
        place = int(rng.integers(0, len(whole) - 64))
        data[place : place + 64] = rng.bytes(64)
        shard.write_bytes(data)
        assert not summarise([inspect_shard(shard)])["sound"]


def test_many_png_lights_take_one_line_of_the_page(tmp_path: Path) -> None:
    sample = make_sample(size=SIZE, mode="photometric", lights=12)
    write_synthetic_shard(tmp_path / "a.tar", [sample], FieldFormat(image="png16"))
    page = render_text(summarise([inspect_shard(tmp_path / "a.tar")]))
    assert page.count("light_") == 2 and "light_00.png ... light_11.png" in page
