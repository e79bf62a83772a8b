# SPDX-License-Identifier: Apache-2.0
"""Exposure, background, blur, noise, tone curve and JPEG: in linear light, before display encoding, as drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from multishade.data.display import WHITE_OF_SHOULDER, display_of, soft_shoulder, tone_table
from multishade.data.photometric import Camera, add_noise, grey_of, through_jpeg
from multishade.data.settings import Background, Photometric
from multishade.errors import DataError
from multishade.imaging.codecs import write_exr, write_png
from multishade.imaging.color import linear_to_srgb, srgb_to_linear

STEP = 1 / 255


def camera(**settings: Any) -> Camera:
    return Camera(Photometric(**settings))


def flat(value: float, size: int = 32) -> Tensor:
    return torch.full((3, size, size), value)


def light_of(display: Tensor) -> np.ndarray:  # type: ignore[type-arg]
    return srgb_to_linear(display.float().numpy())


def test_the_table_is_srgb_to_a_fraction_of_an_8_bit_step() -> None:
    light = torch.from_numpy(np.concatenate([np.geomspace(1e-6, 100, 4000), [0, -0.1]]).astype(np.float32))
    shown = display_of(light.half()).float().numpy()
    assert np.abs(shown - linear_to_srgb(light.numpy())).max() < STEP / 8
    assert shown[-1] == shown[-2] == 0 and shown[-3] == 1


def test_tone_curves_keep_middle_grey_and_order() -> None:
    rising = torch.linspace(0, 6, 500).half()
    for contrast, shoulder in ((1.0, 0.0), (0.7, 0.0), (1.4, 0.5), (1.0, 1.0)):
        table = tone_table(contrast, shoulder)
        shown = display_of(rising, table)
        assert (shown.diff() >= 0).all() and shown[0] == 0
        grey = display_of(torch.tensor([0.18]).half(), table).float()
        assert grey.item() == pytest.approx(float(linear_to_srgb(np.float32([0.18]))[0]), abs=STEP / 4)
    assert soft_shoulder(np.float32([WHITE_OF_SHOULDER]))[0] == pytest.approx(1, abs=1e-6)
    # A shoulder keeps apart what plain encoding clips.
    bright = torch.tensor([1.2, 2.0]).half()
    assert (
        display_of(bright).unique().numel() == 1
        and display_of(bright, tone_table(1, 1)).unique().numel() == 2
    )
    # Contrast above 1 darkens the dark and brightens the bright.
    dark_bright = torch.tensor([0.05, 0.5]).half()
    change = display_of(dark_bright, tone_table(1.4, 0)).float() - display_of(dark_bright).float()
    assert change[0] < 0 < change[1]


def test_a_stop_of_exposure_doubles_the_light() -> None:
    rng = np.random.default_rng(0)
    pictures = [
        camera(exposure_stops=(stops, stops)).photograph(flat(0.1), None, rng) for stops in (-1, 0, 1)
    ]
    np.testing.assert_allclose([light_of(each).mean() for each in pictures], [0.05, 0.1, 0.2], rtol=2e-3)
    drawn = [camera(exposure_stops=(-1, 1)).photograph(flat(0.1), None, rng) for _ in range(100)]
    stops = np.log2([light_of(each).mean() / 0.1 for each in drawn])
    assert -1.01 < stops.min() < -0.8 and 0.8 < stops.max() < 1.01


def test_a_background_shows_by_what_the_object_does_not_cover() -> None:
    alpha = torch.zeros(16, 16)
    alpha[:, :4], alpha[:, 4:8] = 1, 0.5
    image = torch.full((3, 16, 16), 0.3) * alpha
    behind = Background(black=0, colour=1, brightness=(0.5, 0.5))
    picture = camera(background=behind).photograph(image, alpha, np.random.default_rng(1))
    light = light_of(picture)
    back = light[:, :, 8:].mean(axis=(1, 2))
    assert back.mean() == pytest.approx(0.5, abs=5e-3) and back.std() > 0
    np.testing.assert_allclose(light[:, :, :4], 0.3, atol=2e-3)
    np.testing.assert_allclose(light[:, :, 4:8].mean(axis=(1, 2)), 0.15 + 0.5 * back, atol=3e-3)
    # Exposure is the object's; a background is as bright as the settings say.
    brighter = camera(background=behind, exposure_stops=(1, 1)).photograph(
        image, alpha, np.random.default_rng(1)
    )
    np.testing.assert_allclose(light_of(brighter)[:, :, 8:].mean(axis=(1, 2)), back, atol=3e-3)
    np.testing.assert_allclose(light_of(brighter)[:, :, :4], 0.6, atol=4e-3)


def test_backgrounds_come_as_often_as_their_weights() -> None:
    behind = Background(black=1, colour=1, gradient=2, brightness=(0.2, 0.4))
    photographer, rng = camera(background=behind), np.random.default_rng(2)
    empty = torch.zeros(12, 12)
    kinds = []
    for _ in range(300):
        light = light_of(photographer.photograph(torch.zeros(3, 12, 12), empty, rng))
        spread = light.std(axis=(1, 2)).max()
        kinds.append("black" if light.max() == 0 else "colour" if spread < 1e-3 else "gradient")
        assert light.max() == 0 or spread > 1e-3 or 0.19 < light.mean() < 0.41
    shares = [kinds.count(kind) / 300 for kind in ("black", "colour", "gradient")]
    np.testing.assert_allclose(shares, [0.25, 0.25, 0.5], atol=0.08)


def test_background_images_are_pieces_of_files(tmp_path: Path) -> None:
    ramp = np.zeros((40, 60, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 60)  # red rises to the right
    write_png(tmp_path / "ramp.png", ramp)
    channels = {
        name: np.full((30, 30), value, np.float32) for name, value in zip("RGB", (0.1, 0.2, 3.0), strict=True)
    }
    write_exr(tmp_path / "flat.exr", channels)
    rng = np.random.default_rng(3)
    for path, check in (
        ("ramp.png", lambda light: light[1:].max() == 0 and light[0].std() > 0),
        ("flat.exr", lambda light: light[2].min() > light[1].max() > light[0].max() > 0),
    ):
        behind = Background(black=0, image=1, images=(str(tmp_path / path),), brightness=(0.05, 0.1))
        picture = camera(background=behind).photograph(torch.zeros(3, 20, 20), torch.zeros(20, 20), rng)
        assert check(light_of(picture))
    with pytest.raises(DataError, match="nothing.png: no such file"):
        camera(background=Background(image=1, images=(str(tmp_path / "nothing.png"),)))
    (tmp_path / "text.png").write_text("no image")
    broken = camera(background=Background(black=0, image=1, images=(str(tmp_path / "text.png"),)))
    with pytest.raises(
        DataError, match=r"text.png: cannot be read as an image .*take it out of background\.images"
    ):
        broken.photograph(torch.zeros(3, 8, 8), torch.zeros(8, 8), rng)
    with pytest.raises(ValueError, match="images names no file"):
        Background(image=1)


def test_noise_has_the_variance_of_photons_and_read_out() -> None:
    rng = np.random.default_rng(4)
    for level in (0.0, 0.1, 0.8):
        noisy = add_noise(flat(level, 128), shot=0.05, read=0.01, rng=rng)
        assert noisy.mean() == pytest.approx(level, abs=1e-3)
        assert noisy.var() == pytest.approx(0.05**2 * level + 0.01**2, rel=0.05)


def test_blur_happens_to_light_and_not_to_display_values() -> None:
    """Half of a white edge is half the light, 188 of 255 in sRGB; blurred display values would give 128."""
    edge = torch.zeros(3, 33, 33)
    edge[:, :, 17:], edge[:, :, 16] = 1, 0.5
    picture = camera(blur=1, blur_pixels=(1.0, 1.0)).photograph(edge, None, np.random.default_rng(5))
    assert picture[0, 16, 16].item() * 255 == pytest.approx(188, abs=1)
    assert 0.01 < picture[0, 16, 14] < picture[0, 16, 15] < picture[0, 16, 16]


def test_jpeg_of_lower_quality_strays_further() -> None:
    rng = np.random.default_rng(6)
    display = torch.from_numpy(rng.random((3, 32, 32), dtype=np.float32)).half()
    errors = [
        (through_jpeg(display, quality).float() - display.float()).abs().mean().item()
        for quality in (20, 60, 95)
    ]
    assert errors[0] > errors[1] > errors[2] > 0
    smooth = torch.linspace(0, 1, 64).expand(3, 64, 64).half()
    assert (through_jpeg(smooth, 95).float() - smooth.float()).abs().max() < 4 * STEP
    red = torch.zeros(3, 16, 16).half()
    red[0] = 1
    assert through_jpeg(red, 90)[:, 8, 8].argmax() == 0  # channels keep their order


def test_what_one_effect_draws_does_not_depend_on_another() -> None:
    """So that an ablation changes one thing."""
    alpha, image = torch.zeros(16, 16), torch.zeros(3, 16, 16)
    behind = Background(black=0, colour=1, brightness=(0.1, 0.9))
    alone = camera(background=behind).photograph(image, alpha, np.random.default_rng(7))
    noisy = camera(background=behind, noise=1, jpeg=0.0).photograph(image, alpha, np.random.default_rng(7))
    assert light_of(noisy).mean() == pytest.approx(light_of(alone).mean(), abs=0.02)
    assert noisy.float().std(dim=(1, 2)).max() > alone.float().std(dim=(1, 2)).max()


def test_plain_settings_are_known_as_such() -> None:
    assert camera().plain and not camera().needs_alpha
    for changed in (
        {"jpeg": 0.1},
        {"exposure_stops": (0, 1)},
        {"contrast": (1, 1.1)},
        {"background": Background(colour=1)},
    ):
        assert not camera(**changed).plain


def test_grey_is_the_mean_of_three() -> None:
    display = torch.tensor([0.0, 0.3, 0.9]).view(3, 1, 1).half()
    assert grey_of(display).item() == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shoulder": (0, 2)}, "shoulder must lie"),
        ({"jpeg_quality": (90, 50)}, "low, high"),
        ({"blur": 2}, "less than or equal"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Photometric(**settings)
