# SPDX-License-Identifier: Apache-2.0
"""Photos of all kinds and sizes are read, framed and put back; files are written; bad photos are named."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from multishade.cli import main
from multishade.errors import ImageFileError, ModelError, SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import ring
from multishade.imaging import codecs
from multishade.inference.framing import frame, resize, unframe
from multishade.inference.photo import Photo, find_photos, linear_photo, read_photo
from multishade.inference.predict import infer, infer_all
from multishade.inference.prediction import PhotoPrediction
from multishade.inference.results import results_of_prediction, shading_frames
from multishade.inference.surface import integrate_normals
from multishade.inference.write import Output, write_results
from multishade.models.base import Inputs, Prediction
from multishade.models.rose import RoSE, RoseSettings
from multishade.photometry.shading import lambert
from tests.support.rose_samples import tiny_model

COLOUR = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def sphere(height: int, width: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Normals (H, W, 3) and mask (H, W) of a sphere in the middle."""
    row, column = np.mgrid[:height, :width] + 0.5
    x, y = (column - width / 2) / radius, (height / 2 - row) / radius
    mask = x**2 + y**2 < 1
    return np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], axis=2) * mask[..., None], mask


@dataclass
class SphereModel:
    """A perfect model: a photo whose brightness codes a sphere's mask gets that sphere's shading."""

    settings: RoseSettings

    def predict(self, inputs: Inputs, *, seed: int = 0, solver: str = "relu") -> Prediction:
        assert inputs.image is not None
        return RoSE.solved(self, self.generate(inputs.image), inputs.mask, solver)  # type: ignore[arg-type]

    def generate(self, images: torch.Tensor) -> torch.Tensor:
        made = []
        for image in images.numpy().mean(axis=1):
            size = len(image)
            radius = np.sqrt(max(1e-6, (image > 0.5).sum()) / np.pi)
            normal, mask = sphere(size, size, radius)
            if self.settings.target == "normal":
                made.append(np.moveaxis(0.8 * normal, 2, 0))
            else:
                made.append(lambert(normal, ring(9), mask))
        return torch.from_numpy(np.stack(made)).float()


def sphere_photo(height: int, width: int, radius: float, masked: bool = True) -> tuple[Photo, np.ndarray]:
    normal, mask = sphere(height, width, radius)
    pixels = np.repeat(mask[..., None], 3, axis=2).astype(np.float32)
    return Photo(pixels, mask if masked else None), normal


def write_prediction(
    out: Path, found: PhotoPrediction, video: str | None = "gif", integrator: str | None = "bilateral"
) -> list[Path]:
    return write_results(out, results_of_prediction(found, integrator), Output(video=video))


