# SPDX-License-Identifier: Apache-2.0
"""Map sets as strangers name them: smoothness, packed maps, levels of detail, copies, UDIM tiles, unknown maps."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from multishade.assets.manifest import read_materials
from multishade.assets.scanning import materials
from multishade.assets.scanning.map_names import parse_name
from multishade.assets.scanning.materials import MapSet, check_map_set, find_map_sets
from multishade.assets.scanning.scan import ScanOptions, scan, write_scan
from multishade.assets.schema import MaterialRow
from multishade.config import load_config
from multishade.errors import AssetError, MultiShadeError
from multishade.imaging.read import read_image
from multishade.render.copies import readable_material
from multishade.render.plan import make_plan
from tests.support import case_maps

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"


def only(folder: Path, *names: str) -> MapSet:
    (found,) = find_map_sets(folder / name for name in names)
    return found


def write_packed(path: Path, red: int, green: int, blue: int) -> Path:
    Image.fromarray(np.full((16, 16, 3), (red, green, blue), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("word", ["Smoothness", "gloss", "Glossiness", "smooth"])
def test_smoothness_is_inverted_roughness(tmp_path: Path, word: str) -> None:
    found = only(tmp_path, "B_Albedo.png", "B_Normal.png", f"B_{word}.png")
    assert found.problem is None
    assert (found.maps["roughness"], found.inverted) == (f"B_{word}.png", ("roughness",))


def test_roughness_itself_is_preferred_to_smoothness(tmp_path: Path) -> None:
    found = only(tmp_path, "B_Albedo.png", "B_Rough.png", "B_Smoothness.png")
    assert (found.maps["roughness"], found.inverted) == ("B_Rough.png", ())


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ORM", {"ao": "R", "roughness": "G", "metallic": "B"}),
        ("arm", {"ao": "R", "roughness": "G", "metallic": "B"}),
        ("RMA", {"roughness": "R", "metallic": "G", "ao": "B"}),
        ("MRAO", {"metallic": "R", "roughness": "G", "ao": "B"}),
        ("MRA", {"metallic": "R", "roughness": "G", "ao": "B"}),
        ("ORDp", {"ao": "R", "roughness": "G", "height": "B"}),
        ("AORM", {"ao": "R", "roughness": "G", "metallic": "B"}),
        ("ARMD", {"ao": "R", "roughness": "G", "metallic": "B"}),  # a fourth channel is alpha
        ("OcclusionRoughnessMetallic", {"ao": "R", "roughness": "G", "metallic": "B"}),
        ("MetallicRoughness", {"roughness": "G", "metallic": "B"}),  # as glTF lays them
    ],
)
def test_packed_maps_are_read_by_their_letters(tmp_path: Path, word: str, expected: dict[str, str]) -> None:
    found = only(tmp_path, "x_diff.png", f"x_{word}.png")
    assert found.problem is None and found.channels == expected
    assert {found.maps[name] for name in expected} == {f"x_{word}.png"}


@pytest.mark.parametrize("stem", ["wooden_farm", "x_ham", "x_road", "x_mom", "x_AOR_2"])
def test_other_words_are_not_taken_for_packed_maps(stem: str) -> None:
    assert parse_name(stem).map == ""


def test_a_map_of_its_own_is_preferred_to_a_channel(tmp_path: Path) -> None:
    found = only(tmp_path, "x_diff.png", "x_arm.png", "x_rough.png")
    assert found.maps["roughness"] == "x_rough.png"
    assert found.channels == {"ao": "R", "metallic": "B"}


@pytest.mark.parametrize(
    "names",
    [
        ["v_4K_Albedo.jpg", "v_4K_Roughness.jpg", "v_4K_Normal_LOD0.jpg"],  # Megascans
        ["v_COL_VAR1_3K.jpg", "v_ROUGH_VAR1_3K.jpg", "v_NRM_3K.jpg"],  # Poliigon
        ["v_Color (1).png", "v_Roughness (1).png", "v_Normal(2).png"],  # a browser that downloads again
        ["v_Color - Copy.png", "v_Roughness.png", "v_Normal - Copy (2).png"],  # Windows
    ],
)
def test_levels_of_detail_variants_and_copies_belong_to_their_set(tmp_path: Path, names: list[str]) -> None:
    found = only(tmp_path, *names)
    assert found.problem is None and set(found.maps.values()) == set(names)


def test_the_first_of_several_is_used_and_the_others_are_named(tmp_path: Path) -> None:
    found = only(tmp_path, "v_Albedo.jpg", "v_Normal_LOD1.jpg", "v_Normal_LOD0.jpg", "v_Albedo (1).jpg")
    assert found.maps == {"base_color": "v_Albedo.jpg", "normal": "v_Normal_LOD0.jpg"}
    assert found.unread == (
        ("v_Albedo (1).jpg", "v_Albedo.jpg is used instead"),
        ("v_Normal_LOD1.jpg", "v_Normal_LOD0.jpg is used instead"),
    )


def test_a_map_that_is_not_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from multishade.cli import main

    case_maps.smoothness_set(tmp_path)
    case_maps.write_grey(tmp_path / "Steel_Translucency.png", 9)
    case_maps.write_grey(tmp_path / "Steel.png", 9)  # a preview
    assert main(["assets", "scan", str(tmp_path), "-o", str(tmp_path / "m.jsonl")]) == 0
    printed = capsys.readouterr().out
    assert "not used: Steel_Translucency.png: its name is of no map that is read" in printed
    assert "Steel.png" not in printed


@pytest.mark.parametrize(
    "names",
    [
        [f"Dragon_{kind}.{tile}.png" for kind in ("BaseColor", "Roughness") for tile in (1001, 1002, 1003)],
        ["Dragon_1001_BaseColor.png", "Dragon_1001_Roughness.png"],
        ["Dragon_BaseColor_u1_v1.png", "Dragon_BaseColor_u2_v1.png", "Dragon_Roughness_u1_v1.png"],  # Mudbox
        ["Dragon_BaseColor.1023.tif", "Dragon_BaseColor.1024.tif", "Dragon_Roughness.1024.tif"],
    ],
)
def test_udim_tiles_are_refused_as_such(tmp_path: Path, names: list[str]) -> None:
    found = only(tmp_path, *names)
    assert found.name == "Dragon"
    assert found.problem is not None and found.problem.startswith("is made of UDIM tiles (")


def test_a_resolution_is_no_tile(tmp_path: Path) -> None:
    found = only(tmp_path, "Wall_BaseColor_1024.png", "Wall_Roughness_1024.png")
    assert found.problem is None


def scanned(folder: Path) -> MaterialRow:
    result = scan(folder, folder / "materials.jsonl", ScanOptions(kind="materials"))
    write_scan(result, folder / "materials.jsonl")
    (row,) = read_materials(folder / "materials.jsonl")
    return row


def test_the_manifest_states_channels_and_inversion(tmp_path: Path) -> None:
    case_maps.write_colour(tmp_path / "x_color.png")
    write_packed(tmp_path / "x_mra.png", 255, 51, 200)
    row = scanned(tmp_path)
    assert row.channels == {"metallic": "R", "roughness": "G", "ao": "B"}
    assert row.kind == "metallic", "by the mean of its own channel"
    assert row.members()[1] == ("x_color.png", "x_mra.png"), "each file once"


def test_a_packed_map_of_one_channel_is_refused(tmp_path: Path) -> None:
    case_maps.write_colour(tmp_path / "x_color.png")
    case_maps.write_grey(tmp_path / "x_orm.png", 9)
    with pytest.raises(AssetError, match=r"x_orm\.png has one channel; its name says"):
        check_map_set(only(tmp_path, "x_color.png", "x_orm.png"))


UNITY = {
    "MaskMap": {"metallic": "R", "ao": "G", "roughness": "A"},
    "Mask_Map": {"metallic": "R", "ao": "G", "roughness": "A"},
    "MetallicSmoothness": {"metallic": "R", "roughness": "A"},
    "MetallicGloss": {"metallic": "R", "roughness": "A"},
}


@pytest.mark.parametrize("word", UNITY)
@pytest.mark.parametrize("suffix", ["png", "tga", "tif"])
def test_smoothness_in_the_alpha_of_unitys_maps_is_read(tmp_path: Path, word: str, suffix: str) -> None:
    case_maps.write_colour(tmp_path / "x_BaseColor.png")
    texels = np.full((16, 16, 4), (230, 100, 0, 204), np.uint8)
    Image.fromarray(texels).save(tmp_path / f"x_{word}.{suffix}")
    row = scanned(tmp_path)
    assert row.channels == UNITY[word] and row.inverted == ("roughness",) and row.kind == "metallic"
    (map_set,) = find_map_sets(tmp_path.iterdir())
    assert materials._read(map_set, "roughness") == pytest.approx(np.full((16, 16, 1), 0.2))

    group = SimpleNamespace(
        material=row,
        material_spec={
            "maps": {name: str(row.path / file) for name, file in row.maps.present().items()},  # type: ignore[union-attr]
            "channels": row.channels,
        },
    )
    (tmp_path / "copies").mkdir()
    spec = readable_material(group, tmp_path / "copies")  # type: ignore[arg-type]
    assert "roughness" not in spec["channels"] and spec["channels"]["metallic"] == "R"
    copy = read_image(spec["maps"]["roughness"])
    assert copy.pixels.shape == (16, 16, 1) and (copy.pixels == 204).all()


def test_a_roughness_map_of_its_own_is_preferred_to_unitys_alpha(tmp_path: Path) -> None:
    found = only(tmp_path, "x_BaseColor.png", "x_MaskMap.png", "x_Roughness.png")
    assert found.maps["roughness"] == "x_Roughness.png" and found.inverted == ()
    assert found.channels == {"metallic": "R", "ao": "G"}


def test_unitys_map_without_alpha_is_refused(tmp_path: Path) -> None:
    case_maps.write_colour(tmp_path / "x_BaseColor.png")
    case_maps.write_colour(tmp_path / "x_MaskMap.png")
    with pytest.raises(MultiShadeError, match=r"x_MaskMap\.png: has no alpha"):
        check_map_set(only(tmp_path, "x_BaseColor.png", "x_MaskMap.png"))


def height_scale(row: MaterialRow) -> float:
    plan = make_plan(load_config(DEMO, []))
    group = next(group for group in plan.groups(0) if group.material)
    from multishade.render.plan import _material_spec

    return float(_material_spec(row, plan.config, np.random.default_rng(group.number))["height_scale"])


@pytest.mark.parametrize(("low", "high"), [(-12.0, 13.0), (0.0, 0.02), (100.0, 125.0), (0.0, 8848.0)])
def test_float_heights_in_metres_are_scaled_by_their_range(tmp_path: Path, low: float, high: float) -> None:
    case_maps.height_in_metres_set(tmp_path, low, high)
    row = scanned(tmp_path)
    span = row.height_span
    if (low, high) == (0.0, 0.02):
        assert span is None, "a share of the relief, as integers are"
    else:
        assert span == pytest.approx((high - low) * 0.998, rel=0.01)
        plain = row.model_copy(update={"height_span": None})
        assert height_scale(row) * span == pytest.approx(height_scale(plain))


def test_stray_heights_do_not_flatten_the_relief(tmp_path: Path) -> None:
    case_maps.write_colour(tmp_path / "color.png")
    heights = np.random.default_rng(0).uniform(-2, 2, (64, 64)).astype(np.float32)
    heights[3, 3] = -32767.0  # what terrain models mark holes with
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "color.png")
    case_maps.write_exr(tmp_path / "height.exr", {"Y": heights})
    assert scanned(tmp_path).height_span == pytest.approx(4.0, rel=0.01)


def test_a_constant_height_outside_the_unit_range_has_no_relief(tmp_path: Path) -> None:
    case_maps.height_in_metres_set(tmp_path, 7.0, 7.0)
    with pytest.raises(AssetError, match="has no relief"):
        check_map_set(only(tmp_path, "color.png", "height.exr"))
