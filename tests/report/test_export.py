# SPDX-License-Identifier: Apache-2.0
"""Exported samples: other readers find the values of the shard, and the folder of a sequence solves to its truth."""

import json
from pathlib import Path

import numpy as np
import pytest

from multishade.cli import main
from multishade.evaluation.readers import diligent, folder
from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import codecs
from multishade.imaging.color import linear_to_srgb
from multishade.imaging.normal_maps import read_normal_map
from multishade.imaging.read import read_image
from multishade.report.export import KINDS, export_sample
from multishade.shards.sample import FieldFormat, Sample
from tests.support.synthetic import make_sample, write_synthetic_shard

KEY = "s000000-g0000-v0"
LOSSLESS = FieldFormat(image_compression="zip")


@pytest.fixture
def photometric() -> Sample:
    return make_sample(size=48, mode="photometric", lights=12, kind="orthographic")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_mask_and_meta_and_lists_its_files(kind: str, tmp_path: Path) -> None:
    sample = make_sample(size=32)
    paths = export_sample(sample, tmp_path / KEY, kind)
    assert sorted(paths) == sorted((tmp_path / KEY).iterdir())
    assert (codecs.read_png(tmp_path / KEY / "mask.png") > 127).tolist() == sample.mask.tolist()
    assert json.loads((tmp_path / KEY / "meta.json").read_text())["key"] == KEY


def test_the_folder_of_a_photometric_sample_solves_to_the_truth_of_the_shard(
    photometric: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = tmp_path / "multishade-000000.tar"
    write_synthetic_shard(shard, [photometric], LOSSLESS)
    assert main(["export", str(shard), KEY, "--as", "folder", "-o", str(tmp_path / "out")]) == 0
    solved = tmp_path / "solved"
    arguments = ["--method", "relu", "--video", "none", "--integrate", "none", "-o", str(solved)]
    assert main(["solve", str(tmp_path / "out" / KEY), *arguments]) == 0
    assert "mean angular error 0.0" in capsys.readouterr().out
    error = angular_error_degrees(read_normal_map(solved / "normal.exr"), photometric.normal)
    assert np.nanmax(error[photometric.mask]) < 0.5


def test_the_folder_has_the_layout_of_diligent(photometric: Sample, tmp_path: Path) -> None:
    export_sample(photometric, tmp_path / "ballPNG", "folder")
    target = diligent.read_object(tmp_path / "ballPNG", "diligent", "ball")
    assert len(target.image_names) == 12
    assert photometric.shading is not None
    inside = photometric.shading * photometric.mask[..., None]
    assert target.images() == pytest.approx(inside, abs=inside.max() / 60000)
    assert target.true_normal[photometric.mask] == pytest.approx(
        photometric.normal[photometric.mask], abs=1e-6
    )
    assert target.directions == pytest.approx(np.asarray(photometric.info.shading.directions), abs=1e-7)


def test_a_perspective_sample_keeps_its_camera_and_depth(tmp_path: Path) -> None:
    sample = make_sample(size=32, mode="photometric")
    export_sample(sample, tmp_path, "folder")
    target = folder.read_object(tmp_path)
    assert target.camera == pytest.approx(np.asarray(sample.info.camera.K))
    assert target.depth is not None
    assert target.depth[sample.mask] == pytest.approx(sample.depth[sample.mask])


def test_exr_files_hold_the_values_of_the_sample(tmp_path: Path) -> None:
    sample = make_sample(size=32)
    export_sample(sample, tmp_path, "exr")
    for name, image in sample.images.items():
        assert np.array_equal(read_image(tmp_path / f"{name}.exr").rgb, image)
    assert np.array_equal(codecs.read_exr(tmp_path / "depth.exr")["Y"], sample.depth)


def test_png_images_over_black_are_the_encoded_image(tmp_path: Path) -> None:
    sample = make_sample(size=32)
    export_sample(sample, tmp_path, "png")
    picture = codecs.read_png(tmp_path / "image_parallel.png")
    inside = sample.alpha == 1
    expected = linear_to_srgb(np.clip(sample.images["image_parallel"], 0, 1))
    assert picture[inside][:, :3] / 255 == pytest.approx(expected[inside], abs=0.003)
    assert not picture[sample.alpha == 0][:, 3].any()


def test_a_folder_that_cannot_be_made_is_named(
    photometric: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_synthetic_shard(tmp_path / "multishade-000000.tar", [photometric])
    (tmp_path / "file").write_text("")
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_all_samples_are_exported_unless_keys_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = [make_sample(f"s000000-g0000-v{view}", size=24) for view in range(2)]
    write_synthetic_shard(tmp_path / "multishade-000000.tar", samples)
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "all")]) == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [each.key for each in samples]
    assert main(["export", str(tmp_path), "s000000-g0000-v7", "-o", str(tmp_path / "none")]) == 2
    assert "has no sample 's000000-g0000-v7'" in capsys.readouterr().err


def test_solve_takes_a_sample_of_a_shard_by_key_or_in_its_place(
    photometric: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = tmp_path / "multishade-000000.tar"
    other = make_sample("s000000-g0001-v0", size=48, mode="photometric", lights=12, kind="orthographic")
    write_synthetic_shard(shard, [photometric, other], LOSSLESS)
    arguments = ["--method", "relu", "--video", "none", "--integrate", "none", "-o", str(tmp_path / "out")]
    for place in ([str(shard), "--key", KEY], [f"{shard}#{KEY}"], [f"{tmp_path}#{KEY}"]):
        assert main(["solve", *place, *arguments]) == 0
        assert "mean angular error 0.0" in capsys.readouterr().out
    assert main(["solve", str(shard), *arguments]) == 2
    assert "has 2 samples" in capsys.readouterr().err
