# SPDX-License-Identifier: Apache-2.0
"""Material passes as fields: stored and read back, checked, shown, loaded; data sets without them stay as they were."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from multishade.cli import main
from multishade.config import fingerprint_fields, load_config
from multishade.data.fields import FieldSpec
from multishade.data.loader import Loader
from multishade.data.settings import Data, Geometric
from multishade.data.torch_dataset import ShardDataset
from multishade.errors import ConfigError, DataError, ShardError
from multishade.inspect.checks import check_sample
from multishade.inspect.page import write_page
from multishade.inspect.run import inspect_shards
from multishade.protocol.scene import PASSES
from multishade.render.cost import cost_of
from multishade.report.pictures import large_view, small_picture
from multishade.shards.dataset import Dataset
from multishade.shards.sample import FieldFormat, Sample, decode_sample, encode_sample
from tests.support.imports import REPOSITORY
from tests.support.synthetic import make_sample, with_passes, write_synthetic_shard

FILES = ("albedo.exr", "roughness.exr", "metallic.exr", "position.exr", "object_index.png")
RECIPE = REPOSITORY / "configs" / "demo.yaml"


@pytest.fixture(scope="module")
def sample() -> Sample:
    made = with_passes(make_sample(size=48, bump=0.0))
    return decode_sample(made.key, dict(encode_sample(made, FieldFormat())))  # as it is read from a shard


@pytest.fixture(scope="module")
def folder(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("passes")
    write_synthetic_shard(folder / "multishade-000000.tar", [sample])
    return folder


def test_passes_are_files_before_the_meta_and_come_back(sample: Sample) -> None:
    files = dict(encode_sample(sample, FieldFormat()))
    assert tuple(files)[-6:] == (*FILES, "meta.json")
    back = decode_sample(sample.key, files)
    assert tuple(back.passes) == PASSES
    for name, values in sample.passes.items():
        assert back.passes[name].dtype == values.dtype
        assert np.abs(back.passes[name].astype(float) - values).max() <= (0 if name[0] in "po" else 5e-4), (
            name
        )
    assert back.meta["encoding"]["albedo"] == {"file": "exr", "compression": "zip", "type": "half"}
    again = dict(encode_sample(back, FieldFormat()))
    assert all(again[name] == files[name] for name in FILES)


def test_without_passes_files_and_meta_are_what_they_were() -> None:
    plain = make_sample(size=48, bump=0.0)
    files = dict(encode_sample(plain, FieldFormat()))
    with_them = dict(encode_sample(with_passes(plain), FieldFormat()))
    assert not set(FILES) & set(files)
    assert all(with_them[name] == data for name, data in files.items() if name != "meta.json")
    assert not set(PASSES) & set(decode_sample(plain.key, files).meta["encoding"])


def test_the_fingerprint_changes_with_passes_only() -> None:
    plain = fingerprint_fields(load_config(RECIPE))
    assert plain == fingerprint_fields(load_config(RECIPE, ["formats.passes=[]"]))
    assert "passes" not in plain["formats"]
    turned = [
        fingerprint_fields(load_config(RECIPE, [f"formats.passes=[{names}]"]))
        for names in ("metallic, albedo", "albedo, metallic")
    ]
    assert turned[0] == turned[1] != plain and turned[0]["formats"]["passes"] == ["albedo", "metallic"]
    with pytest.raises(ConfigError, match=r"formats\.passes"):
        load_config(RECIPE, ["formats.passes=[colour]"])


def test_passes_cost_bytes() -> None:
    plain, more = (cost_of(load_config(RECIPE, [f"formats.passes=[{names}]"])) for names in ("", "albedo"))
    assert more.bytes > plain.bytes and more.seconds == plain.seconds


def test_wrong_shapes_and_names_are_refused(sample: Sample) -> None:
    for passes, message in (
        ({"albedo": sample.passes["roughness"]}, r"albedo has shape \(48, 48\), expected \(48, 48, 3\)"),
        ({"colour": sample.passes["roughness"]}, "a material pass is 'colour'; allowed: albedo"),
        (
            {"roughness": np.full((48, 48), np.nan, np.float32)},
            "roughness has 2304 values that are not finite",
        ),
    ):
        with pytest.raises(ShardError, match=message):
            encode_sample(replace(sample, passes=passes), FieldFormat())


def damaged(sample: Sample, name: str, change: str) -> Sample:
    values = sample.passes[name].copy()
    rows, columns = np.nonzero(sample.mask)
    if change == "off the mask":
        values[0, 0] = 1
    elif change == "missing":
        values[rows[0], columns[0]] = 0
    elif change == "moved":
        values[sample.mask] += 0.01
    else:
        values[rows[0], columns[0]] = 1.5
    return replace(sample, passes={**sample.passes, name: values})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("albedo", "off the mask", "albedo: is there at 1 pixels off the mask"),
        ("object_index", "missing", "object_index: is missing at 1 pixels of the mask"),
        ("position", "moved", "position: up to 0.01 scene units from where depth and camera put it"),
        ("roughness", "too large", "roughness: values from 0 to 1.5"),
    ],
)
def test_inspection_finds_what_is_wrong(sample: Sample, name: str, change: str, message: str) -> None:
    assert check_sample(sample)[0] == {}
    failed, _ = check_sample(damaged(sample, name, change))
    assert list(failed) == ["passes"] and message in failed["passes"]


def test_they_are_shown_on_page_sheet_and_in_the_viewer(sample: Sample, folder: Path, tmp_path: Path) -> None:
    names = [tile.name for tile in large_view(sample).pictures]
    assert names[-5:] == ["albedo", "roughness", "metallic", "position", "object index"]
    inspection = inspect_shards(folder)
    assert inspection.sound and inspection.summary["checks"]["passes"] == 0
    write_page(tmp_path / "page.html", inspection, [str(folder / "multishade-000000.tar")])
    assert '"object index"' in (tmp_path / "page.html").read_text()
    data = Dataset(folder)
    for name in PASSES:
        jpeg = small_picture(sample.key, lambda files: data.files(sample.key, files), data.fields, name, 32)
        assert jpeg.startswith(b"\xff\xd8")


@pytest.mark.parametrize(("kind", "ending"), [("png", "png"), ("exr", "exr")])
def test_they_are_exported(sample: Sample, folder: Path, tmp_path: Path, kind: str, ending: str) -> None:
    assert main(["export", str(folder), "--as", kind, "-o", str(tmp_path)]) == 0
    written = {path.name for path in (tmp_path / sample.key).iterdir()}
    assert {f"{name}.{ending}" for name in PASSES} <= written


def test_shard_datasets_give_them(sample: Sample, folder: Path) -> None:
    item = ShardDataset([folder], fields=("albedo", "metallic", "object_index", "position"))[0]
    assert item["albedo"].shape == item["position"].shape == (3, 48, 48)
    assert item["object_index"].dtype == torch.int32 and set(item["object_index"].unique().tolist()) == {
        0,
        1,
        2,
    }
    assert (item["metallic"][0].numpy() == sample.passes["metallic"]).all()


FIELDS = tuple(FieldSpec(name) for name in ("normal", "mask", "albedo", "roughness", "metallic"))  # type: ignore[arg-type]


def test_batches_hold_them_as_they_are_stored(sample: Sample, folder: Path) -> None:
    batch = next(iter(Loader(Data(shards=(str(folder),)), None, fields=FIELDS, batch_size=1)))
    assert batch.albedo.shape == (1, 3, 48, 48) and batch.roughness.shape == (1, 1, 48, 48)
    albedo = batch.albedo[0].permute(1, 2, 0).numpy()
    assert np.abs(albedo - sample.passes["albedo"]).max() < 5e-4
    assert (batch.metallic[0, 0].numpy() == sample.passes["metallic"]).all()


def test_they_move_with_the_pixels(sample: Sample, folder: Path) -> None:
    """Albedo is a function of the place on the sphere, which the turned normal still tells."""
    turned = Geometric(size=40, frame="object", rotation_degrees=(90, 90))
    batch = next(
        iter(Loader(Data(shards=(str(folder),), geometric=turned), None, fields=FIELDS, batch_size=1))
    )
    inside = batch.mask[0, 0] > 0
    assert not batch.albedo[0][:, ~inside].any()
    red, up = batch.albedo[0, 0][inside], batch.normal[0, 1][inside]
    # Columns grew to the right; a quarter turn counter-clockwise makes right up.
    assert np.corrcoef(red.numpy(), up.numpy())[0, 1] > 0.99


def test_a_shard_without_them_names_what_it_lacks(tmp_path: Path) -> None:
    write_synthetic_shard(tmp_path / "multishade-000000.tar", [make_sample(size=24)])
    with pytest.raises((DataError, ShardError), match=r"lacks albedo\.exr"):
        next(iter(Loader(Data(shards=(str(tmp_path),)), None, fields=FIELDS, batch_size=1)))
