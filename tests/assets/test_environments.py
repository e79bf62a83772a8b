# SPDX-License-Identifier: Apache-2.0
"""Environments as strangers bring them: ringing, broken pixels, layers, lines from below; what is refused says why."""

from pathlib import Path

import numpy as np
import pytest

from multishade.assets.manifest import read_environments
from multishade.assets.scanning.environments import check_environment
from multishade.assets.scanning.scan import ScanOptions, scan, write_scan
from multishade.assets.schema import row_as_json
from multishade.errors import AssetError
from tests.support.case_maps import write_exr, write_hdr


def write(path: Path, image: np.ndarray, extra: str | None = None) -> Path:
    channels = {name: np.ascontiguousarray(image[..., at], np.float32) for at, name in enumerate("RGB")}
    if extra:
        channels[extra] = channels["R"]
    return write_exr(path, channels)


def ringing(negative: float) -> np.ndarray:
    image = np.ones((64, 128, 3), np.float32)
    image[30:34, 60:64] = 500.0
    image[29, 59:65] = negative
    return image


def test_ringing_is_tagged_with_its_share(tmp_path: Path) -> None:
    write(tmp_path / "sunset.exr", ringing(-99.7))
    result = scan(tmp_path, tmp_path / "m.jsonl", ScanOptions())
    write_scan(result, tmp_path / "m.jsonl")
    (row,) = read_environments(tmp_path / "m.jsonl")
    assert row.tags == ("negative-radiance",) and row.needs_repair
    assert row.negative_share == pytest.approx(6 * 99.7 / (16 * 500 + 64 * 128 * 2 / np.pi), rel=0.05)


def test_a_sound_row_is_what_it_always_was(tmp_path: Path) -> None:
    write(tmp_path / "plain.exr", np.full((8, 16, 3), 2.0))
    (row,) = scan(tmp_path, tmp_path / "m.jsonl", ScanOptions()).rows
    names = ["id", "source", "location", "sha256", "licence", "split", "tags", "width", "height"]
    assert list(row_as_json(row)) == names


def test_ringing_that_would_change_the_light_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "e.exr", ringing(-700.0))
    with pytest.raises(
        AssetError, match=r"has negative radiance with \d\d% of the energy \(up to 15% is set to 0"
    ):
        check_environment(str(path))


def test_few_broken_pixels_are_repaired_and_many_are_refused(tmp_path: Path) -> None:
    image = np.ones((64, 128, 3), np.float32)
    image[20, 30], image[20, 31] = np.nan, np.inf
    facts = check_environment(str(write(tmp_path / "few.exr", image)))
    assert (facts.broken, facts.tags) == (2, ("clipped", "broken-pixels"))
    image[10] = np.nan
    with pytest.raises(AssetError, match=r"has 130 pixels that are NaN or infinite \(1\.59%"):
        check_environment(str(write(tmp_path / "many.exr", image)))


def test_layers_and_lines_from_below_are_read(tmp_path: Path) -> None:
    layered = check_environment(str(write(tmp_path / "layered.exr", ringing(1.0), "AO.Y")))
    assert (layered.width, layered.tags) == (128, ())
    assert check_environment(str(write_hdr(tmp_path / "below.hdr", "+Y {height} +X {width}"))).width == 32


def test_the_widely_used_ones_with_ringing_are_read(shared_dir: Path, tmp_path: Path) -> None:
    folder = shared_dir / "assets" / "environments_cc0"
    result = scan(folder, tmp_path / "m.jsonl", ScanOptions(kind="environments"))
    assert (len(result.rows), result.rejections) == (18, ())
    assert sum("negative-radiance" in row.tags for row in result.rows) == 17
