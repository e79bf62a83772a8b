# SPDX-License-Identifier: Apache-2.0
"""Each benchmark's layout, in miniature: what is read is what was written, and the sets' known traps are met."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from multishade.errors import EvaluationError, MultiShadeError
from multishade.evaluation.methods.named import named_method
from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers import benchmark, depth_normals, luces
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.boxes import bounding_window
from multishade.geometry.depth import depth_to_points
from multishade.imaging import codecs
from tests.support.synthetic_benchmarks import (
    ball,
    code,
    code_normal,
    write_cyclesps_object,
    write_diligent_object,
    write_dsine_image,
    write_luces_object,
    write_numbers,
)


def read_all(spec: str, truth: Path | None = None) -> list[BenchmarkObject]:
    return list(benchmark.open_benchmark(spec, truth))


def mean_error(target: BenchmarkObject, solver: str = "ols") -> float:
    found = next(named_method(solver)(target))
    return float(np.nanmean(angular_error_degrees(found.normal, target.true_normal)[target.scored]))


@pytest.mark.parametrize(("bits", "degrees"), [(16, 0.01), (8, 1.0)])
@pytest.mark.parametrize("inside", ["", "pmsData"])
def test_diligent(tmp_path: Path, bits: int, degrees: float, inside: str) -> None:
    written = write_diligent_object(tmp_path / inside / "ballPNG", bits)
    (target,) = read_all(f"diligent:{tmp_path}")
    assert (target.name, target.benchmark, len(target.image_names)) == ("ball", "diligent", 12)
    assert np.array_equal(target.mask, written.mask)
    assert target.true_normal == pytest.approx(written.normal, abs=1e-6)
    # Divided by the RGB intensity of its light, every image has the albedo's own colour.
    colours = (
        target.images()[:, written.mask] / np.maximum(target.images("mean")[:, written.mask], 1e-6)[..., None]
    )
    assert np.ptp(colours.mean(axis=(0, 1)) / np.array([0.55, 0.45, 0.35])) < 0.02 + (bits == 8) * 0.05
    assert mean_error(target) < degrees


def test_one_diligent_object_by_its_own_folder(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "catPNG", count=5)
    assert [target.name for target in read_all(f"diligent:{tmp_path / 'catPNG'}")] == ["cat"]


def test_diligent_without_filenames_takes_the_numbered_images(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "ballPNG", listing=False)
    codecs.write_png(tmp_path / "ballPNG" / "Normal_gt.png", code_normal(ball().normal, 8))
    (target,) = read_all(f"diligent:{tmp_path}")
    assert target.image_names == tuple(f"{number:03d}.png" for number in range(1, 13))


def test_objects_txt_gives_the_order(tmp_path: Path) -> None:
    for name in ("ballPNG", "catPNG", "bearPNG"):
        write_diligent_object(tmp_path / name, count=21 if name == "bearPNG" else 3)
    (tmp_path / "objects.txt").write_text("catPNG\nballPNG\n")
    assert [target.name for target in read_all(f"diligent:{tmp_path}")] == ["cat", "ball"]
    (tmp_path / "objects.txt").write_text("catPNG\ncowPNG\n")
    with pytest.raises(EvaluationError, match="cowPNG"):
        read_all(f"diligent:{tmp_path}")


def test_bears_damaged_images_are_left_out_and_said(tmp_path: Path) -> None:
    written = write_diligent_object(tmp_path / "bearPNG", count=26)
    for number in range(1, 21):
        codecs.write_png(tmp_path / "bearPNG" / f"{number:03d}.png", np.full((30, 36, 3), 65535, np.uint16))
    (target,) = read_all(f"diligent:{tmp_path}")
    assert target.image_names == tuple(f"{number:03d}.png" for number in range(21, 27))
    assert target.directions == pytest.approx(written.directions[20:], abs=1e-5)
    assert mean_error(target) < 0.01
    assert any("20 damaged images left out" in note for note in target.notes)


def test_all_of_bears_images_can_be_selected(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "bearPNG", count=23)
    (found,) = read_all(f"diligent96:{tmp_path}")
    assert len(found.image_names) == 23 and found.benchmark == "diligent" and not found.notes


def test_the_bear_of_another_set_keeps_all_its_images(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "DiLiGenT-Pi_release_png" / "Bear", count=22)
    (target,) = read_all(f"diligentpi:{tmp_path}")
    assert len(target.image_names) == 22
    assert dict(target.tags) == {"family": "bear", "material": "specular"}


def test_harvests_text_is_upside_down_and_the_mat_wins(tmp_path: Path) -> None:
    folder = tmp_path / "harvestPNG"
    written = write_diligent_object(folder)
    # An object that is not in the frame's middle, or turning it over would change nothing about its outline.
    normal = np.roll(written.normal, 4, axis=0)
    codecs.write_png(folder / "mask.png", np.where((normal != 0).any(axis=2), 255, 0).astype(np.uint8))
    savemat(folder / "Normal_gt.mat", {"Normal_gt": normal})
    np.savetxt(folder / "normal.txt", normal[::-1].reshape(-1, 3))
    (target,) = read_all(f"diligent:{tmp_path}")
    assert target.true_normal == pytest.approx(normal, abs=1e-5)
    assert any("upside down" in note and "Normal_gt.mat is used" in note for note in target.notes)
    (folder / "Normal_gt.mat").unlink()
    with pytest.raises(EvaluationError, match="upside down"):
        read_all(f"diligent:{tmp_path}")


def test_pixels_of_the_mask_without_truth_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "pot2PNG"
    written = write_diligent_object(folder)
    normal = written.normal.copy()
    row, column = np.argwhere(written.mask)[:7].T
    normal[row, column] = 0
    savemat(folder / "Normal_gt.mat", {"Normal_gt": normal})
    (target,) = read_all(f"diligent:{tmp_path}")
    assert int(target.scored.sum()) == int(written.mask.sum()) - 7
    assert any(note.startswith("7 of ") for note in target.notes)


def test_diligent_102_takes_its_truth_from_another_folder(tmp_path: Path) -> None:
    written = write_diligent_object(tmp_path / "images" / "pmsData" / "BALL_POM", bits=8, truth=False)
    (target,) = read_all(f"diligent102:{tmp_path / 'images'}")
    assert dict(target.tags) == {"family": "ball", "material": "pom"}
    with pytest.raises(EvaluationError, match="--truth"):
        _ = target.scored
    (tmp_path / "truth" / "BALL_POM").mkdir(parents=True)
    savemat(tmp_path / "truth" / "BALL_POM" / "Normal_gt.mat", {"Normal_gt": written.normal})
    (target,) = read_all(f"diligent102:{tmp_path / 'images'}", tmp_path / "truth")
    assert mean_error(target) < 1


def test_diligent_pi_knows_materials_by_suffix_and_table(tmp_path: Path) -> None:
    for name in ("Lotus-T", "Lotus-R", "Queen", "Whale"):
        write_diligent_object(tmp_path / name, count=3)
    found = {target.name: target.tags["material"] for target in read_all(f"diligentpi:{tmp_path}")}
    assert found == {"Lotus-R": "rough", "Lotus-T": "translucent", "Queen": "metallic", "Whale": "specular"}


@pytest.mark.parametrize("rgb_power", [True, False])
def test_luces(tmp_path: Path, rgb_power: bool) -> None:
    written = write_luces_object(tmp_path / "data" / "Bell", rgb_power)
    (target,) = read_all(f"luces:{tmp_path}")
    assert target.name == "Bell" and len(target.image_names) == 8
    assert target.true_normal == pytest.approx(written["normal"], abs=1e-3)
    assert target.near_lights is not None and target.light_intensities is not None
    assert target.near_lights.positions == pytest.approx(written["positions"], abs=1e-3)
    assert target.light_intensities == pytest.approx(written["power"], rel=1e-6)
    assert target.depth is not None and target.camera is not None
    assert target.camera[:2, 2] == pytest.approx([16.0, 12.0])  # the frame's middle, corner origin
    # One direction a light is an approximation, exact in the middle of the object only.
    error = angular_error_degrees(next(named_method("ols")(target)).normal, target.true_normal)
    assert error[11:13, 15:17].max() < 2
    assert error[target.mask].mean() < 12


def test_luces_fall_off_is_taken_out_on_the_plane(tmp_path: Path) -> None:
    """On a plane that faces the camera what is left of an image after the fall-off is the cosine to the light."""
    write_luces_object(tmp_path / "Bell")
    setup = luces.read_setup(tmp_path / "Bell" / "led_params.txt")
    points = depth_to_points(np.full((24, 32), setup.mean_distance), setup.camera, "perspective")
    centre = points[4:20, 6:26].reshape(-1, 3).mean(axis=0)
    assert luces.falloff(setup.leds, 0, centre, centre) == pytest.approx(1)
    ray = points[0, 0] - setup.leds.positions[0]
    expected = (ray @ setup.leds.axes[0] / np.linalg.norm(ray)) ** 0.8 / (ray @ ray)
    ray = centre - setup.leds.positions[0]
    expected /= (ray @ setup.leds.axes[0] / np.linalg.norm(ray)) ** 0.8 / (ray @ ray)
    assert luces.falloff(setup.leds, 0, points, centre)[0, 0] == pytest.approx(expected, rel=1e-5)


def test_luces_names_the_line_that_does_not_fit(tmp_path: Path) -> None:
    write_luces_object(tmp_path / "Bell")
    setup = tmp_path / "Bell" / "led_params.txt"
    setup.write_text(setup.read_text() + "1 2 3\n")
    with pytest.raises(EvaluationError, match="8 lights, 9 rows"):
        read_all(f"luces:{tmp_path}")
    lines = setup.read_text().splitlines()[:-1]
    lines[4] = "1 2 3"
    setup.write_text("\n".join(lines))
    with pytest.raises(EvaluationError, match="led_params.txt:5: 3 numbers"):
        read_all(f"luces:{tmp_path}")


def test_cyclesps(tmp_path: Path) -> None:
    for kind, folder in (("diffuse", "PRPS_Diffuse"), ("specular", "PRPS"), ("metallic", "PRPS")):
        if kind == "metallic":
            (tmp_path / folder / "7.obj" / "images_specular").rename(tmp_path / "keep")
            for file in (tmp_path / folder / "7.obj").iterdir():
                file.unlink()
            (tmp_path / folder / "7.obj").rmdir()
        written = write_cyclesps_object(tmp_path / folder / "7.obj", kind)
    (tmp_path / "keep").rename(tmp_path / "PRPS" / "7.obj" / "images_specular")
    found = read_all(f"cyclesps:{tmp_path}")
    assert [target.name for target in found] == [
        "PRPS/7/metallic",
        "PRPS/7/specular",
        "PRPS_Diffuse/7/diffuse",
    ]
    assert [target.tags["material"] for target in found] == ["metallic", "specular", "diffuse"]
    for target in found:
        assert np.array_equal(target.mask, written.mask)
        assert mean_error(target) < 0.02


def test_nyu_in_dsines_layout(tmp_path: Path) -> None:
    written = write_dsine_image(tmp_path / "nyuv2" / "test", "000000", exr=False)
    write_dsine_image(tmp_path / "ibims" / "ibims", "corridor_01", exr=True)
    found = read_all(f"nyu:{tmp_path}")
    assert [target.name for target in found] == ["ibims/ibims/corridor_01", "nyuv2/test/000000"]
    for target in found:
        assert np.array_equal(target.mask, written.mask)
        assert angular_error_degrees(target.true_normal, written.normal)[written.mask].max() < 0.5
        assert target.camera is not None and target.camera[:2, 2] == pytest.approx([18, 15])
        assert target.inputs[0].endswith("_img.png")
    shown = code(written.images[0], 8) / 255
    bright = shown > 0.2
    decoded = ((shown[bright] + 0.055) / 1.055) ** 2.4
    assert found[0].input(0)[bright] == pytest.approx(decoded, abs=1e-5)


def test_depth_beside_an_image(tmp_path: Path) -> None:
    write_dsine_image(tmp_path, "0", exr=True)
    codecs.write_png(tmp_path / "0_depth.png", np.full((30, 36), 1500, np.uint16))
    (target,) = read_all(f"nyu:{tmp_path}")
    assert target.depth is not None and target.depth[3, 3] == pytest.approx(1.5)


def test_ibims_own_file(tmp_path: Path) -> None:
    depth = np.full((4, 5), 2.5)
    valid = np.ones((4, 5), np.uint8)
    valid[0, 0] = 0
    camera = np.array([[300.0, 0, 2], [0, 310, 1.5], [0, 0, 1]])
    data = {"depth": depth, "mask_invalid": valid, "mask_transp": np.ones_like(valid), "calib": camera.T}
    savemat(tmp_path / "corridor_01.mat", {"data": data})
    found, matrix = depth_normals.read_ibims(tmp_path / "corridor_01.mat")
    assert found[0, 0] == 0 and found[1, 1] == pytest.approx(2.5)
    assert matrix == pytest.approx(camera + [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])


def test_damaged_files_of_ibims_are_named(tmp_path: Path) -> None:
    square = {name: np.ones((4, 4)) for name in ("depth", "mask_invalid", "mask_transp")}
    path = tmp_path / "corridor_01.mat"
    savemat(path, {"data": {**square, "calib": np.eye(3)}}, do_compression=True)
    whole = bytearray(path.read_bytes())
    whole[180] ^= 255
    savemat(tmp_path / "sizes.mat", {"data": {**square, "depth": np.ones((5, 4)), "calib": np.eye(3)}})
    sizes = (tmp_path / "sizes.mat").read_bytes()
    for content in (b"", b"no MATLAB file", whole[:140], whole, sizes):
        path.write_bytes(content)
        with pytest.raises(MultiShadeError, match="corridor_01.mat: not a"):
            depth_normals.read_ibims(path)


def test_plain_folder_with_whatever_is_there(tmp_path: Path) -> None:
    target = ball(6)
    folder = tmp_path / "mine"
    folder.mkdir()
    for index, image in enumerate(target.images / target.intensities[:, None, None, :]):
        codecs.write_png(folder / f"photo_{index}.png", code(image))
    write_numbers(folder / "lights.txt", target.directions)
    codecs.write_png(folder / "mask.png", np.where(target.mask, 255, 0).astype(np.uint8))
    codecs.write_exr(folder / "normal.exr", codecs.split_channels(target.normal, "RGB"))
    np.savetxt(folder / "K.txt", np.diag([50.0, 50.0, 1.0]))
    np.savez(folder / "depth_gt.npz", depth_gt=np.full(target.mask.shape, 4.0))
    (found,) = read_all(f"folder:{folder}")
    assert len(found.image_names) == 6 and found.camera is not None
    assert found.depth is not None and found.depth[0, 0] == 4
    assert mean_error(found) < 0.01
    assert any("equally strong" in note for note in found.notes)
    assert [one.name for one in read_all(f"folder:{tmp_path}")] == ["mine"]


def test_a_folder_without_a_mask_says_that_every_pixel_counts(tmp_path: Path) -> None:
    codecs.write_png(tmp_path / "a.png", np.zeros((4, 6, 3), np.uint8))
    (found,) = read_all(f"folder:{tmp_path}")
    assert found.mask.all() and "No mask" in found.notes[0]


def test_a_folder_is_told_by_the_files_that_only_one_set_has(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "bearPNG", count=23)
    write_luces_object(tmp_path / "Bell")
    assert len(benchmark.read_folder(tmp_path / "bearPNG").image_names) == 3
    assert benchmark.read_folder(tmp_path / "Bell").near_lights is not None
    plain = benchmark.read_folder(
        tmp_path / "bearPNG", light_file=tmp_path / "bearPNG" / "light_directions.txt"
    )
    assert plain.benchmark == "folder" and len(plain.image_names) == 23


def test_images_can_be_cut_to_the_object(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "ballPNG")
    (target,) = read_all(f"diligent:{tmp_path}")
    window = bounding_window(target.mask)
    assert target.mask[window].any(axis=0).all() and target.mask[window].any(axis=1).all()
    assert np.array_equal(target.images("mean", window), target.images("mean")[(slice(None), *window)])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "light_directions.txt").write_text("0 0 1\n"), "12 images and 1 rows"),
        (lambda folder: (folder / "light_intensities.txt").unlink(), "light_intensities.txt is missing"),
        (lambda folder: (folder / "light_intensities.txt").write_text("1 1 1\n"), "1 rows for 12 images"),
        (lambda folder: (folder / "005.png").unlink(), "the first is 005.png"),
        (lambda folder: (folder / "mask.png").unlink(), "mask.png"),
        (lambda folder: (folder / "005.png").write_bytes(b"torn"), "005.png"),
        (
            lambda folder: codecs.write_png(folder / "005.png", np.zeros((8, 8, 3), np.uint16)),
            "005.png is 8 x 8 pixels, the mask 36 x 30",
        ),
        (
            lambda folder: savemat(folder / "Normal_gt.mat", {"Normal_gt": np.zeros((3, 4, 3))}),
            "4 x 3 pixels, expected 36 x 30",
        ),
        (lambda folder: savemat(folder / "Normal_gt.mat", {"other": np.zeros(3)}), "no variable Normal_gt"),
    ],
)
def test_damage_is_named_with_its_place(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    write_diligent_object(tmp_path / "ballPNG")
    damage(tmp_path / "ballPNG")
    with pytest.raises(MultiShadeError, match=message) as caught:
        (target,) = read_all(f"diligent:{tmp_path}")
        target.images("mean")
    assert "ball" in str(caught.value)


@pytest.mark.parametrize("spec", ["diligent", "nothing:here", "diligent:", ":x"])
def test_a_wrong_spec_lists_the_readers(spec: str) -> None:
    with pytest.raises(EvaluationError, match="luces:PATH"):
        benchmark.open_benchmark(spec)


@pytest.mark.parametrize("reader", sorted(benchmark.READERS))
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, reader: str) -> None:
    with pytest.raises(MultiShadeError, match="gone"):
        read_all(f"{reader}:{tmp_path / 'gone'}")


@pytest.mark.parametrize("reader", sorted(benchmark.READERS))
def test_an_empty_folder_is_named(tmp_path: Path, reader: str) -> None:
    with pytest.raises(MultiShadeError, match=str(tmp_path)):
        read_all(f"{reader}:{tmp_path}")


def test_only_some_objects(tmp_path: Path) -> None:
    for name in ("ballPNG", "catPNG"):
        write_diligent_object(tmp_path / name, count=3)
    assert [t.name for t in benchmark.open_benchmark(f"diligent:{tmp_path}", only=("cat",))] == ["cat"]
    with pytest.raises(EvaluationError, match="no object cow; it has ball, cat"):
        list(benchmark.open_benchmark(f"diligent:{tmp_path}", only=("cow",)))
