# SPDX-License-Identifier: Apache-2.0
"""Map sets: names of every convention are recognised, the pixels show the handedness of a normal map."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from multishade.assets.scanning.map_names import parse_name
from multishade.assets.scanning.materials import check_map_set, find_map_sets
from multishade.errors import AssetError, MultiShadeError
from multishade.imaging.handedness import convention_of


def relief(seed: int, size: int = 128, grain: float = 3.0) -> np.ndarray:
    """A smooth tileable height map (size, size), standard deviation 1, in pixels."""
    noise = np.random.default_rng(seed).standard_normal((size, size))
    smooth = gaussian_filter(noise, grain, mode="wrap")
    return smooth / smooth.std()


def normal_map(height: np.ndarray, convention: str, strength: float = 1.0) -> np.ndarray:
    """The 8-bit-like normal map in [0, 1] of a relief, by its definition: y up the image in OpenGL."""
    right = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / 2 * strength
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / 2 * strength
    green = down if convention == "opengl" else -down
    vectors = np.stack([-right, green, np.ones_like(height)], axis=-1)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (np.round((vectors + 1) / 2 * 255) / 255).astype(np.float32)


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("Bricks102_1K-JPG_NormalDX", ("Bricks102", "1k", "normal", "directx")),  # ambientCG
        ("Bricks102_1K-JPG_AmbientOcclusion", ("Bricks102", "1k", "ao", None)),
        ("Metal049A_2K_Color", ("Metal049A", "2k", "base_color", None)),
        ("rusty_metal_02_nor_gl_1k", ("rusty_metal_02", "1k", "normal", "opengl")),  # Poly Haven
        ("rusty_metal_02_diff_1k", ("rusty_metal_02", "1k", "base_color", None)),
        ("rusty_metal_02_arm_1k", ("rusty_metal_02", "1k", "packed", None)),
        ("basecolor", ("", "", "base_color", None)),  # MatSynth
        ("metallic", ("", "", "metallic", None)),
        ("displacement", ("", "", "height", None)),
        ("T_Brick_BaseColor", ("T_Brick", "", "base_color", None)),  # game engines
        ("RustyMetalNormal", ("RustyMetal", "", "normal", None)),
        ("Wood Floor Ambient Occlusion", ("Wood_Floor", "", "ao", None)),
        ("wall-normal-ogl-4096", ("wall", "4096", "normal", "opengl")),
        ("NormalMap", ("", "", "normal", None)),
        ("Suzanne_OcclusionRoughnessMetallic", ("Suzanne", "", "packed", None)),
        ("photo", None),
        ("old_color_chart", None),
        ("normal2", None),
    ],
)
def test_names_of_every_convention_are_understood(
    stem: str, expected: tuple[str, str, str, str | None] | None
) -> None:
    found = parse_name(stem)
    assert ((found.set, found.resolution, found.map, found.convention) if found.map else None) == expected


def test_published_sets_are_recognised(shared_dir: Path) -> None:
    folder = shared_dir / "assets" / "materials"
    sets = {each.folder.name: each for each in find_map_sets(path for path in folder.rglob("*"))}
    assert len(sets) == 6 and all(each.problem is None for each in sets.values())
    assert sets["Bricks102"].maps["normal"].endswith("NormalGL.jpg")  # both handednesses: OpenGL is preferred
    assert sets["Metal053C_rustymetal"].maps["height"] == "displacement.jpg"
    facts = {name: check_map_set(each) for name, each in sets.items()}
    told = {name: (each.convention, each.convention_from, each.kind) for name, each in facts.items()}
    assert told == {
        "Bricks102": ("opengl", "name", "non-metallic"),
        "Metal049A": ("opengl", "name", "metallic"),
        "Metal053C_rustymetal": ("opengl", "height", "metallic"),
        "market_gold": ("directx", "height", "metallic"),
        "market_tiles": ("directx", "height", "non-metallic"),
        "market_wood-floor-43": ("directx", "height", "non-metallic"),
    }
    assert not any(each.disputed for each in facts.values())


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    convention=st.sampled_from(["opengl", "directx"]),
    strength=st.floats(0.1, 2.0),
    inverted=st.booleans(),
    noise=st.floats(0.0, 0.03),
)
def test_handedness_is_determined_with_or_without_a_height_map(
    seed: int, convention: str, strength: float, inverted: bool, noise: float
) -> None:
    height = relief(seed)
    normal = normal_map(height, convention, strength)
    normal += np.random.default_rng(seed).normal(0, noise * strength, normal.shape).astype(np.float32)
    stored = (-height if inverted else height)[..., None].astype(np.float32)
    assert convention_of(normal, stored) == (convention, "height")
    assert convention_of(normal, None) == (convention, "curl")


def test_a_relief_along_one_axis_has_no_curl_but_its_height_tells() -> None:
    planks = np.repeat(relief(1, grain=2.0)[:, :1], 128, axis=1)
    normal = normal_map(planks, "directx")
    assert convention_of(normal, None) is None
    assert convention_of(normal, planks[..., None].astype(np.float32)) == ("directx", "height")


def test_a_flat_or_unrelated_map_is_left_undecided() -> None:
    flat = np.full((64, 64, 3), (0.5, 0.5, 1.0), np.float32)
    assert convention_of(flat, np.zeros((64, 64, 1), np.float32)) is None
    noise = np.random.default_rng(0).normal(0, 0.05, (256, 256, 3)).astype(np.float32)
    assert convention_of(flat[0, 0] + noise, relief(3, 256)[..., None].astype(np.float32)) is None


def test_what_is_no_tangent_space_normal_map_is_refused() -> None:
    with pytest.raises(AssetError, match="looks like a bump map"):
        convention_of(np.full((8, 8, 1), 0.5, np.float32), None)
    with pytest.raises(AssetError, match="is not tangent-space"):
        convention_of(np.full((8, 8, 3), 0.5, np.float32), None)
    object_space = np.full((8, 8, 3), (1.0, 0.5, 0.5), np.float32)
    with pytest.raises(AssetError, match="is not tangent-space"):
        convention_of(object_space, None)


def grass(seed: int, tilt: float = 1.0, texel: int = 4) -> np.ndarray:
    """A map of blades finer than its texels: unit normals tilted by up to `tilt` rad in all directions, averaged."""
    rng = np.random.default_rng(seed)
    height, azimuth = rng.uniform(0, tilt, (2, 256, 256)) * np.array([1, 2 * np.pi / tilt])[:, None, None]
    fine = np.stack([np.sin(height) * np.cos(azimuth), np.sin(height) * np.sin(azimuth), np.cos(height)], -1)
    coarse = fine.reshape(256 // texel, texel, 256 // texel, texel, 3).mean(axis=(1, 3))
    return (np.round((coarse + 1) / 2 * 255) / 255).astype(np.float32)


def object_space(axis: int) -> np.ndarray:
    """Normals of a bumpy wall that faces along x, y or z of its object."""
    return np.roll(normal_map(relief(2, 64), "opengl", 0.1), axis - 2, axis=2)


def test_a_map_of_grass_is_tangent_space_though_its_normals_are_short() -> None:
    for seed, tilt in enumerate((1.2, 1.5)):
        vectors = grass(seed, tilt) * 2 - 1
        assert 0.3 < np.median(np.linalg.norm(vectors, axis=2)) < 0.8
        convention_of(grass(seed, tilt), None)


def test_object_space_maps_and_pictures_are_told_from_grass() -> None:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    around = np.stack([np.sin(np.pi * x), y, np.cos(np.pi * x)], axis=-1)  # a vase, unwrapped all round
    around /= np.linalg.norm(around, axis=-1, keepdims=True)
    with pytest.raises(AssetError, match=r"\d\d% of it points into the surface: object-space\?"):
        convention_of(((around + 1) / 2).astype(np.float32), None)
    for axis in (0, 1):
        with pytest.raises(AssetError, match="on average it points along"):
            convention_of(object_space(axis), None)
    convention_of(object_space(2), None)
    picture = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    with pytest.raises(AssetError, match="is not tangent-space"):
        convention_of(picture, None)
    with pytest.raises(AssetError, match=r"median length 0\.60 without relief"):
        convention_of(np.full((64, 64, 3), (0.5, 0.5, 0.8), np.float32), None)


def save(path: Path, value: float | np.ndarray, size: tuple[int, int] = (64, 64)) -> None:
    pixels = np.broadcast_to(np.asarray(value, np.float32), (*size, 3) if np.ndim(value) != 0 else size)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path)


def test_kind_follows_the_metallic_map_and_names_beat_pixels(tmp_path: Path) -> None:
    for name, metal in (("iron", 0.9), ("stone", 0.1)):
        save(tmp_path / name / "color.png", 0.5)
        save(tmp_path / name / "metallic.png", metal)
        save(
            tmp_path / name / f"normal_{'dx' if name == 'iron' else 'gl'}.png",
            normal_map(relief(5, 64), "opengl"),
        )
    iron, stone = (check_map_set(each) for each in find_map_sets(sorted(tmp_path.rglob("*.png"))))
    assert (iron.kind, iron.convention, iron.disputed) == ("metallic", "directx", True)
    assert (stone.kind, stone.convention, stone.disputed) == ("non-metallic", "opengl", False)


def test_sets_share_a_folder_and_the_best_format_is_taken(tmp_path: Path) -> None:
    names = ["A_1K_Color.jpg", "A_1K_Color.png", "A_1K_Roughness.png", "A_2K_Color.png", "A_2K_Roughness.png"]
    names += ["b_albedo.png", "b_diffuse.png", "B_rough.png", "notes.png"]
    sets = find_map_sets(tmp_path / name for name in names)
    assert [(each.name, each.maps) for each in sets] == [
        ("A", {"base_color": "A_1K_Color.png", "roughness": "A_1K_Roughness.png"}),
        ("A", {"base_color": "A_2K_Color.png", "roughness": "A_2K_Roughness.png"}),
        ("B", {"base_color": "b_albedo.png", "roughness": "B_rough.png"}),
    ]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["normal.png", "roughness.png"], r"has no base colour map \(found: normal, roughness\)"),
        (
            ["x_diff.png", "x_rm.png", "x_nor_gl.png"],
            r"has its roughness packed in x_rm.png, in a channel that",
        ),
        (["x_BaseColor.png", "x_RM.png"], r"has its roughness packed in x_RM.png, .* does not state"),
        (["skin_color.png"], "is a base colour alone"),
    ],
)
def test_an_unusable_set_states_its_problem(tmp_path: Path, names: list[str], problem: str) -> None:
    import re

    (found,) = find_map_sets(tmp_path / name for name in names)
    assert found.problem is not None and re.search(problem, found.problem)


def test_a_damaged_or_odd_image_is_named(tmp_path: Path) -> None:
    save(tmp_path / "color.jpg", np.random.default_rng(0).random((64, 64, 3)))
    save(tmp_path / "roughness.png", 0.5)
    (found,) = find_map_sets(tmp_path.iterdir())
    assert check_map_set(found).width == 64
    whole = (tmp_path / "color.jpg").read_bytes()
    (tmp_path / "color.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MultiShadeError, match=r"color\.jpg: cannot be read"):
        check_map_set(found)
    (tmp_path / "color.jpg").write_bytes(whole)
    save(tmp_path / "roughness.png", 0.5, (32, 64))
    with pytest.raises(
        MultiShadeError, match=r"roughness\.png is 64 x 32, color\.jpg is 64 x 64: another shape"
    ):
        check_map_set(found)
    (tmp_path / "roughness.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(MultiShadeError, match=r"roughness\.png"):
        check_map_set(found)


def test_sixteen_bit_and_float_maps_are_read_in_full(tmp_path: Path) -> None:
    from multishade.assets.scanning.map_images import read_map
    from multishade.imaging.codecs import write_exr, write_png

    values = np.linspace(0, 65535, 48).astype(np.uint16).reshape(4, 4, 3)
    write_png(tmp_path / "a.png", values)
    np.testing.assert_allclose(read_map(tmp_path / "a.png"), values / 65535, atol=1e-7)
    Image.fromarray(values[..., 0]).save(tmp_path / "a.tif")
    np.testing.assert_allclose(read_map(tmp_path / "a.tif")[..., 0], values[..., 0] / 65535, atol=1e-7)
    floats = values.astype(np.float32) / 65535
    write_exr(tmp_path / "a.exr", {name: floats[..., k] for k, name in enumerate("RGB")})
    np.testing.assert_allclose(read_map(tmp_path / "a.exr"), floats, atol=1e-3)
