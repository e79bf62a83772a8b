# SPDX-License-Identifier: Apache-2.0
"""A sample survives its files: every array at the precision its format promises, with equal bytes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multishade.errors import ShardError
from multishade.imaging.codecs import decode_png
from multishade.imaging.color import linear_to_png, linear_to_srgb, png_to_linear, srgb_to_linear
from multishade.shards.fields import light_names, round_normals_to_half
from multishade.shards.sample import FieldFormat, Sample, decode_sample, encode_sample, shading_of
from tests.support.synthetic import make_sample, with_meta

IMAGES = ["image_parallel", "image_point", "image_env0", "image_env1"]


def round_trip(sample: Sample, format: FieldFormat) -> Sample:
    return decode_sample(sample.key, dict(encode_sample(sample, format)))


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between vectors; by arctan, which keeps small angles."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.rad2deg(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1)))


def test_files_come_in_the_documented_order() -> None:
    names = [name for name, _ in encode_sample(make_sample(normal_geometry=True), FieldFormat())]
    assert names == [f"{image}.exr" for image in IMAGES] + [
        "alpha.png",
        "mask.png",
        "normal.exr",
        "normal_geometry.exr",
        "depth.exr",
        "shading.exr",
        "meta.json",
    ]


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_default_format_keeps_every_array(kind: str) -> None:
    sample = make_sample(kind=kind, normal_geometry=True)
    back = round_trip(sample, FieldFormat())
    np.testing.assert_array_equal(back.mask, sample.mask)
    np.testing.assert_array_equal(back.depth, sample.depth)
    np.testing.assert_allclose(back.alpha, sample.alpha, atol=0.5 / 255)
    np.testing.assert_allclose(back.shading, sample.shading, atol=2.5e-4)
    assert angle(back.normal[sample.mask], sample.normal[sample.mask]).max() < 0.02
    assert back.normal_geometry is not None and sample.normal_geometry is not None
    assert angle(back.normal_geometry[sample.mask], sample.normal_geometry[sample.mask]).max() < 0.02
    assert not back.normal[~sample.mask].any()
    assert list(back.images) == IMAGES
    for name, image in sample.images.items():
        error = np.abs(linear_to_srgb(back.images[name]) - linear_to_srgb(image))[sample.mask]
        assert np.sqrt(np.mean(error**2)) < 1.5 / 255, name


def test_float_normals_keep_every_bit() -> None:
    sample = make_sample()
    np.testing.assert_array_equal(round_trip(sample, FieldFormat(normal="float")).normal, sample.normal)


def test_half_normals_stray_less_than_plain_rounding(rng: np.random.Generator) -> None:
    normal = rng.normal(size=(100_000, 3))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    stored = round_normals_to_half(normal.astype(np.float32))
    assert angle(stored, normal).max() < 0.015 < 0.02 < angle(normal.astype(np.float16), normal).max()
    assert np.abs(np.linalg.norm(stored.astype(np.float64), axis=-1) - 1).max() < 7e-4


@pytest.mark.parametrize(("name", "bits"), [("png16", 16), ("png8", 8)])
def test_png_images_state_their_conversion_and_come_back_linear(name: str, bits: int) -> None:
    sample = make_sample()
    files = dict(encode_sample(sample, FieldFormat(image=name)))  # type: ignore[arg-type]
    assert [file for file in files if file.startswith("image_")] == [f"{image}.png" for image in IMAGES]
    assert json.loads(files["meta.json"])["encoding"]["image"] == {
        "file": "png",
        "bits": bits,
        "transfer": "srgb",
        "clip": [0, 1],
    }
    back = decode_sample(sample.key, files)
    for field, image in sample.images.items():
        display = np.abs(linear_to_srgb(back.images[field]) - linear_to_srgb(image))
        assert display.max() <= 0.51 / (2**bits - 1), field


@pytest.mark.parametrize("lights", [3, 9])
def test_photometric_images_are_one_file_or_one_png_for_each_light(lights: int) -> None:
    sample = make_sample(mode="photometric", lights=lights, size=48)
    exr = encode_sample(sample, FieldFormat(image_compression="zip"))
    assert "shading.exr" in dict(exr)
    png = encode_sample(sample, FieldFormat(image="png16"))
    assert [name for name, _ in png if name.startswith("light_")] == [
        f"light_0{k}.png" for k in range(lights)
    ]
    for files in (exr, png):
        back = decode_sample(sample.key, dict(files)).shading
        assert back is not None and sample.shading is not None
        assert back.shape == (lights, 48, 48, 3)
        np.testing.assert_allclose(back, sample.shading, atol=5e-4)


def test_light_names_sort_in_the_order_of_the_lights() -> None:
    for count in (1, 9, 96, 100, 101, 256):
        assert light_names(count) == sorted(light_names(count)) and len(set(light_names(count))) == count


def test_shading_that_is_not_stored_is_derived_to_the_same_array() -> None:
    sample = make_sample()
    files = dict(encode_sample(sample, FieldFormat(shading_stored=False)))
    assert "shading.exr" not in files
    back = decode_sample(sample.key, files)
    assert back.shading is None
    np.testing.assert_allclose(shading_of(back), sample.shading, atol=1e-3)
    stored = round_trip(sample, FieldFormat())
    assert shading_of(stored) is stored.shading


def test_equal_samples_give_equal_bytes_and_a_read_sample_is_written_as_it_was() -> None:
    format = FieldFormat(image_compression="zip")
    first, second = (encode_sample(make_sample(), format) for _ in range(2))
    assert first == second
    sample = make_sample()
    again = dict(encode_sample(decode_sample(sample.key, dict(first)), format))
    different = [name for name, data in first if again[name] != data]
    assert different in ([], ["normal.exr"]), "half normals may be rounded twice, nothing else changes"


def test_radiance_beyond_half_floats_is_stored_as_the_largest() -> None:
    sample = make_sample(size=32)
    sample.images["image_env0"][16, 16] = 1e6
    back = round_trip(sample, FieldFormat(image_compression="zip"))
    assert back.images["image_env0"][16, 16, 0] == 65504


@pytest.mark.parametrize("field", ["normal", "alpha", "shading", "depth"])
def test_values_that_are_not_finite_never_reach_a_file(field: str) -> None:
    sample = make_sample(size=32)
    getattr(sample, field).flat[500] = np.nan
    with pytest.raises(ShardError, match=f"s000000-g0000-v0: {field} has .* not finite"):
        encode_sample(sample, FieldFormat())


def test_wrong_samples_are_refused_by_name() -> None:
    sample = make_sample(size=32)
    cases = {
        "only letters, digits": replace(sample, key="a.b"),
        r"normal has shape \(32, 31, 3\)": replace(sample, normal=sample.normal[:, 1:]),
        r"shading has shape \(8,": replace(sample, shading=sample.shading[1:]),  # type: ignore[index]
        "has no shading": replace(sample, shading=None),
        "image field 'Image.1'": replace(sample, images={"Image.1": sample.images["image_env0"]}),
        "allowed: lambert, cast, photometric": with_meta(sample, "shading", mode="phong"),
        "cannot be written as JSON": with_meta(sample, "object", size=float("nan")),
    }
    for message, wrong in cases.items():
        with pytest.raises(ShardError, match=message):
            encode_sample(wrong, FieldFormat())
    with pytest.raises(ShardError, match="cannot be derived"):
        encode_sample(make_sample(mode="cast", size=32), FieldFormat(shading_stored=False))


def test_formats_are_refused_with_what_is_allowed() -> None:
    with pytest.raises(ShardError, match="image is 'jpg'; allowed: exr, png16, png8"):
        FieldFormat(image="jpg")  # type: ignore[arg-type]
    with pytest.raises(ShardError, match="data_compression is 'dwab'"):
        FieldFormat(data_compression="dwab")


def test_missing_and_damaged_files_are_named() -> None:
    files = dict(encode_sample(make_sample(size=32), FieldFormat()))
    with pytest.raises(ShardError, match=r"k: lacks mask\.png, depth\.exr"):
        decode_sample("k", {name: data for name, data in files.items() if name[:4] not in ("mask", "dept")})
    for name in files:
        with pytest.raises(ShardError, match=rf"k\.{name}"):
            decode_sample("k", {**files, name: files[name][: len(files[name]) // 2]})


def test_srgb_follows_the_standard_at_its_known_points() -> None:
    linear = np.array([0.0, 0.0031308, 0.18, 0.5, 1.0, 2.0, -1.0])
    expected = [0.0, 0.04045, 0.46136, 0.73536, 1.0, 1.0, 0.0]
    np.testing.assert_allclose(linear_to_srgb(linear), expected, atol=2e-5)
    np.testing.assert_allclose(srgb_to_linear(linear_to_srgb(linear))[:5], linear[:5], atol=1e-6)
    for bits in (8, 16):
        every = np.arange(2**bits, dtype=np.uint8 if bits == 8 else np.uint16)
        np.testing.assert_array_equal(linear_to_png(png_to_linear(every), bits), every)


def test_a_sample_has_a_short_repr_that_names_its_fields() -> None:
    text = repr(make_sample(size=32, mode="photometric"))
    assert text.startswith("Sample(s000000-g0000-v0: 32 x 32, image_parallel, image_point")
    assert "9 x shading photometric" in text and len(text) < 200


def test_a_sample_is_shown_in_a_notebook_and_plotted(tmp_path: Path) -> None:
    sample = make_sample(size=32)
    picture = decode_png(sample._repr_png_())
    assert picture.shape[2] == 3 and picture.std() > 10
    figure = sample.plot()
    assert "normal" in [axis.get_title() for axis in figure.axes]
    figure.savefig(tmp_path / "sample.png")
