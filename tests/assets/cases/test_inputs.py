# SPDX-License-Identifier: Apache-2.0
"""The inputs of the kinds of faulty assets: without a fault every format is accepted; each fault is in the file."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multishade.assets.scanning.gltf import accessor_values, read_gltf
from multishade.assets.scanning.map_images import read_map
from multishade.assets.scanning.meshes import READ_BY_TRIMESH, check_mesh
from multishade.imaging.codecs import read_exr
from tests.support import case_blender, case_maps
from tests.support.case_meshes import (
    WRITERS,
    CaseMesh,
    ball,
    cut,
    picture,
    with_alpha,
    with_axis_lines,
    with_opposed_normals,
    with_stray_vertex,
    with_texture,
    with_zero_area_spike,
)


def written(mesh: CaseMesh, folder: Path, suffix: str) -> Path:
    return WRITERS[suffix](mesh, folder / f"case.{suffix}")


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_ball_without_a_fault_is_accepted(tmp_path: Path, suffix: str) -> None:
    mesh = with_texture(ball(), "base_color", "color.png", picture("PNG"))
    path = written(mesh, tmp_path, suffix)
    facts = check_mesh(str(path))
    if path.suffix in READ_BY_TRIMESH:
        assert facts.faces == len(mesh.faces)
        np.testing.assert_allclose(facts.bounds, [[-1, -1, -1], [1, 1, 1]], atol=1e-6)


@pytest.mark.blender
@pytest.mark.parametrize("suffix", ["fbx", "blend"])
def test_a_ball_that_blender_writes_is_accepted(tmp_path: Path, suffix: str) -> None:
    path = case_blender.convert(written(ball(), tmp_path, "glb"), tmp_path / f"case.{suffix}")
    assert check_mesh(str(path)).tags == ("unchecked",)


@pytest.mark.parametrize("suffix", ["glb", "gltf", "obj", "ply"])
@pytest.mark.parametrize("share", [0.0, 0.04, 1.0])
def test_a_share_of_the_faces_is_opposed_by_their_normals(tmp_path: Path, suffix: str, share: float) -> None:
    vertices, normals, faces = stated(written(with_opposed_normals(ball(), share), tmp_path, suffix))
    corners = vertices[faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    opposed = np.einsum("ij,ij->i", facing, normals[faces].sum(axis=1)) < 0
    assert np.mean(opposed) == pytest.approx(share, abs=1e-3)


def stated(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, normals and faces as the file states them; trimesh replaces the normals by its own."""
    if path.suffix in (".glb", ".gltf"):
        gltf = read_gltf(path)
        vertices, normals, _, faces = (accessor_values(gltf, number, "the test") for number in range(4))
        return vertices, normals, faces.reshape(-1, 3)
    lines = [line.split() for line in path.read_text().split("\n")]
    if path.suffix == ".obj":
        rows = {
            keyword: [line[1:] for line in lines if line and line[0] == keyword]
            for keyword in ("v", "vn", "f")
        }
        faces = np.array([[int(corner.split("/")[0]) - 1 for corner in face] for face in rows["f"]])
        return np.array(rows["v"], float), np.array(rows["vn"], float), faces
    body = lines[lines.index(["end_header"]) + 1 :]
    table = np.array([line for line in body if len(line) == 8], float)
    return table[:, :3], table[:, 3:6], np.array([line[1:] for line in body if len(line) == 4], int)


@pytest.mark.parametrize("fault", [with_axis_lines, with_stray_vertex, with_zero_area_spike])
def test_framing_faults_reach_out_of_the_faces_with_area(fault: Callable[[CaseMesh], CaseMesh]) -> None:
    mesh = fault(ball())
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert np.abs(mesh.vertices).max() == 1000
    assert np.abs(corners[area > 1e-9]).max() <= 1 + 1e-9


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_cut_picture_cannot_be_decoded_completely(format: str) -> None:
    data = picture(format)
    Image.open(io.BytesIO(data)).load()
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(cut(data))).load()


def test_alpha_and_a_normal_map_are_in_the_glb(tmp_path: Path) -> None:
    mesh = with_texture(with_alpha(ball(), 0.3), "normal", "n.jpg", cut(picture("JPEG")))
    (material,) = read_gltf(written(mesh, tmp_path, "glb")).items("materials")
    assert material["pbrMetallicRoughness"]["baseColorFactor"][3] == 0.3
    assert material["alphaMode"] == "BLEND" and "normalTexture" in material


@pytest.mark.blender
def test_blend_files_of_levels_and_libraries_are_written(tmp_path: Path) -> None:
    assert check_mesh(str(case_blender.subdivided_cube(tmp_path / "levels.blend", 0, 4)))
    assert check_mesh(str(case_blender.with_missing_library(tmp_path / "linked.blend")))
    assert not (tmp_path / "library.blend").exists()


def test_map_sets_have_their_faults(tmp_path: Path) -> None:
    assert read_map(case_maps.smoothness_set(tmp_path)).mean() == pytest.approx(0.8)
    assert [path.suffixes[0] for path in case_maps.udim_set(tmp_path)] == [".1001", ".1002", ".1003"]
    assert set(read_exr(case_maps.layered_exr_set(tmp_path))) == {"R", "G", "B", "AO.Y"}
    heights = read_map(case_maps.height_in_metres_set(tmp_path))
    assert (heights.min(), heights.max()) == (-12.0, 13.0)


def test_an_hdr_of_the_usual_orientation_is_read(tmp_path: Path) -> None:
    from multishade.assets.scanning.environments import check_environment

    facts = check_environment(str(case_maps.write_hdr(tmp_path / "usual.hdr")))
    assert (facts.width, facts.height) == (32, 16)
    assert b"+Y 16 +X 32" in case_maps.write_hdr(tmp_path / "up.hdr", "+Y {height} +X {width}").read_bytes()