class TestReading:
    @pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "gif"])
    def test_kinds_of_file(self, tmp_path: Path, suffix: str) -> None:
        smooth = cv2.resize(COLOUR, (60, 40), interpolation=cv2.INTER_CUBIC)
        path = tmp_path / f"photo.{suffix}"
        Image.fromarray(smooth).save(path)
        photo = read_photo(path)
        assert (photo.pixels.shape, photo.pixels.dtype, photo.mask) == ((40, 60, 3), np.float32, None)
        assert np.abs(photo.pixels - smooth / 255).mean() < 0.1

    def test_sixteen_bits_stay_sixteen(self, tmp_path: Path) -> None:
        values = np.arange(20 * 30 * 3, dtype=np.uint16).reshape(20, 30, 3) * 30
        codecs.write_png(tmp_path / "deep.png", values)
        np.testing.assert_allclose(read_photo(tmp_path / "deep.png").pixels, values / 65535, atol=1e-6)

    def test_grey_and_palette(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR[..., 0]).save(tmp_path / "grey.png")
        np.testing.assert_allclose(
            read_photo(tmp_path / "grey.png").pixels, COLOUR[..., :1].repeat(3, 2) / 255, atol=1e-6
        )
        Image.fromarray(COLOUR).quantize(8).save(tmp_path / "palette.png")
        assert read_photo(tmp_path / "palette.png").pixels.shape == (20, 30, 3)

    def test_upright_by_exif(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned a quarter clockwise
        Image.fromarray(COLOUR).save(tmp_path / "turned.png", exif=exif)
        np.testing.assert_allclose(
            read_photo(tmp_path / "turned.png").pixels, np.rot90(COLOUR, -1) / 255, atol=1e-6
        )

    @pytest.mark.parametrize("kind", [np.uint8, np.uint16])
    def test_alpha_is_the_mask(self, tmp_path: Path, kind: type) -> None:
        top = np.iinfo(kind).max
        alpha = np.zeros((20, 30), kind)
        alpha[5:15, 5:25] = top
        pixels = np.dstack([(COLOUR / 255 * top).astype(kind), alpha])
        codecs.write_png(tmp_path / "cut.png", pixels)
        photo = read_photo(tmp_path / "cut.png")
        assert photo.mask is not None
        assert np.array_equal(photo.mask, alpha > 0)
        assert photo.pixels.shape == (20, 30, 3)

    def test_opaque_alpha_says_nothing(self, tmp_path: Path) -> None:
        Image.fromarray(np.dstack([COLOUR, np.full((20, 30), 255, np.uint8)])).save(tmp_path / "opaque.png")
        assert read_photo(tmp_path / "opaque.png").mask is None

    def test_mask_file(self, tmp_path: Path) -> None:
        mask = np.zeros((20, 30), np.uint8)
        mask[3:9] = 255
        Image.fromarray(COLOUR).save(tmp_path / "photo.png")
        Image.fromarray(mask).save(tmp_path / "mask.png")
        photo = read_photo(tmp_path / "photo.png", tmp_path / "mask.png")
        assert photo.mask is not None
        assert np.array_equal(photo.mask, mask > 0)

    def test_linear_images_are_encoded_for_display(self, tmp_path: Path) -> None:
        linear = np.full((16, 16, 3), 0.5, np.float32)
        codecs.write_exr(tmp_path / "light.exr", codecs.split_channels(linear * 10, "RGB"))
        assert read_photo(tmp_path / "light.exr").pixels == pytest.approx(1.0)
        ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16, 1).repeat(3, 2)
        assert linear_photo(ramp).pixels[8, 0, 0] == pytest.approx(0.735, abs=0.01)

    def test_folders_and_patterns(self, tmp_path: Path) -> None:
        for name in ("b.png", "a.jpg", "notes.txt"):
            (tmp_path / name).touch()
        assert [path.name for path in find_photos([tmp_path])] == ["a.jpg", "b.png"]
        assert [path.name for path in find_photos([f"{tmp_path}/*.png", tmp_path])] == ["b.png", "a.jpg"]
        with pytest.raises(ImageFileError, match="no photo there"):
            find_photos([tmp_path / "*.webp"])


class TestBadPhotos:
    def test_not_an_image(self, tmp_path: Path) -> None:
        path = tmp_path / "photo.jpg"
        path.write_text("no image")
        with pytest.raises(ImageFileError, match=r"photo\.jpg: cannot be read as an image"):
            read_photo(path)

    @pytest.mark.parametrize("suffix", ["png", "jpg", "exr"])
    def test_cut_short(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"photo.{suffix}"
        if suffix == "exr":
            codecs.write_exr(path, codecs.split_channels(COLOUR.astype(np.float32), "RGB"))
        else:
            Image.fromarray(COLOUR).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ImageFileError, match=f"photo.{suffix}"):
            read_photo(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ImageFileError, match="no such file"):
            read_photo(tmp_path / "none.png")

    @pytest.mark.parametrize("size", [(1, 1), (7, 500)])
    def test_too_small(self, tmp_path: Path, size: tuple[int, int]) -> None:
        Image.new("RGB", size).save(tmp_path / "dot.png")
        with pytest.raises(
            ImageFileError, match=f"{size[0]} x {size[1]} pixels; a photo needs at least 8 a side"
        ):
            read_photo(tmp_path / "dot.png")

    def test_fifty_megapixels(self, tmp_path: Path) -> None:
        path = tmp_path / "huge.png"
        Image.new("1", (10_000, 5_000)).save(path)
        with pytest.raises(ImageFileError, match=r"50\.0 megapixels, more than 40: shrink it, or allow it"):
            read_photo(path)

    def test_mask_of_another_size(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR).save(tmp_path / "photo.png")
        Image.new("L", (20, 30)).save(tmp_path / "mask.png")
        with pytest.raises(ImageFileError, match="a mask of 20 x 30 pixels for a photo of 30 x 20"):
            read_photo(tmp_path / "photo.png", tmp_path / "mask.png")

    def test_empty_mask(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR).save(tmp_path / "photo.png")
        Image.new("L", (30, 20)).save(tmp_path / "mask.png")
        with pytest.raises(ImageFileError, match=r"mask\.png: the mask is empty"):
            read_photo(tmp_path / "photo.png", tmp_path / "mask.png")

    @pytest.mark.parametrize("values", [2.0, -0.1, np.nan])
    def test_array_out_of_range(self, values: float) -> None:
        with pytest.raises(ImageFileError, match=r"outside 0\.\.1"):
            infer(np.full((16, 16, 3), values, np.float32), tiny_model())


