# SPDX-License-Identifier: Apache-2.0
"""Normal maps come back from their many formats, and what is no normal is not taken for one."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from multishade.errors import ImageFileError
from multishade.imaging import codecs
from multishade.imaging.normal_maps import read_normal_map, write_normal_png
from tests.support.synthetic_benchmarks import ball, code_normal


@pytest.mark.parametrize(("bits", "degrees"), [(16, 0.003), (8, 0.5)])
def test_a_written_normal_map_comes_back(tmp_path: Path, bits: int, degrees: float) -> None:
    target = ball()
    path = tmp_path / "normal.png"
    if bits == 16:
        write_normal_png(path, target.normal, target.mask)
    else:
        codecs.write_png(path, code_normal(target.normal, 8))
    found = read_normal_map(path)
    assert not found[~target.mask].any()
    cosine = (found * target.normal).sum(2)[target.mask].clip(-1, 1)
    assert np.degrees(np.arccos(cosine)).max() < degrees + 0.03  # float32 arccos near 1 adds 0.03


def test_markers_for_no_normal_are_not_normals(tmp_path: Path) -> None:
    stored = np.array([[[0, 0, 1], [-1, -1, -1], [0, 0, 0], [np.nan, 0, 1], [0, -0.6, 0.8]]], np.float32)
    np.save(tmp_path / "n.npy", stored)
    found = read_normal_map(tmp_path / "n.npy")
    assert (found[0] != 0).any(axis=1).tolist() == [True, False, False, True, True]
    grey = np.full((1, 1, 3), 127, np.uint8)
    codecs.write_png(tmp_path / "grey.png", grey)
    assert not read_normal_map(tmp_path / "grey.png").any()


def test_normals_stored_as_half_n_plus_half_in_floats_are_named(tmp_path: Path) -> None:
    target = ball()
    np.save(tmp_path / "n.npy", target.normal * 0.5 + 0.5)
    with pytest.raises(ImageFileError, match="stored as n / 2"):
        read_normal_map(tmp_path / "n.npy")


def test_channels_first_arrays_are_understood(tmp_path: Path) -> None:
    target = ball()
    np.save(tmp_path / "n.npy", np.moveaxis(target.normal, 2, 0))
    assert read_normal_map(tmp_path / "n.npy") == pytest.approx(target.normal, abs=1e-6)


def test_matlab_and_text_truth_are_the_same_map(tmp_path: Path) -> None:
    target = ball()
    savemat(tmp_path / "Normal_gt.mat", {"Normal_gt": target.normal})
    np.savetxt(tmp_path / "normal.txt", target.normal.reshape(-1, 3))
    from_mat = read_normal_map(tmp_path / "Normal_gt.mat")
    from_text = read_normal_map(tmp_path / "normal.txt", target.mask.shape)
    assert from_mat == pytest.approx(from_text, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.png", None, "no such file"),
        ("torn.tif", b"II*\x00nonsense", "cannot be read as an image"),
        ("torn.npy", b"\x93NUMPY", "not a NumPy array"),
        ("torn.mat", b"not matlab", "not a MATLAB file"),
        ("torn.txt", b"1 2 three", "not a table of numbers"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageFileError, match=message) as caught:
        read_normal_map(tmp_path / name, (2, 2))
    assert name in str(caught.value)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_matlab_file_cut_short_is_named(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "Normal_gt.mat"
    savemat(path, {"Normal_gt": ball().normal}, do_compression=True)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ImageFileError, match="Normal_gt.mat"):
        read_normal_map(path)
