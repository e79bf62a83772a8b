# SPDX-License-Identifier: Apache-2.0
"""Meshes that strangers bring, rendered by Blender: what a final render of the file shows, or a refusal by name.

The inputs of tests/cases were made after public bug reports; the others are further members of each kind, in every
format that can have it.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from multishade.assets.scanning.meshes import check_mesh
from multishade.cli import main
from multishade.errors import AssetError
from multishade.geometry.angles import angular_error_degrees
from multishade.render.blender import RenderedView
from multishade.shards.tar import read_shard
from tests.render.test_truth import OBLIQUE, analytic_sphere, rim
from tests.support import mesh_members as members
from tests.support.shown import SEEN_BY, Show, colour, is_ball, is_checkered

pytestmark = [pytest.mark.blender, pytest.mark.usefixtures("one_process")]

KTX2 = b"\xabKTX 20\xbb\r\n\x1a\n"
CASES = Path(__file__).resolve().parents[1] / "cases"


@pytest.fixture(scope="module")
def blends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The members that only Blender can write."""
    folder = tmp_path_factory.mktemp("blends")
    command = [sys.executable, "-m", "tests.support.blend_members", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def case(name: str) -> Path:
    return next(path for path in CASES.rglob(name))


# Corner normals that oppose their face


@pytest.mark.parametrize("name", ["f01_inverted_normals.glb", "f11_some_faces_flipped.glb"])
def test_normals_against_the_winding_face_the_camera(show: Show, name: str) -> None:
    is_ball(show(case(name)))


def mirrored_gltf(path: Path) -> None:
    members.write_gltf(path, members.ball(), scale=[-1, 1, 1], rotation=[0.5, 0.5, 0.5, 0.5])


OPPOSED = {
    "inverted.gltf": lambda path: members.write_gltf(path, members.inverted(members.ball())),
    "flipped.obj": lambda path: members.write_obj(path, members.flipped(members.ball())),
    "inverted.obj": lambda path: members.write_obj(path, members.inverted(members.ball())),
    "no_normals_flipped.obj": lambda path: members.write_obj(
        path, members.flipped(members.ball(48)), normals=False
    ),
    "inverted.ply": lambda path: members.write_ply(path, members.inverted(members.ball())),
    "flipped.ply": lambda path: members.write_ply(path, members.flipped(members.ball())),
    "inverted.usda": lambda path: members.write_usd(
        path, members.usd_mesh("S", members.inverted(members.ball()))
    ),
    "flipped.usda": lambda path: members.write_usd(
        path, members.usd_mesh("S", members.flipped(members.ball()))
    ),
    "left_handed.usda": lambda path: members.write_usd(
        path,
        members.usd_mesh(
            "S", members.flipped(members.ball(), 1.0), extra='uniform token orientation = "leftHanded"'
        ),
    ),
    "mirrored.glb": mirrored_gltf,
}


@pytest.mark.parametrize("name", OPPOSED)
def test_opposed_normals_of_every_format_face_the_camera(show: Show, tmp_path: Path, name: str) -> None:
    is_ball(show(members.stage(tmp_path, OPPOSED[name], name)))


@pytest.mark.parametrize(
    "name",
    [
        *("inverted_normals.blend", "flipped_winding_smooth.blend", "free_normals_turned.blend"),
        *("mirrored_instance.blend", "inverted_normals.fbx", "flipped_winding_smooth.fbx"),
    ],
)
def test_opposed_normals_from_blender_face_the_camera(show: Show, blends: Path, name: str) -> None:
    # An FBX stores the normals that Blender computed, which the faces beside a flipped one disturb.
    is_ball(show(blends / name), 90.0 if name == "flipped_winding_smooth.fbx" else 30.0)


# Images that do not decode


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("i01_truncated_jpeg.glb", "texture .* is damaged: it is cut short"),
        ("i02_truncated_png.glb", "texture .* (cut short|can decode)"),
        ("i07_normalmap_cut_jpg.glb", "texture .* is damaged: it is cut short"),
        ("t01_avif_only.glb", r"textures\[0\] has only EXT_texture_avif"),
        ("v23_teximage_without_image.blend", "image node without an image"),
        ("image_gif.glb", "is GIF, which is not read"),
        ("normal_trunc.glb", "texture .* (cut short|can decode)"),
    ],
)
def test_an_image_that_does_not_decode_is_refused_by_name(show: Show, name: str, reason: str) -> None:
    with pytest.raises(AssetError, match=reason):
        show(case(name))