class TestFraming:
    @pytest.mark.parametrize("shape", [(40, 40), (31, 77), (90, 13)])
    @pytest.mark.parametrize("size", [32, 128])
    def test_there_and_back(self, shape: tuple[int, int], size: int) -> None:
        row, column = np.mgrid[: shape[0], : shape[1]] / max(shape)
        pixels = np.stack([row, column, row * column], axis=2).astype(np.float32)
        seen = frame(Photo(pixels), size)
        assert seen.pixels.shape == (size, size, 3)
        back = unframe(seen.pixels, seen.window)
        assert back.shape == pixels.shape
        assert np.abs(back - pixels).mean() < 0.01

    def test_object_fills_the_square(self) -> None:
        photo, _ = sphere_photo(200, 400, 30)
        seen = frame(photo, 64)
        assert seen.mask is not None
        across = seen.mask.any(axis=0).sum()
        assert across == pytest.approx(64 / 1.15, abs=1.5)
        assert frame(photo, 64, crop=False).mask.any(axis=0).sum() == pytest.approx(64 * 60 / 400, abs=1.5)  # type: ignore[union-attr]

    def test_window_may_leave_the_photo(self) -> None:
        photo = Photo(np.ones((20, 20, 3), np.float32), np.ones((20, 20), bool))
        seen = frame(photo, 46)
        assert seen.pixels[0].max() == 0
        assert seen.inside.mean() == pytest.approx(1 / 1.15**2, abs=0.05)

    def test_shrinking_averages(self) -> None:
        checks = np.indices((64, 64)).sum(axis=0) % 2
        assert resize(checks.astype(np.float32), 16) == pytest.approx(0.5)


class TestInference:
    @pytest.mark.parametrize(("height", "width", "radius"), [(150, 150, 60), (97, 301, 40), (700, 500, 200)])
    @pytest.mark.parametrize("target", ["shading", "normal"])
    def test_normals_come_back_at_the_photos_size(
        self, height: int, width: int, radius: float, target: str
    ) -> None:
        photo, truth = sphere_photo(height, width, radius)
        found = next(infer_all([photo], SphereModel(RoseSettings(size=128, target=target))))  # type: ignore[arg-type]
        assert found.normal.shape == (height, width, 3)
        assert found.mask is photo.mask
        error = angular_error_degrees(found.normal, truth)[found.mask]
        assert np.isfinite(error).all()
        assert error.mean() < 2
        assert np.linalg.norm(found.normal, axis=2)[found.mask] == pytest.approx(1, abs=1e-5)
        assert not found.normal[~found.mask].any()
        if target == "shading":
            assert found.shading is not None
            assert found.shading.shape == (9, height, width)
            assert np.abs(found.shading - lambert(truth, ring(9), photo.mask))[:, found.mask].mean() < 0.02
            assert found.confidence[found.mask].mean() > 0.9
        else:
            assert found.shading is None
            assert found.confidence[found.mask].mean() == pytest.approx(0.8, abs=0.02)

    def test_object_is_found_without_a_mask(self) -> None:
        photo, truth = sphere_photo(120, 200, 45, masked=False)
        found = next(infer_all([photo], SphereModel(RoseSettings(size=128))))  # type: ignore[arg-type]
        true_mask = (truth != 0).any(axis=2)
        assert (found.mask & true_mask).sum() / (found.mask | true_mask).sum() > 0.97

    def test_batches_change_nothing(self) -> None:
        model = SphereModel(RoseSettings(size=64))
        photos = [sphere_photo(60 + 10 * k, 80, 20)[0] for k in range(5)]
        together = list(infer_all(photos, model, batch=3))  # type: ignore[arg-type]
        alone = [next(infer_all([photo], model)) for photo in photos]  # type: ignore[arg-type]
        assert [len(found.normal) for found in together] == [60, 70, 80, 90, 100]
        assert all(np.array_equal(a.normal, b.normal) for a, b in zip(together, alone, strict=True))

    def test_from_a_file(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR).save(tmp_path / "photo.png")
        tiny_model().save_pretrained(tmp_path / "model")
        found = infer(tmp_path / "photo.png", tmp_path / "model", solver="ols")
        assert found.normal.shape == (20, 30, 3)

    def test_unknown_solver(self) -> None:
        with pytest.raises(SolveError, match="'magic' is not known"):
            infer(sphere_photo(50, 50, 20)[0], SphereModel(RoseSettings(size=64)), solver="magic")  # type: ignore[arg-type]


