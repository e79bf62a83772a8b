# SPDX-License-Identifier: Apache-2.0
"""Every file that `infer` and `solve` write opens in another reader, says what it is, and agrees with the others."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import trimesh
from PIL import Image

from multishade.errors import MultiShadeError, SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.inference.framing import window_of
from multishade.inference.photo import Photo
from multishade.inference.prediction import PhotoPrediction
from multishade.inference.results import results_of_prediction
from multishade.inference.write import FORMATS, Output, parse_formats, write_results
from tests.support.spheres import seen_sphere, sphere_prediction


def exr(path: Path) -> dict[str, np.ndarray]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels for name, channel in file.channels().items()}


def normals_of(path: Path) -> np.ndarray:
    channels = exr(path)
    assert set(channels) == {"X", "Y", "Z"} and channels["X"].dtype == np.float32
    return np.stack([channels[name] for name in "XYZ"], axis=2)


def sidecar(folder: Path) -> dict:
    return json.loads((folder / "conventions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ball() -> PhotoPrediction:
    return sphere_prediction()


@pytest.fixture(scope="module")
def out(ball: PhotoPrediction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ball")
    model = {"name": "m", "licence": "Apache-2.0", "training_data": "renders"}
    write_results(folder, results_of_prediction(ball, model=model))
    return folder


class TestNormalMaps:
    def test_sixteen_bits_in_other_readers(self, out: Path, ball: PhotoPrediction) -> None:
        coded = cv2.imread(str(out / "normal_gl.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
        assert coded.dtype == np.uint16
        assert np.abs(coded / 65535 * 2 - 1 - ball.normal)[ball.mask].max() <= 1.01 / 65535
        with Image.open(out / "normal_gl.png") as image:
            assert image.size == (120, 90) and "icc_profile" not in image.info and "gamma" not in image.info

    def test_no_chunk_tells_of_gamma_or_colour(self, out: Path) -> None:
        for name in ("normal_gl.png", "normal_dx.png", "height.png", "mask.png"):
            data, place, kinds = (out / name).read_bytes(), 8, []
            while place < len(data):
                (length,) = struct.unpack_from(">I", data, place)
                kinds.append(data[place + 4 : place + 8])
                place += 12 + length
            assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}, name

    def test_directx_is_opengl_with_green_flipped_exactly(self, out: Path) -> None:
        gl, dx = (cv2.imread(str(out / f"normal_{kind}.png"), -1).astype(int) for kind in ("gl", "dx"))
        assert np.array_equal(dx[..., 1], 65535 - gl[..., 1])
        assert np.array_equal(dx[..., [0, 2]], gl[..., [0, 2]])

    def test_green_is_up_and_red_right(self, out: Path, ball: PhotoPrediction) -> None:
        coded = cv2.imread(str(out / "normal_gl.png"), -1)[..., ::-1] / 65535
        rows, columns = np.nonzero(ball.mask)
        assert coded[rows.min(), 60, 1] > 0.9 and coded[rows.max(), 60, 1] < 0.1
        assert coded[45, columns.max(), 0] > 0.9 and coded[45, columns.min(), 0] < 0.1

    def test_numbers_are_the_normals_and_nothing_off_the_object(
        self, out: Path, ball: PhotoPrediction
    ) -> None:
        assert np.array_equal(normals_of(out / "normal.exr"), ball.normal)

    @pytest.mark.parametrize(
        ("frame", "signs"), [("opengl", (1, 1, 1)), ("directx", (1, -1, 1)), ("opencv", (1, -1, -1))]
    )
    def test_other_frames(
        self, tmp_path: Path, ball: PhotoPrediction, frame: str, signs: tuple[int, ...]
    ) -> None:
        chosen = parse_formats("normal_exr, ply, normal_gl")
        write_results(tmp_path, results_of_prediction(ball), Output(chosen, frame=frame))
        assert np.array_equal(normals_of(tmp_path / "normal.exr"), ball.normal * np.float32(signs))
        mesh = trimesh.load_mesh(tmp_path / "surface.ply", process=False)
        # Corners run against the clock as seen from the camera, whatever the frame: faces look along the normals.
        agree = np.einsum("ij,ij->i", mesh.face_normals, mesh.vertex_normals[mesh.faces[:, 0]])
        assert (agree > 0).mean() > 0.99
        assert sidecar(tmp_path)["files"]["normal.exr"]["frame"].startswith(frame)
        assert "up" in sidecar(tmp_path)["files"]["normal_gl.png"]["what"]  # named maps do not change


class TestSurface:
    def test_glb_has_the_normals_of_the_map(self, out: Path, ball: PhotoPrediction) -> None:
        mesh = load_glb(out)
        u, v = glb_pixels(out, ball)
        there = normals_of(out / "normal.exr")[v.astype(int), u.astype(int)]
        assert np.median(angular_error_degrees(mesh.vertex_normals, there)) < 0.01
        flat = np.zeros_like(mesh.vertices)
        np.add.at(flat, mesh.faces.ravel(), np.repeat(mesh.face_normals, 3, axis=0))
        assert np.nanmedian(angular_error_degrees(flat, there)) < 2

    def test_glb_is_upright_and_wears_the_photo(self, out: Path, ball: PhotoPrediction) -> None:
        mesh = load_glb(out)
        top, right = mesh.vertices[:, 1].argmax(), mesh.vertices[:, 0].argmax()
        near = mesh.vertices[:, 2].argmax()
        u, v = glb_pixels(out, ball)
        assert v[top] == v.min() and u[right] == u.max()
        assert (u[near], v[near]) == pytest.approx((60, 45), abs=2)
        colours = mesh.visual.to_color().vertex_colors[:, :3] / 255
        assert np.abs(colours - ball.photo.pixels[v.astype(int), u.astype(int)]).mean() < 0.03

    def test_ply_is_the_same_surface_in_colour(self, out: Path, ball: PhotoPrediction) -> None:
        glb = load_glb(out)
        ply = trimesh.load_mesh(out / "surface.ply", process=False)
        assert ply.vertices == pytest.approx(glb.vertices, abs=1e-6) and np.array_equal(ply.faces, glb.faces)
        u, v = glb_pixels(out, ball)
        painted = ply.visual.vertex_colors[:, :3] / 255
        assert np.abs(painted - ball.photo.pixels[v.astype(int), u.astype(int)]).max() < 0.005

    def test_height_is_the_surface(self, out: Path, ball: PhotoPrediction) -> None:
        coded = cv2.imread(str(out / "height.png"), -1).astype(float)
        told = sidecar(out)["files"]["height.png"]
        assert np.array_equal(coded > 0, ball.mask)
        z = told["minimum"] + (coded - 1) / 65534 * (told["maximum"] - told["minimum"])
        mesh = trimesh.load_mesh(out / "surface.ply", process=False)
        u, v = glb_pixels(out, ball)
        assert mesh.vertices[:, 2] == pytest.approx(z[v.astype(int), u.astype(int)], abs=1e-4)
        # The unit is the longer side of the window around the ball: 77 pixels. To 0.95 the ball is 0.69 radii deep.
        deep = 40 * (1 - np.sqrt(1 - 0.95**2)) / 78
        assert told["maximum"] - told["minimum"] == pytest.approx(deep, rel=0.05)

    def test_a_known_camera_gives_a_perspective_surface_and_depth(self, tmp_path: Path) -> None:
        seen = seen_sphere((90, 120), fov_x=40)
        write_results(tmp_path, results_of_prediction(seen, "poisson"))
        depth = exr(tmp_path / "depth.exr")["Z"]
        assert np.array_equal(depth > 0, seen.mask) and not depth[~seen.mask].any()
        # True depth up to a factor, which normals do not tell: nearest 3 of a sphere of radius 1 at distance 4.
        camera = sidecar(tmp_path)["camera"]
        assert camera["type"] == "perspective" and camera["fov_x_degrees"] == pytest.approx(40)
        assert depth[seen.mask].max() / depth[seen.mask].min() == pytest.approx(true_ratio(seen), rel=0.02)
        points = trimesh.load_mesh(tmp_path / "surface.ply", process=False).vertices
        k = np.array(camera["K"])
        u = k[0, 2] + k[0, 0] * points[:, 0] / -points[:, 2]
        v = k[1, 2] - k[1, 1] * points[:, 1] / -points[:, 2]
        assert -points[:, 2] == pytest.approx(depth[v.astype(int), u.astype(int)], rel=1e-5)

    def test_without_a_camera_it_is_orthographic_and_says_so(self, out: Path) -> None:
        assert not (out / "depth.exr").exists()
        assert (
            sidecar(out)["camera"]["type"] == "orthographic" and "--fov-x" in sidecar(out)["camera"]["source"]
        )

    def test_a_large_photo_has_a_height_at_every_pixel(self, tmp_path: Path) -> None:
        big = sphere_prediction(500, 640, 240)
        write_results(tmp_path, results_of_prediction(big, "poisson"), Output(parse_formats("height")))
        coded = cv2.imread(str(tmp_path / "height.png"), -1).astype(float)
        assert ((coded > 0) == big.mask).mean() > 0.999
        # A sphere: z = sqrt(r^2 - x^2 - y^2), so heights follow the z of the normals.
        inside = (coded > 0) & (big.normal[..., 2] > 0.4)
        assert np.corrcoef(coded[inside], big.normal[..., 2][inside])[0, 1] > 0.9999


class TestOthers:
    def test_mask_and_confidence_are_grey(self, out: Path, ball: PhotoPrediction) -> None:
        with Image.open(out / "mask.png") as mask, Image.open(out / "confidence.png") as confidence:
            assert (mask.mode, confidence.mode) == ("L", "L")
            assert np.array_equal(np.asarray(mask) == 255, ball.mask)
            assert np.asarray(confidence) / 255 == pytest.approx(
                np.where(ball.mask, ball.confidence, 0), abs=0.003
            )

    def test_the_sidecar_tells_of_every_file_and_the_model(self, out: Path) -> None:
        told = sidecar(out)
        files = {path.name for path in out.iterdir()} - {"conventions.json"}
        assert set(told["files"]) == files
        assert told["model"] == {"name": "m", "licence": "Apache-2.0", "training_data": "renders"}
        assert (told["image"]["width"], told["image"]["height"]) == (120, 90)

    def test_fewer_files(self, tmp_path: Path, ball: PhotoPrediction) -> None:
        write_results(tmp_path, results_of_prediction(ball, None), Output(parse_formats("normal_dx,mask")))
        assert {path.name for path in tmp_path.iterdir()} == {
            *("normal_dx.png", "mask.png", "conventions.json", "record.json"),
        }

    def test_an_unknown_format_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(SolveError, match=r"--formats obj: expected names out of normal_gl, .*glb"):
            parse_formats("obj")
        assert parse_formats("glb") < FORMATS.keys()

    @pytest.mark.parametrize(("name", "why"), [("depth", "give --fov-x"), ("albedo", "no albedo")])
    def test_a_format_that_cannot_be_is_refused_only_when_asked_for(
        self, tmp_path: Path, ball: PhotoPrediction, name: str, why: str
    ) -> None:
        with pytest.raises(SolveError, match=f"ball: {name} cannot be written: .*{why}"):
            write_results(tmp_path, results_of_prediction(ball), Output(parse_formats(name)))
        assert not (tmp_path / "record.json").exists()  # the mark of whole results

    def test_the_same_results_give_the_same_bytes(
        self, out: Path, tmp_path: Path, ball: PhotoPrediction
    ) -> None:
        model = {"name": "m", "licence": "Apache-2.0", "training_data": "renders"}
        write_results(tmp_path, results_of_prediction(ball, model=model))
        for path in out.iterdir():
            assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


class TestTangent:
    def test_a_ball_is_refused_with_its_tilt(self, tmp_path: Path, ball: PhotoPrediction) -> None:
        with pytest.raises(
            MultiShadeError, match=r"ball: --maps tangent: the coarse shape tilts by \d\d degrees"
        ):
            write_results(tmp_path, results_of_prediction(ball), Output(tangent=True))

    def test_a_wall_seen_straight_on_is_a_tangent_space_map(self, tmp_path: Path) -> None:
        row, column = np.mgrid[:96, :96]
        bumps = np.stack([0.5 * np.sin(column * 1.5), 0.5 * np.cos(row * 1.5), np.ones((96, 96))], axis=2)
        normal = (bumps / np.linalg.norm(bumps, axis=2, keepdims=True)).astype(np.float32)
        photo = Photo(np.full((96, 96, 3), 0.5, np.float32), name="wall")
        everywhere = np.ones((96, 96), bool)
        wall = PhotoPrediction(
            photo, normal, np.ones((96, 96), np.float32), everywhere, None, window_of(photo)
        )
        chosen = Output(parse_formats("normal_gl"), tangent=True)
        write_results(tmp_path, results_of_prediction(wall, None), chosen)
        assert sidecar(tmp_path)["tangent_space"]["usable"]
        turned = replace(wall, normal=(normal @ rotation(25).T).astype(np.float32))
        with pytest.raises(SolveError, match=r"tilts by 2\d degrees"):
            write_results(tmp_path, results_of_prediction(turned, None), chosen)


def load_glb(out: Path) -> trimesh.Trimesh:
    """The only mesh, with the normals that the file holds."""
    (mesh,) = trimesh.load_scene(out / "surface.glb", process=False).geometry.values()
    return mesh


def rotation(degrees: float) -> np.ndarray:
    """About the vertical."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def true_ratio(seen: PhotoPrediction) -> float:
    """Largest over smallest depth of a sphere of radius 1 at distance 4: the points are the middle plus the normal."""
    depth = 4 - seen.normal[..., 2][seen.mask]
    return float(depth.max() / depth.min())


def glb_pixels(out: Path, ball: PhotoPrediction) -> tuple[np.ndarray, np.ndarray]:
    """Places of the vertices in the photo, by the texture coordinates of the file itself."""
    uv, (height, width) = load_glb(out).visual.uv, ball.mask.shape
    return uv[:, 0] * width, (1 - uv[:, 1]) * height