def with_image(data: bytes, mime: str, slot: str, **how: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        writer = members.GltfWriter()
        texture = {"index": writer.image(data, mime, **how)}  # type: ignore[arg-type]
        material: dict = {"pbrMetallicRoughness": {"metallicFactor": 0}}
        inner = slot in ("baseColorTexture", "metallicRoughnessTexture")
        (material["pbrMetallicRoughness"] if inner else material)[slot] = texture
        writer.node(mesh=writer.mesh(members.ball(), material))
        writer.write(path)

    return write


def test_a_damaged_image_of_any_slot_and_container_is_refused(show: Show, tmp_path: Path) -> None:
    jpeg, webp, whole = members.encoded("JPEG"), members.encoded("WEBP"), members.checker()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    faults = {
        "roughness.glb": with_image(jpeg[: len(jpeg) * 3 // 4], "image/jpeg", "metallicRoughnessTexture"),
        "occluded.gltf": with_image(jpeg[:-200], "image/jpeg", "normalTexture", uri=True),
        "webp.glb": with_image(
            webp[: len(webp) // 2], "image/webp", "baseColorTexture", texture="EXT_texture_webp"
        ),
        "bit.glb": with_image(bytes(flipped), "image/png", "baseColorTexture"),
        "ktx.glb": with_image(KTX2, "image/ktx2", "baseColorTexture", texture="KHR_texture_basisu"),
        "text.glb": with_image(b"<html>404</html>", "image/png", "normalTexture"),
    }
    for name, write in faults.items():
        with pytest.raises(AssetError, match=r"texture|image"):
            show(members.stage(tmp_path, write, name))
    show(members.stage(tmp_path, with_image(jpeg, "image/jpeg", "normalTexture", uri=True), "whole.gltf"))
    show(members.stage(tmp_path, with_image(whole, "image/png", "baseColorTexture"), "whole.glb"))


def test_a_damaged_image_beside_an_obj_and_in_a_usd_is_refused(show: Show, tmp_path: Path) -> None:
    whole = members.checker(64)
    for name, data in (("cut", whole[:-30]), ("empty", b""), ("whole", whole)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "colour.png").write_bytes(data)
        members.write_obj(folder / "a.obj", members.ball(), mtl="newmtl m0\nKd 1 1 1\nmap_Kd colour.png\n")
        texture = (
            'def Shader "T" {\n uniform token info:id = "UsdUVTexture"\n asset inputs:file = @./colour.png@\n'
            " float3 outputs:rgb\n}"
        )
        material = members.usd_material("M", color3f_diffuseColor=".connect = </W/M/T.outputs:rgb>")
        material = material.removesuffix("}") + texture + "\n}"
        members.write_usd(folder / "a.usda", members.usd_mesh("S", members.ball(), "M"), material)
        for file in ("a.obj", "a.usda"):
            if name == "whole":
                is_ball(show(folder / file))
            else:
                with pytest.raises(AssetError, match=r"colour\.png"):
                    show(folder / file)


def test_an_image_whose_file_is_gone_is_refused_and_an_unused_node_is_not(show: Show, blends: Path) -> None:
    for name in ("image_without_file.blend", "image_without_file.fbx"):
        with pytest.raises(AssetError, match=r"gone\.png"):
            show(blends / name)
    is_ball(show(blends / "unused_image_node.blend"))


@pytest.mark.parametrize("bytes_behind", [False, True])
@pytest.mark.parametrize("indices", [False, True])
def test_an_empty_part_does_not_cost_the_object(
    show: Show, tmp_path: Path, bytes_behind: bool, indices: bool
) -> None:
    for beside in (False, True):
        members.with_an_empty_part(tmp_path / "a.glb", bytes_behind, indices, beside)
        is_ball(show(tmp_path / "a.glb"))


def test_ktx2_is_named_and_an_image_that_stands_in_for_it_is_shown(show: Show, tmp_path: Path) -> None:
    members.with_fallback(tmp_path / "fallback.glb")
    is_checkered(show(tmp_path / "fallback.glb"))
    (tmp_path / "c.ktx2").write_bytes(KTX2)
    members.write_obj(tmp_path / "a.obj", members.ball(), mtl="newmtl m0\nmap_Kd c.ktx2\n")
    only = with_image(KTX2, "image/ktx2", "baseColorTexture", texture="KHR_texture_basisu")
    for path in (tmp_path / "a.obj", members.stage(tmp_path, only, "only.glb")):
        with pytest.raises(AssetError, match="KTX2"):
            show(path)


@pytest.mark.parametrize("faces", [False, True])
def test_a_ply_of_triangle_strips_is_named(show: Show, tmp_path: Path, faces: bool) -> None:
    members.write_ply_strips(tmp_path / "a.ply", members.ball(), faces)
    with pytest.raises(AssetError, match="triangle strips"):
        show(tmp_path / "a.ply")


# Alpha below one half


@pytest.mark.parametrize("name", ["h02_alpha_factor03.glb", "h03_soft_shadow.glb"])
def test_what_is_mostly_transparent_is_a_hole_and_does_not_count_for_the_frame(show: Show, name: str) -> None:
    is_ball(show(case(name)))


def two_materials(
    first: dict, second: dict, floor_texture: np.ndarray | None = None
) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        writer = members.GltfWriter()
        if floor_texture is not None:
            index = writer.image(members.png(floor_texture))
            second.setdefault("pbrMetallicRoughness", {})["baseColorTexture"] = {"index": index}
        writer.node(mesh=writer.mesh(members.ball(), first))
        writer.node(mesh=writer.mesh(members.plane(), second))
        writer.write(path)

    return write


def grey(alpha: float, **more: object) -> dict:
    return {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.5, 0.5, alpha], "metallicFactor": 0}, **more}


def half_solid() -> np.ndarray:
    """A texture whose alpha is 0.35 everywhere."""
    texels = np.zeros((8, 8, 4), np.uint8)
    texels[..., 3] = 90
    return texels


UNLIT: dict = {"extensions": {"KHR_materials_unlit": {}}}


def vertex_alpha(path: Path) -> None:
    writer, floor = members.GltfWriter(), members.plane()
    colours = np.tile(np.array([0.5, 0.5, 0.5, 0.3], np.float32), (len(floor.vertices), 1))
    writer.node(mesh=writer.mesh(members.ball(), grey(1)))
    writer.node(mesh=writer.mesh(floor, grey(1, alphaMode="BLEND"), COLOR_0=colours))
    writer.write(path)


HOLES = {
    "vertices.glb": vertex_alpha,
    "unlit_factor.glb": two_materials(grey(1), grey(0.3, alphaMode="BLEND", **UNLIT)),
    "unlit_texture.glb": two_materials(grey(1), {"alphaMode": "MASK", **UNLIT}, half_solid()),
    "blend_factor.gltf": two_materials(grey(1), grey(0.49, alphaMode="BLEND")),
    "mask_factor.glb": two_materials(grey(1), grey(0.6, alphaMode="MASK", alphaCutoff=0.7)),
    "blend_texture.glb": two_materials(grey(1), {"alphaMode": "BLEND"}, half_solid()),
    "mask_texture.glb": two_materials(grey(1), {"alphaMode": "MASK"}, half_solid()),
    "dissolve.obj": lambda path: members.write_obj(
        path, members.ball(), members.plane(), mtl="newmtl m0\nKd .5 .5 .5\nnewmtl m1\nKd 0 0 0\nd 0.3\n"
    ),
    "transparency.obj": lambda path: members.write_obj(
        path, members.ball(), members.plane(), mtl="newmtl m0\nKd .5 .5 .5\nnewmtl m1\nKd 0 0 0\nTr 0.7\n"
    ),
    "opacity.usda": lambda path: members.write_usd(
        path,
        members.usd_mesh("S", members.ball()),
        members.usd_mesh("P", members.plane(), "M"),
        members.usd_material("M", float_opacity=" = 0.3"),
    ),
}
SOLID = {
    "opaque_ignores_alpha.glb": two_materials(grey(1), grey(0.1)),
    "half.glb": two_materials(grey(1), grey(0.5, alphaMode="BLEND")),
    "mask_low_cutoff.glb": two_materials(grey(1), {"alphaMode": "MASK", "alphaCutoff": 0.2}, half_solid()),
    "dissolve.obj": lambda path: members.write_obj(
        path, members.ball(), members.plane(), mtl="newmtl m0\nKd .5 .5 .5\nnewmtl m1\nKd 0 0 0\nd 0.7\n"
    ),
    "opacity.usda": lambda path: members.write_usd(
        path,
        members.usd_mesh("S", members.ball()),
        members.usd_mesh("P", members.plane(), "M"),
        members.usd_material("M", float_opacity=" = 0.7"),
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_of_every_format_is_a_hole(show: Show, tmp_path: Path, name: str) -> None:
    is_ball(show(members.stage(tmp_path, HOLES[name], name)))


@pytest.mark.parametrize("name", SOLID)
def test_what_is_mostly_solid_is_solid_in_image_and_truth(show: Show, tmp_path: Path, name: str) -> None:
    rendered = show(members.stage(tmp_path, SOLID[name], name))
    hit, _, _ = analytic_sphere(SEEN_BY)
    inside = rendered.mask & ~rim(rendered.mask)
    assert (rendered.mask & ~rim(hit)).any() and (rendered.alpha[inside] > 0.99).all()
    # The floor is six times as wide as the ball: where it shows, the ball is small.
    facing = angular_error_degrees(rendered.normal[rendered.mask], np.array([0.0, 0.0, 1.0]) @ OBLIQUE)
    assert (facing < 2).mean() > 0.5 or (facing > 178).mean() > 0.5


@pytest.mark.parametrize("name", ["alpha_constant.blend", "alpha_constant.fbx", "alpha_mix.blend"])
def test_a_transparent_plane_from_blender_is_a_hole(show: Show, blends: Path, name: str) -> None:
    is_ball(show(blends / name))


def test_holes_made_by_mixing_shaders_are_holes_in_image_and_truth_alike(show: Show, blends: Path) -> None:
    rendered = show(blends / "alpha_mix_textured.blend")
    solid = rendered.alpha > 0.5
    assert not (solid ^ rendered.mask)[~rim(rendered.mask)].any()
    assert set(np.unique(np.round(rendered.alpha[~rim(rendered.mask)], 2))) == {0.0, 1.0}


def test_an_object_that_is_wholly_transparent_is_refused(show: Show, tmp_path: Path) -> None:
    path = tmp_path / "ghost.glb"
    members.write_gltf(path, members.ball(), grey(0.2, alphaMode="BLEND"))
    with pytest.raises(AssetError, match="all of it is transparent"):
        show(path)


# Rest, visibility, render levels


@pytest.mark.parametrize(
    "name",
    [
        *("d01_scale_from_zero.glb", "c03_node_visibility.glb", "v01_collection_hide_render.blend"),
        *("v24_second_scene_active.blend",),
    ],
)
def test_what_a_final_render_at_rest_shows_is_rendered(show: Show, name: str) -> None:
    is_ball(show(case(name)))


def animated(path: Path, target: str, values: np.ndarray) -> None:
    writer = members.GltfWriter()
    writer.node(mesh=writer.mesh(members.ball()))
    times = writer.accessor(np.array([0.0, 1.0], np.float32))
    sampler = {"input": times, "output": writer.accessor(values.astype(np.float32))}
    channel = {"sampler": 0, "target": {"node": 0, "path": target}}
    writer.json["animations"] = [{"samplers": [sampler], "channels": [channel]}]
    writer.write(path)


def test_the_nodes_of_a_gltf_stand_where_they_are_not_where_an_animation_begins(
    show: Show, tmp_path: Path
) -> None:
    animated(tmp_path / "scaled.gltf", "scale", np.array([[5, 1, 1], [1, 1, 1]]))
    is_ball(show(tmp_path / "scaled.gltf"))


@pytest.mark.parametrize("default", ["double3 xformOp:scale = (1, 1, 1)", ""])
def test_a_usd_rests_at_its_defaults_and_else_at_its_first_sample(
    show: Show, tmp_path: Path, default: str
) -> None:
    first = 0.001 if default else 1
    samples = f"{{ 1: ({first}, {first}, {first}), 24: (1, 1, 7) }}"
    scaled = f"double3 xformOp:scale.timeSamples = {samples}"
    order = 'uniform token[] xformOpOrder = ["xformOp:scale"]'
    moving = members.usd_mesh("S", members.ball(), extra="\n".join([default, scaled, order]))
    members.write_usd(tmp_path / "a.usda", moving, head=" startTimeCode = 1\n endTimeCode = 24")
    # What it is is told by what stands beside it.
    beside = members.usd_mesh("P", members.ball(12, 0.2))
    members.write_usd(tmp_path / "b.usda", moving, beside)
    for name in ("a.usda", "b.usda"):
        is_ball(show(tmp_path / name))
        members.write_usd(tmp_path / "instance.usda", members.usd_instance(name))
        is_ball(show(tmp_path / "instance.usda"))


def hidden_parent(path: Path) -> None:
    writer = members.GltfWriter()
    writer.node(mesh=writer.mesh(members.ball()))
    child = writer.node(root=False, mesh=writer.mesh(members.plane()))
    writer.node(children=[child], extensions={"KHR_node_visibility": {"visible": False}})
    writer.json["extensionsUsed"] = ["KHR_node_visibility"]
    writer.write(path)


def second_scene(path: Path) -> None:
    writer = members.GltfWriter()
    writer.node(root=False, mesh=writer.mesh(members.plane()))
    writer.node(root=False, mesh=writer.mesh(members.ball()))
    writer.json |= {"scene": 1, "scenes": [{"nodes": [0]}, {"nodes": [1]}]}
    writer.write(path)


HIDDEN = {
    "hidden_parent.glb": hidden_parent,
    "second_scene.gltf": second_scene,
    "invisible.usda": lambda path: members.write_usd(
        path,
        members.usd_mesh("S", members.ball()),
        members.usd_mesh("P", members.plane(), extra='token visibility = "invisible"'),
    ),
    "guide_and_proxy.usda": lambda path: members.write_usd(
        path,
        members.usd_mesh("S", members.ball()),
        members.usd_mesh("G", members.plane(), extra='uniform token purpose = "guide"'),
        members.usd_mesh("P", members.plane(4.0), extra='uniform token purpose = "proxy"'),
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_a_file_hides_is_not_shown(show: Show, tmp_path: Path, name: str) -> None:
    is_ball(show(members.stage(tmp_path, HIDDEN[name], name)))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "hidden_object.blend",
            "hidden_in_viewport_only.blend",
            "excluded_collection.blend",
            "layer_not_used.blend",
        ),
        *("holdout_and_indirect.blend", "animated_current_frame.blend", "script_that_deletes.blend"),
        *("loose_geometry.blend", "animated_current_frame.fbx"),
    ],
)
def test_a_file_of_blender_shows_what_its_final_render_shows(show: Show, blends: Path, name: str) -> None:
    is_ball(show(blends / name))


def test_a_collection_that_one_of_two_view_layers_shows_is_shown(show: Show, blends: Path) -> None:
    with pytest.raises(AssertionError):
        is_ball(show(blends / "excluded_in_one_layer_of_two.blend"))


@pytest.mark.parametrize("path", ["v07_subsurf_viewport0_render4.blend", "multires_like_levels.blend"])
def test_subdivision_is_that_of_the_render(show: Show, blends: Path, path: str) -> None:
    rendered = show(blends / path if (blends / path).is_file() else case(path))
    # A cube has three normals; what it is subdivided to has as many as there are pixels.
    assert len(np.unique(np.round(rendered.normal[rendered.mask], 2), axis=0)) > 500


def limit_of_a_cube(rendered: RenderedView) -> None:
    """The Catmull-Clark limit of a cube: its distance from the centre is 0.84 (faces) to 0.87 (corners) of the cage's
    half side, and its normals are smooth."""
    hit, normal, _ = analytic_sphere(SEEN_BY)
    both = hit & rendered.mask
    assert both.sum() > 0.9 * hit.sum() and not (rendered.mask & ~hit & ~rim(hit)).any()
    assert angular_error_degrees(rendered.normal[both], normal[both]).max() < 20
    assert len(np.unique(np.round(rendered.normal[rendered.mask], 2), axis=0)) > 500


@pytest.mark.parametrize("scheme", ["catmullClark", None])
@pytest.mark.parametrize("normals", [False, True])
def test_a_usd_subdivision_surface_is_subdivided(
    show: Show, tmp_path: Path, scheme: str | None, normals: bool
) -> None:
    members.write_usd(tmp_path / "a.usda", members.usd_cube(scheme, normals=normals))
    limit_of_a_cube(show(tmp_path / "a.usda"))


ALL_EDGES = "0,1, 1,3, 3,2, 2,0, 3,5, 5,4, 4,2, 5,7, 7,6, 6,4, 7,1, 0,6"
CREASED = f"""int[] creaseIndices = [{ALL_EDGES}]
int[] creaseLengths = [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
float[] creaseSharpnesses = [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]"""


@pytest.mark.parametrize("scheme", ["catmullClark", None])
def test_a_usd_cube_with_sharp_creases_stays_a_cube(show: Show, tmp_path: Path, scheme: str | None) -> None:
    members.write_usd(tmp_path / "a.usda", members.usd_cube(scheme, CREASED))
    rendered = show(tmp_path / "a.usda")
    assert len(np.unique(np.round(rendered.normal[rendered.mask], 2), axis=0)) == 3
    for flat in ("none", "bilinear"):
        members.write_usd(tmp_path / "b.usda", members.usd_cube(flat))
        assert not (show(tmp_path / "b.usda").mask ^ rendered.mask)[~rim(rendered.mask)].any()


def test_a_scheme_that_blender_lacks_is_refused_by_name(show: Show, tmp_path: Path) -> None:
    members.write_usd(tmp_path / "a.usda", members.usd_mesh("S", members.ball(), scheme="loop"))
    with pytest.raises(AssetError, match="/W/S has the subdivision scheme 'loop'"):
        show(tmp_path / "a.usda")


def test_modifiers_count_as_they_do_in_a_render(show: Show, blends: Path) -> None:
    rendered = show(blends / "modifier_not_in_render.blend")
    x_axis = np.array([1.0, 0.0, 0.0]) @ OBLIQUE
    rows, columns = np.nonzero(rendered.mask)
    along = columns * x_axis[0] - rows * x_axis[1]
    across = columns * x_axis[1] + rows * x_axis[0]
    assert 1.5 < np.ptp(along) / np.ptp(across) < 4  # three cubes in a row, not ten


def test_hair_is_refused_by_name(show: Show, blends: Path) -> None:
    with pytest.raises(AssetError, match="hair"):
        show(blends / "hair.blend")


# Missing parts


def test_a_missing_part_is_refused_by_name(show: Show, blends: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"library .*gone\.blend.* is missing"):
        show(case("v11_linked_missing.blend"))
    with pytest.raises(AssetError, match=r"wheel\.usda.* is missing"):
        show(case("u12_reference_missing.usda"))
    is_ball(show(blends / "linked.blend"))
    for name in ("linked.blend", "library.blend"):
        shutil.copy(blends / name, tmp_path / name)
    shutil.copy(blends / "library_changed.blend", tmp_path / "library.blend")
    with pytest.raises(AssetError, match="no longer has it"):
        show(tmp_path / "linked.blend")


@pytest.mark.parametrize("how", ["payload", "sublayer", "whole"])
def test_every_arc_of_a_usd_is_followed(show: Show, tmp_path: Path, how: str) -> None:
    if how == "whole":
        members.write_usd(tmp_path / "part.usda", members.usd_mesh("S", members.ball()))
    head = " subLayers = [@./part.usda@]" if how == "sublayer" else ""
    arc = 'def "P" (prepend payload = @./part.usda@) {}' if how != "sublayer" else ""
    prims = [arc] if how == "whole" else [arc, members.usd_mesh("S", members.ball())]
    members.write_usd(tmp_path / "a.usda", *prims, head=head)
    if how == "whole":
        is_ball(show(tmp_path / "a.usda"))
    else:
        with pytest.raises(AssetError, match=r"part\.usda"):
            show(tmp_path / "a.usda")


def test_a_face_that_names_no_vertex_is_refused(show: Show) -> None:
    with pytest.raises(AssetError, match="vertex 40 of 4"):
        show(case("index40.usda"))


def test_nothing_outside_of_the_asset_is_read(show: Show, blends: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    folder = tmp_path / "a" / "b" / "c"
    for place in (secret, folder):
        place.mkdir(parents=True)
    text = (CASES / "passwd_as_geometry.gltf").read_text()
    (secret / "plain.bin").write_bytes(bytes(range(180)))
    (secret / "colour.png").write_bytes(members.checker())
    members.write_usd(secret / "part.usda", members.usd_mesh("S", members.ball()))
    shutil.copy(blends / "library.blend", secret / "library.blend")
    (folder / "up.gltf").write_text(text.replace("../../../../etc/passwd", "../../../secret/plain.bin"))
    (folder / "absolute.gltf").write_text(text.replace("../../../../etc/passwd", str(secret / "plain.bin")))
    (folder / "link.bin").symlink_to(secret / "plain.bin")
    (folder / "link.gltf").write_text(text.replace("../../../../etc/passwd", "link.bin"))
    mtl = "newmtl m0\nKd 1 1 1\nmap_Kd ../../../secret/colour.png\n"
    members.write_obj(folder / "map.obj", members.ball(), mtl=mtl)
    members.write_obj(folder / "library.obj", members.ball(), mtl="newmtl m0\nKd 1 0 0\n")
    (folder / "library.mtl").replace(secret / "library.mtl")
    text = (folder / "library.obj").read_text()
    (folder / "library.obj").write_text(
        text.replace("mtllib library.mtl", "mtllib ../../../secret/library.mtl")
    )
    members.write_usd(
        folder / "reference.usda", 'def "P" (prepend references = @../../../secret/part.usda@) {}'
    )
    members.write_ply(folder / "texture.ply", members.ball(), texture="../../../secret/colour.png")
    for name in ("linked.blend", "image_without_file.blend", "image_without_file.fbx"):
        shutil.copy(blends / name, folder / name)
    (folder / "library.blend").symlink_to(secret / "library.blend")
    (folder / "gone.png").symlink_to(secret / "colour.png")
    for file in sorted(folder.glob("*.*")):
        if file.suffix in (".gltf", ".obj", ".usda", ".ply", ".blend", ".fbx") and not file.is_symlink():
            with pytest.raises(AssetError, match="outside of"):
                show(file)


# Framing


@pytest.mark.parametrize("name", ["k01_axis_lines.glb", "k03_ply_stray.ply", "k04_zero_area_spike.glb"])
def test_only_faces_with_an_area_are_framed(show: Show, name: str) -> None:
    is_ball(show(case(name)))


def spiked(shape: members.Ball) -> members.Ball:
    far = np.array([[900.0, 0, 0], [0, 700.0, 0]])
    count = len(shape.vertices)
    faces = np.concatenate([shape.faces, [[0, count, count], [count + 1, 0, count + 1]]])
    normals = np.concatenate([shape.normals, [[0, 1, 0], [0, 1, 0]]])
    return members.Ball(
        np.concatenate([shape.vertices, far]), normals, np.resize(shape.uv, (count + 2, 2)), faces
    )


STRAY = {
    "lines.obj": lambda path: members.write_obj(
        path, members.ball(), extra="v 900 0 0\nv -900 0 0\nl -1 -2\n"
    ),
    "spike.usda": lambda path: members.write_usd(path, members.usd_mesh("S", spiked(members.ball()))),
    "spike.ply": lambda path: members.write_ply(path, spiked(members.ball())),
    "stray.ply": lambda path: members.write_ply(
        path, members.ball(), stray=np.array([[1e5, 0, 0], [0, -1e5, 2]])
    ),
}


@pytest.mark.parametrize("name", STRAY)
def test_stray_geometry_of_every_format_does_not_shrink_the_object(
    show: Show, tmp_path: Path, name: str
) -> None:
    is_ball(show(members.stage(tmp_path, STRAY[name], name)))


def test_a_size_that_is_not_the_scanned_one_is_refused(show: Show, tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    members.write_gltf(path, members.ball())
    is_ball(show(path, bounds=((-1.0, -1.0, -1.0), (1.0, 1.0, 1.2))))
    with pytest.raises(AssetError, match="scan it again"):
        show(path, bounds=((-1.0, -1.0, -1.0), (9.0, 1.0, 1.0)))


# Colour


def test_emission_over_black_is_the_colour(show: Show, blends: Path, tmp_path: Path) -> None:
    is_checkered(show(case("a01_emissive_only.glb")))
    np.testing.assert_allclose(colour(show(case("o04_ke_only.obj"))), [1, 0.375, 0.25], atol=0.15)
    glow = {
        "emissiveFactor": [0.8, 0.1, 0.1],
        "pbrMetallicRoughness": {"baseColorFactor": [0, 0, 0, 1], "metallicFactor": 0},
    }
    members.write_gltf(tmp_path / "a.gltf", members.ball(), glow)
    lit = members.usd_material(
        "M", color3f_emissiveColor=" = (0.8, 0.1, 0.1)", color3f_diffuseColor=" = (0, 0, 0)"
    )
    members.write_usd(tmp_path / "a.usda", members.usd_mesh("S", members.ball(), "M"), lit)
    files = [tmp_path / "a.gltf", tmp_path / "a.usda", blends / "emission_over_black.blend"]
    for path in [*files, blends / "emission_over_black.fbx"]:
        red, green, blue = colour(show(path))
        assert red == 1 and green < 0.4 and blue < 0.4, path.name


def test_a_colour_under_an_emission_is_kept(show: Show, tmp_path: Path) -> None:
    glow = {
        "emissiveFactor": [0.0, 1.0, 0.0],
        "pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.05, 0.05, 1], "metallicFactor": 0},
    }
    members.write_gltf(tmp_path / "a.glb", members.ball(), glow)
    red, green, _ = colour(show(tmp_path / "a.glb"))
    assert red == 1 and green < 0.4


@pytest.mark.parametrize("name", ["p01_texturefile.ply", "o10_bom.obj"])
def test_a_texture_that_a_comment_or_a_marked_library_names_is_shown(show: Show, name: str) -> None:
    is_checkered(show(case(name)))


def test_a_library_with_a_byte_order_mark_and_a_texture_one_folder_up_are_found(
    show: Show, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    (tmp_path / "textures").mkdir()
    folder.mkdir()
    (tmp_path / "textures" / "c.png").write_bytes(members.checker())
    members.write_obj(
        folder / "a.obj", members.ball(), mtl="\ufeffnewmtl m0\nKd 1 1 1\nmap_Kd ../textures/c.png\n"
    )
    is_checkered(show(folder / "a.obj"))


def test_a_ply_whose_texture_is_gone_is_refused(show: Show, tmp_path: Path) -> None:
    members.write_ply(tmp_path / "a.ply", members.ball(), texture="c.png")
    with pytest.raises(AssetError, match=r"c\.png.* is missing"):
        show(tmp_path / "a.ply")
    (tmp_path / "c.png").write_bytes(members.checker())
    is_checkered(show(tmp_path / "a.ply"))


@pytest.mark.parametrize("name", [r"C:\Users\me\my c.png", "/home/me/my c.png", "maps/my c.png"])
def test_a_texture_on_the_disk_of_a_ply_s_author_is_the_file_of_that_name_beside_it(
    show: Show, tmp_path: Path, name: str
) -> None:
    (tmp_path / "my c.png").write_bytes(members.checker())
    members.write_ply(tmp_path / "a.ply", members.ball(), texture=name)
    assert check_mesh(str(tmp_path / "a.ply")).files == ("my c.png",)
    is_checkered(show(tmp_path / "a.ply"))


# Normal maps

MARKED = ("normal-map-left-out",)


MAPPED = ["a.glb", "a.gltf", "a.obj", "bump.obj", "spaces.obj", "norm.obj", "names.obj", "a.usda"]


@pytest.mark.parametrize("name", MAPPED)
def test_a_height_in_the_place_of_a_normal_map_is_left_out_and_a_normal_map_is_not(
    show: Show, tmp_path: Path, name: str
) -> None:
    rendered = show(members.with_normal_map(tmp_path, name, members.grey()))
    assert rendered.findings == MARKED
    is_ball(rendered)
    leaning = show(members.with_normal_map(tmp_path, name, members.leaning()))
    assert leaning.findings == ()
    seen = rendered.mask & leaning.mask & ~rim(rendered.mask)
    angle = angular_error_degrees(leaning.normal[seen], rendered.normal[seen])
    # -bm 0.5 takes half of the way from the surface's own normal.
    assert np.median(angle) == pytest.approx(15 if name == "bump.obj" else 30, abs=1.5)


@pytest.mark.parametrize("kind", ["la", "16", "jpg", "tif"])
def test_a_height_in_any_file_is_left_out(show: Show, tmp_path: Path, kind: str) -> None:
    suffix = "png" if kind in ("la", "16") else kind
    (tmp_path / f"h.{suffix}").write_bytes(members.grey_in(kind))
    members.write_obj(tmp_path / "a.obj", members.ball(), mtl=f"newmtl m0\nmap_Bump -bm 1 h.{suffix}\n")
    assert "normal-map-left-out" in check_mesh(str(tmp_path / "a.obj")).tags
    assert show(tmp_path / "a.obj").findings == MARKED


@pytest.mark.parametrize(("few", "what"), [("vn", "normal"), ("vt", "texture coordinate")])
def test_an_obj_with_faces_that_name_nothing_is_refused(
    show: Show, tmp_path: Path, few: str, what: str
) -> None:
    path = tmp_path / "a.obj"
    members.write_obj(path, members.ball())
    lines = path.read_text().splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith(f"{few} "))
    path.write_text("\n".join(lines[:last] + lines[last + 1 :]))
    for read in (lambda: check_mesh(str(path)), lambda: show(path)):  # Blender drops one or two faces
        with pytest.raises(AssetError, match=f"line .*a face names {what} 325 of 324"):
            read()


def test_numbers_in_an_image_of_an_obj_are_read_as_they_are_stored(show: Show, tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(members.png(np.full((4, 4, 3), 128)))
    members.write_obj(tmp_path / "a.obj", members.ball(), mtl="newmtl m0\nKd 1 0 0\nPm 0.50196\nPr 0.50196\n")
    stated = show(tmp_path / "a.obj").images["image_parallel"]
    members.write_obj(
        tmp_path / "b.obj", members.ball(), mtl="newmtl m0\nKd 1 0 0\nmap_Pm half.png\nmap_Pr half.png\n"
    )
    np.testing.assert_allclose(show(tmp_path / "b.obj").images["image_parallel"], stated, atol=2e-3)
    mtl = "newmtl m0\nmap_Kd half.png\nmap_Pr half.png\n"  # one image as a colour and as numbers
    members.write_obj(tmp_path / "c.obj", members.ball(), mtl=mtl)
    grey = "newmtl m0\nKd 0.21586 0.21586 0.21586\nPr 0.50196\n"
    members.write_obj(tmp_path / "d.obj", members.ball(), mtl=grey)
    both, one = (show(tmp_path / name).images["image_parallel"] for name in ("c.obj", "d.obj"))
    np.testing.assert_allclose(both, one, atol=2e-3)


@pytest.mark.parametrize(
    "name", ["grey_normal_map.blend", "plain_grey_normal_map.blend", "plain_grey_normal_map.fbx"]
)
def test_a_height_in_the_place_of_a_normal_map_is_left_out_of_what_blender_alone_reads(
    show: Show, blends: Path, name: str
) -> None:
    rendered = show(blends / name)
    assert rendered.findings == MARKED
    assert lean(rendered) < 3


@pytest.mark.parametrize("name", ["leaning_normal_map.blend", "leaning_normal_map.fbx"])
def test_a_normal_map_of_what_blender_alone_reads_is_shown(show: Show, blends: Path, name: str) -> None:
    rendered = show(blends / name)
    assert rendered.findings == ()
    assert lean(rendered) == pytest.approx(30, abs=2)


def lean(rendered: RenderedView) -> float:
    """The median angle in degrees between the normals of a ball and those of the sphere."""
    hit, normal, _ = analytic_sphere(SEEN_BY)
    both = hit & rendered.mask & ~rim(rendered.mask)
    return float(np.median(angular_error_degrees(rendered.normal[both], normal[both])))


# What was corrected


@pytest.mark.parametrize(
    ("name", "findings"),
    [
        ("f01_inverted_normals.glb", ("normals-turned",)),
        ("a01_emissive_only.glb", ("colour-from-emission",)),
        ("h02_alpha_factor03.glb", ("transparent-parts",)),
        ("k04_zero_area_spike.glb", ("stray-geometry",)),
        ("o10_bom.obj", ()),
    ],
)
def test_what_was_corrected_is_reported(show: Show, name: str, findings: tuple[str, ...]) -> None:
    assert show(case(name)).findings == findings


def test_a_script_of_a_file_does_not_run_and_that_is_reported(show: Show, blends: Path) -> None:
    assert show(blends / "script_that_deletes.blend").findings == ("scripts-not-run",)
    assert show(blends / "hidden_object.blend").findings == ()


def test_corrections_are_in_the_meta_of_a_sample_and_absent_without_any(tmp_path: Path) -> None:
    for name in ("f01_inverted_normals.glb", "d01_scale_from_zero.glb"):
        (tmp_path / "meshes").mkdir(exist_ok=True)
        shutil.copy(case(name), tmp_path / "meshes" / name)
    manifest, recipe = tmp_path / "objects.jsonl", tmp_path / "recipe.yaml"
    assert main(["assets", "scan", str(tmp_path / "meshes"), "-o", str(manifest)]) == 0
    recipe.write_text(
        "name: t\nsources: {objects: [objects.jsonl]}\nmaterials: {own: 1.0, metallic: 0.0, non_metallic: 0.0}\n"
        "camera: {width: 32, height: 32}\nviews: {count: 1}\nshards: {groups: 2}\ngeometry: {samples: 4}\n"
        "lights: {parallel: {count: 1}, point: {count: 0}, environment: {count: 0}}\n"
        "render: {samples: {parallel: 1}}\n"
    )
    assert main(["render", str(recipe), "-o", str(tmp_path / "out"), "--workers", "1"]) == 0
    (shard,) = (tmp_path / "out").glob("*.tar")
    metas = [json.loads(files["meta.json"]) for _, files in read_shard(shard)]
    found = {meta["object"]["id"]: meta["object"].get("findings") for meta in metas}
    assert found == {"f01_inverted_normals": ["normals-turned"], "d01_scale_from_zero": None}
    assert {meta["renderer"]["geometry_samples"] for meta in metas} == {4}
    tags = {row["id"]: row["tags"] for row in map(json.loads, manifest.read_text().splitlines())}
    assert tags == {"f01_inverted_normals": ["normals-turned"], "d01_scale_from_zero": ["animated"]}