class TestFiles:
    def test_everything_is_written(self, tmp_path: Path) -> None:
        photo, _ = sphere_photo(60, 90, 25)
        found = next(infer_all([photo], SphereModel(RoseSettings(size=64))))  # type: ignore[arg-type]
        names = {path.name for path in write_prediction(tmp_path, found, video="gif")}
        assert names == {
            "normal_gl.png",
            "normal_dx.png",
            "normal.exr",
            "confidence.png",
            "mask.png",
            "height.png",
            "shading.gif",
            "surface.ply",
            "surface.glb",
            "overview.png",
            "page.html",
            "conventions.json",
            "record.json",
        }
        coded = codecs.read_png(tmp_path / "normal_gl.png")
        assert (coded.shape, coded.dtype) == ((60, 90, 3), np.uint16)
        stored = codecs.stack_channels(codecs.read_exr(tmp_path / "normal.exr"), "XYZ")
        assert np.array_equal(stored, found.normal)
        assert angular_error_degrees(coded / 65535 * 2 - 1, found.normal)[found.mask].max() < 0.01
        with Image.open(tmp_path / "shading.gif") as video:
            assert (video.n_frames, video.size) == (9, (90, 60))  # type: ignore[attr-defined]

    def test_mp4_can_be_read_back(self, tmp_path: Path) -> None:
        photo, truth = sphere_photo(61, 91, 25)
        found = next(infer_all([photo], SphereModel(RoseSettings(size=64))))  # type: ignore[arg-type]
        write_prediction(tmp_path, found, video="mp4", integrator=None)
        video = cv2.VideoCapture(str(tmp_path / "shading.mp4"))
        frames = []
        while (got := video.read())[0]:
            frames.append(got[1])
        assert len(frames) == 9
        expected = lambert(truth, ring(9))[:, :60, :90]
        assert np.abs(np.stack(frames)[..., 0] / 255 - expected).mean() < 0.03

    def test_sphere_stands_out_by_its_radius(self) -> None:
        photo, _ = sphere_photo(100, 140, 40)
        found = next(infer_all([photo], SphereModel(RoseSettings(size=128))))  # type: ignore[arg-type]
        surface = integrate_normals(found.normal)
        assert surface is not None
        height = (np.nanmax(surface.depth) - np.nanmin(surface.depth)) * surface.camera[0, 0]
        assert height == pytest.approx(40, rel=0.15)

    def test_nothing_there(self, tmp_path: Path) -> None:
        photo = Photo(np.zeros((40, 40, 3), np.float32))
        found = next(infer_all([photo], SphereModel(RoseSettings(size=64))))  # type: ignore[arg-type]
        assert not found.mask.any()
        assert (tmp_path / "overview.png") in write_prediction(tmp_path, found)

    def test_videos_of_large_photos_are_smaller(self) -> None:
        photo, _ = sphere_photo(900, 1600, 300)
        found = next(infer_all([photo], SphereModel(RoseSettings(size=64))))  # type: ignore[arg-type]
        assert shading_frames(found)[0].shape == (432, 768)


