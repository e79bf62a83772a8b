# SPDX-License-Identifier: Apache-2.0
"""Faces that name a vertex twice: what they show is kept, in every format, with all that is laid on it."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blender_scripts import fbx_tree
from multishade.errors import AssetError
from tests.render.test_truth import rim
from tests.support import face_members, mesh_members
from tests.support.shown import SEEN_BY, Show, colour, is_ball

pytestmark = [pytest.mark.blender, pytest.mark.usefixtures("one_process")]
FILES = (
    *(
        "ball.obj",
        "text.ply",
        "windows.ply",
        "little.ply",
        "big.ply",
        "ball.blend",
        "stored.blend",
        "stored.fbx",
    ),
    *("ball.usda", "values.usda", "instance.usda", "crate.usdc", "package.usdz"),
    *("reference.usda", "times.usda"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ball in every format, and what imports of it have."""
    made = tmp_path_factory.mktemp("faces")
    command = [sys.executable, "-m", "tests.support.face_imports", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> Any:
    return json.loads((folder / "found.json").read_text())


def signed_area(polygon: list[int]) -> float:
    x, y = np.array(face_members.PLACES, float)[polygon].T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def test_a_polygon_is_parted_into_simple_ones_of_its_surface(folder: Path) -> None:
    turns = json.loads((folder / "parted.json").read_text())
    for parted in turns:
        assert parted["simple"] == [[0, 1, 2, 3]]
        assert [sorted(part) for part in parted["last twice"]] == [[0, 1, 2, 3]]
        assert [sorted(part) for part in parted["first and last"]] == [[0, 1, 2, 3]]
        assert [sorted(part) for part in parted["triangle"]] == [[0, 1, 2]]
        for nothing in ("line", "to and fro", "point"):
            assert parted[nothing] == [[]]
        for name, area in (("with a hole", 16 - 4), ("touching", 16 + 5), ("bridged", 8 + 6)):
            areas = [signed_area(part) for part in parted[name]]
            assert min(areas) > 0 and sum(areas) == pytest.approx(area), name
            assert all(len(set(part)) == len(part) for part in parted[name])
            assert {v for part in parted[name] for v in part} == set(face_members.POLYGONS[name])


@pytest.mark.parametrize("name", FILES)
def test_faces_are_kept_with_normals_uvs_and_numbers(found: Any, name: str) -> None:
    has = found[name]
    assert has["faces"] == face_members.SHOWN and not has["repaired"]
    assert has["degrees"] < (6 if name == "ball.blend" else 0.1)  # that one stores none
    assert (has["uv_error"] is None) == name.endswith(".ply") and (has["uv_error"] or 0) < 1e-5
    if has["numbers"] is not None:  # of the faces that they were, in their order: one has become two
        shape = face_members.repeating_ball()
        shown = [n for n, face in enumerate(shape.faces) if len(set(face)) > 2]
        assert has["numbers"] == sorted([*shown, max(shown, key=lambda n: len(shape.faces[n]))])
    if name in ("ball.blend", "stored.blend", "stored.fbx"):
        assert has["sharp_on_ring"] == face_members.SEGMENTS
        assert has["sharp"] <= face_members.SEGMENTS + 1  # FBX: and an edge that four faces shared


def test_every_file_has_numbers_or_its_format_does_not(found: Any) -> None:
    assert [name for name in FILES if found[name]["numbers"]] == [
        name for name in FILES if name.endswith((".blend", ".usda", ".usdc", ".usdz"))
    ]


@pytest.mark.parametrize("name", FILES)
def test_the_ball_is_whole(show: Show, folder: Path, name: str) -> None:
    rendered = show(folder / name)
    is_ball(rendered)
    assert "mesh-repaired" not in rendered.findings


@pytest.mark.parametrize("name", ["ball.usda", "instance.usda", "package.usdz"])
def test_materials_of_a_subset_stay_on_their_faces(show: Show, folder: Path, found: Any, name: str) -> None:
    assert found[name]["materials"] == {"Red": 573, "Blue": 573}
    rendered = show(folder / name)
    inside = rendered.mask & ~rim(rendered.mask)
    red, _, blue = np.moveaxis(rendered.images["image_parallel"], -1, 0)
    height = (
        rendered.normal @ np.array(SEEN_BY.camera_to_world)[2, :3]
    )  # the world's up, as the camera sees it
    assert (inside & (height < -0.1)).sum() > 100
    assert (red > 2 * blue)[inside & (height > 0.1)].all() and (blue > 2 * red)[
        inside & (height < -0.1)
    ].all()


def test_faces_outside_of_subsets_are_grey_if_the_mesh_has_no_material(show: Show, tmp_path: Path) -> None:
    face_members.write_usd(tmp_path / "a.usda", face_members.repeating_ball(), bound=False)
    rendered = show(tmp_path / "a.usda")
    inside = rendered.mask & ~rim(rendered.mask)
    red, _, blue = np.moveaxis(rendered.images["image_parallel"], -1, 0)
    height = rendered.normal @ np.array(SEEN_BY.camera_to_world)[2, :3]
    assert (red > 2 * blue)[inside & (height > 0.1)].all()
    assert np.isclose(red, blue, rtol=1e-3)[inside & (height < -0.1)].all()


@pytest.mark.parametrize("scheme", ["none", "bilinear"])
@pytest.mark.parametrize("material", [None, "M"])
def test_holes_of_a_usd_mesh_are_not_shown(
    show: Show, tmp_path: Path, scheme: str, material: str | None
) -> None:
    ball, floor = mesh_members.ball(), mesh_members.plane()
    both = mesh_members.Ball(
        np.concatenate([ball.vertices, floor.vertices]),
        np.concatenate([ball.normals, floor.normals]),
        np.concatenate([ball.uv, floor.uv]),
        np.concatenate([ball.faces, floor.faces + len(ball.vertices)]),
    )
    holes = f"int[] holeIndices = [{len(ball.faces)}, {len(ball.faces) + 1}, 9999, -1]"
    made = mesh_members.usd_material("M", color3f_diffuseColor=" = (0.8, 0.05, 0.05)")
    mesh = mesh_members.usd_mesh("S", both, material, extra=holes, scheme=scheme)
    mesh_members.write_usd(tmp_path / "a.usda", mesh, made)
    mesh_members.write_usd(tmp_path / "instance.usda", mesh_members.usd_instance("a.usda"))
    for name in ("a.usda", "instance.usda"):
        rendered = show(tmp_path / name)
        assert rendered.findings == ("transparent-parts",)
        is_ball(rendered)
        red, _, blue = colour(rendered)
        assert (red > 2 * blue) == (material is not None)


def test_holes_of_a_subdivision_surface_are_cut_from_it(show: Show, tmp_path: Path) -> None:
    for name, holes in (("whole", ""), ("cut", "int[] holeIndices = [0, 1, 2, 3, 4]")):
        mesh_members.write_usd(tmp_path / f"{name}.usda", mesh_members.usd_cube("catmullClark", holes))
    whole, cut = show(tmp_path / "whole.usda"), show(tmp_path / "cut.usda")
    assert whole.findings == () and cut.findings == ("transparent-parts",)
    assert 0 < cut.mask.sum() < 0.8 * whole.mask.sum()


def test_a_face_without_an_area_changes_nothing(show: Show, tmp_path: Path) -> None:
    # Blender's own importer loses the normals of such a USD file, and other faces at random.
    shape = mesh_members.ball()
    spiked = mesh_members.Ball(
        shape.vertices, shape.normals, shape.uv, np.insert(shape.faces, 7, [3, 9, 9], axis=0)
    )
    for name, mesh in (("clean", shape), ("spiked", spiked)):
        mesh_members.write_usd(tmp_path / f"{name}.usda", mesh_members.usd_mesh("S", mesh))
    clean = show(tmp_path / "clean.usda")
    for _ in range(4):
        np.testing.assert_array_equal(show(tmp_path / "spiked.usda").normal, clean.normal)


UNFIT = {
    "few normals": (b"LayerElementNormal", b"Normals", lambda values: values[:300]),
    "few indices": (b"LayerElementNormal", b"NormalsIndex", lambda values: values[:-1]),
    "indices of none": (b"LayerElementNormal", b"NormalsIndex", lambda values: values + 9),
    "an index of none": (b"LayerElementNormal", b"NormalsIndex", lambda values: np.append(values[1:], -1)),
    "few uvs": (b"LayerElementUV", b"UV", lambda values: values[:100]),
}


@pytest.mark.parametrize("name", UNFIT)
def test_layers_of_an_fbx_that_do_not_fit_are_left_out_and_said(
    show: Show, folder: Path, tmp_path: Path, name: str
) -> None:
    layer, array, change = UNFIT[name]
    tree = fbx_tree.read((folder / "stored.fbx").read_bytes())
    (objects,) = [node for node in tree.nodes if node.name == b"Objects"]
    (geometry,) = [node for node in objects.children or () if node.name == b"Geometry"]
    node = geometry.child(layer).child(array)  # type: ignore[union-attr]
    node.set_array(change(node.array()))  # type: ignore[union-attr]
    shutil.copytree(folder / "textures", tmp_path / "textures")
    (tmp_path / "a.fbx").write_bytes(fbx_tree.written(tree))
    rendered = show(tmp_path / "a.fbx")
    assert rendered.findings == ("mesh-repaired", "stray-geometry")
    is_ball(rendered)


def test_the_texture_of_an_fbx_is_found_although_a_copy_is_read(
    show: Show, folder: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "models" / "ball"  # so that the file's absolute names do not serve
    moved.mkdir(parents=True)
    shutil.copy(folder / "stored.fbx", moved)
    with pytest.raises(AssetError, match="gradient.png"):
        show(moved / "stored.fbx")
    shutil.copytree(folder / "textures", moved / "textures")
    rendered = show(moved / "stored.fbx")
    inside = rendered.mask & ~rim(rendered.mask)
    red, green, _ = np.moveaxis(rendered.images["image_parallel"], -1, 0)
    assert (red > 2 * green)[inside].mean() > 0.1 and (green > 2 * red)[inside].mean() > 0.1


def test_a_text_fbx_that_would_lose_a_face_is_refused_and_no_other(show: Show, folder: Path) -> None:
    with pytest.raises(AssetError, match="text.fbx.*names a vertex twice.*binary FBX"):
        show(folder / "texts" / "text.fbx")
    rendered = show(folder / "texts" / "without_loss.fbx")
    np.testing.assert_array_equal(rendered.normal, show(folder / "texts" / "binary.fbx").normal)
    assert rendered.mask.any()


def test_damaged_files_are_left_to_blenders_importer(folder: Path) -> None:
    assert json.loads((folder / "damaged.json").read_text()) == []


@pytest.mark.parametrize("name", ["little.ply", "text.ply", "stored.fbx"])
def test_a_cut_file_is_an_error_of_blenders_importer_or_less_of_the_ball(
    show: Show, folder: Path, tmp_path: Path, name: str
) -> None:
    data = (folder / name).read_bytes()
    for share in (0.3, 0.7, 0.97):
        (tmp_path / name).write_bytes(data[: int(share * len(data))])
        with contextlib.suppress(AssetError):
            show(tmp_path / name)