class TestCommand:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        tiny_model().save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    def test_one_photo(self, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Image.fromarray(COLOUR).save(tmp_path / "photo.png")
        Image.fromarray(np.full((20, 30), 255, np.uint8)).save(tmp_path / "mask.png")
        out = tmp_path / "out"
        arguments = ["infer", f"{tmp_path}/photo.png", "--mask", f"{tmp_path}/mask.png"]
        assert main([*arguments, "--model", str(model), "-o", str(out)]) == 0
        assert (out / "overview.png").is_file()
        assert "photo.png: 100% of the photo" in capsys.readouterr().out

    def test_default_outputs_are_named_by_photo(
        self, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("a", "b"):
            Image.fromarray(COLOUR).save(tmp_path / f"{name}.png")
        plain = ["--model", str(model), "--video", "none", "--integrate", "none"]
        assert main(["infer", "a.png", *plain]) == 0
        assert main(["infer", "b.png", *plain]) == 0
        assert sorted(path.name for path in Path("out/infer").iterdir()) == ["a", "b"]

    def test_results_go_to_their_photos_folders_whatever_objects_carry_them(
        self, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Batches, a photo left out, and copied photos: files must not be matched by an object's identity."""
        photos, out = tmp_path / "photos", tmp_path / "out"
        photos.mkdir()
        sizes = {"a": (20, 30), "c": (30, 20), "d": (24, 24), "e": (12, 40)}
        for name, (height, width) in sizes.items():
            Image.fromarray(np.resize(COLOUR, (height, width, 3))).save(photos / f"{name}.png")
        (photos / "b.png").write_bytes(b"broken")

        def copied(*arguments: Any, **options: Any) -> Iterator[PhotoPrediction]:
            for prediction in infer_all(*arguments, **options):
                yield replace(prediction, photo=replace(prediction.photo))

        monkeypatch.setattr("multishade.inference.predict.infer_all", copied)
        arguments = ["infer", str(photos), "--model", str(model), "-o", str(out), "--batch", "3"]
        assert main([*arguments, "--video", "none", "--integrate", "none"]) == 1
        shapes = {path.parent.name: codecs.read_png(path).shape[:2] for path in out.glob("*/normal_gl.png")}
        assert shapes == sizes

    def test_folder_with_a_bad_photo(
        self, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        photos, out = tmp_path / "photos", tmp_path / "out"
        photos.mkdir()
        for name in ("a.png", "a.jpg", "b.png"):
            Image.fromarray(COLOUR).save(photos / name)
        (photos / "broken.png").write_bytes(b"broken")
        arguments = ["infer", str(photos), "--model", str(model), "-o", str(out), "--batch", "2"]
        assert main([*arguments, "--video", "none", "--integrate", "none"]) == 1
        assert sorted(path.name for path in out.iterdir()) == ["a", "a-png", "b", "contact_sheet.png"]
        assert "skipped: " in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--model", "{model}", "--method", "magic"], "--method magic: expected one of ols"),
            (["--model", "{model}", "--device", "cuda:7"], "no CUDA device"),
            (["--model", "{photos}"], "is this the folder of a model?"),
            (["--model", "{model}", "--batch", "0"], "--batch 0"),
        ],
    )
    def test_wrong_options(
        self,
        tmp_path: Path,
        model: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        message: str,
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        photos = tmp_path / "photos"
        photos.mkdir()
        Image.fromarray(COLOUR).save(photos / "a.png")
        filled = [word.format(model=model, photos=photos) for word in arguments]
        assert main(["infer", str(photos), *filled]) == 2
        assert message in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("name", "remedy"), [("rose", "give another with --model"), ("iga-psn", "name the folder of another")]
    )
    def test_no_model_in_the_box(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, remedy: str
    ) -> None:
        from multishade.models import bundled

        monkeypatch.setitem(bundled.FOLDERS, name, tmp_path / "none")
        with pytest.raises(ModelError, match=f"the bundled model is not installed; {remedy}"):
            bundled.bundled_model(name)


class TestStrangersPhotos:
    def test_a_folder_names_what_it_leaves_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for package in ("pillow_heif", "rawpy"):
            monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
        for name in (
            "2.png",
            "10.PNG",
            "x.jfif",
            "y.avif",
            "z.hdr",
            "a.HEIC",
            "b.cr2",
            "._2.png",
            ".c.png",
            "n.txt",
        ):
            (tmp_path / name).touch()
        left: list[str] = []
        found = find_photos([tmp_path], lambda path, reason: left.append(f"{path.name} {reason}"))
        assert [path.name for path in found] == ["2.png", "10.PNG", "x.jfif", "y.avif", "z.hdr"]
        assert [line.split()[0] for line in left] == ["a.HEIC", "b.cr2"] and all(
            "convert it" in line and "multishade[photos]" in line for line in left
        )
        assert [path.name for path in find_photos([f"{tmp_path}/*.png"])] == ["2.png"]

    def test_alpha_below_one_half_is_named_as_alpha(self, tmp_path: Path) -> None:
        for kind, top in ((np.uint8, 120), (np.uint16, 30000)):
            pixels = np.full((20, 30, 4), top, kind)
            codecs.write_png(tmp_path / "a.png", pixels)
            with pytest.raises(ImageFileError, match=r"a\.png: its alpha, .*at most 0\.4\d"):
                read_photo(tmp_path / "a.png")

    @pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
    def test_a_background_needs_a_mask(self, tmp_path: Path, suffix: str) -> None:
        scene = cv2.resize(COLOUR, (90, 60))
        Image.fromarray(scene).save(tmp_path / f"a.{suffix}")
        assert "no mask, and its background is not plain" in self.notes(tmp_path / f"a.{suffix}")[0]
        Image.fromarray(np.full((60, 90), 255, np.uint8)).save(tmp_path / "mask.png")
        assert not self.notes(tmp_path / f"a.{suffix}", tmp_path / "mask.png")
        scene[:16], scene[-16:], scene[:, :16], scene[:, -16:] = 30, 30, 30, 30
        Image.fromarray(scene).save(tmp_path / f"b.{suffix}")
        assert not self.notes(tmp_path / f"b.{suffix}")

    def notes(self, photo: Path, mask: Path | None = None) -> tuple[str, ...]:
        return infer(photo, tiny_model(process="one_step"), mask).photo.notes

    @pytest.mark.parametrize("shape", [(8, 20000), (20000, 8)])
    def test_a_thin_photo_is_refused_by_name(self, shape: tuple[int, int]) -> None:
        with pytest.raises(ImageFileError, match=f"^long: {shape[1]} x {shape[0]} pixels: of the 64 x 64"):
            frame(Photo(np.zeros((*shape, 3), np.float32), name="long"), 64)

    @pytest.mark.parametrize("shape", [(900, 8400), (8400, 900)])
    @pytest.mark.parametrize("masked", [False, True])
    def test_a_long_photo_needs_no_square_of_its_length(self, shape: tuple[int, int], masked: bool) -> None:
        row, column = np.mgrid[: shape[0], : shape[1]]
        pixels = np.stack([row / shape[0], column / shape[1], row * 0 + 0.5], axis=2).astype(np.float32)
        framed = frame(Photo(pixels, np.ones(shape, bool) if masked else None), 64, crop=False)
        assert framed.pixels.shape == (64, 64, 3) and 5 <= framed.inside.any(axis=1).sum() <= 64
        back = unframe(framed.pixels, framed.window)
        assert back.shape == pixels.shape
        middle = np.s_[shape[0] // 4 : -shape[0] // 4, shape[1] // 4 : -shape[1] // 4]
        assert np.abs(back - pixels)[middle].mean() < 0.05

    def test_the_record_has_measures_and_notes(self, tmp_path: Path) -> None:
        import json

        photo, _ = sphere_photo(60, 90, 25)
        found = next(infer_all([replace(photo, notes=("a note",))], SphereModel(RoseSettings(size=64))))  # type: ignore[arg-type]
        write_prediction(tmp_path, found, video=None, integrator=None)
        record = json.loads((tmp_path / "record.json").read_text())
        assert record["notes"][0] == "a note" and record["measures"]["curl"] < 0.2
        assert record["measures"]["facing_away"] == 0 and record["measures"]["clipped"] is None
