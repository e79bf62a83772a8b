# SPDX-License-Identifier: Apache-2.0
"""The object's light -> the picture a camera would hand out: exposure, background, blur, noise, tone curve, sRGB, JPEG.

Everything up to the tone curve happens to linear light; JPEG works on display values, as in a camera.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from multishade.data.backgrounds import Backgrounds
from multishade.data.display import Half, display_of, half, srgb_table, tone_table
from multishade.data.settings import Photometric

Float32 = NDArray[np.float32]


class Camera:
    """Settings -> random pictures. Owns the backgrounds."""

    def __init__(self, settings: Photometric) -> None:
        self._settings = settings
        self._backgrounds = Backgrounds(settings.background)
        self.plain = (
            self._backgrounds.black
            and settings.exposure_stops == (0, 0)
            and settings.blur == settings.noise == settings.jpeg == 0
            and settings.contrast == (1, 1)
            and settings.shoulder == (0, 0)
        )

    def develop(self, image: Half) -> Half:
        """(3, H, W) linear light -> (3, H, W) display values, for `plain` settings."""
        return display_of(image, srgb_table())

    def photograph(self, image: Float32, alpha: Float32 | None, rng: np.random.Generator) -> Half:
        """(H, W, 3) linear light weighted by coverage, (H, W) coverage 0 to 1 -> (3, H, W) display values.

        alpha may be None where the background is always black. The draws of one effect do not depend on the others.
        """
        settings = self._settings
        behind, effects, grain, coding = rng.spawn(4)
        stops, blur, sigma, contrast, shoulder = effects.random(5)
        light = np.maximum(image, 0)
        light *= np.float32(2 ** _between(settings.exposure_stops, stops))
        if not self._backgrounds.black:
            assert alpha is not None
            light += (1 - alpha)[..., None] * self._backgrounds.draw(alpha.shape, behind)
        if blur < settings.blur:
            light = cv2.GaussianBlur(light, (0, 0), _between_logarithms(settings.blur_pixels, sigma))
        if grain.random() < settings.noise:
            light = add_noise(
                light,
                _between_logarithms(settings.shot_noise, grain.random()),
                _between_logarithms(settings.read_noise, grain.random()),
                grain,
            )
        bend = _between_logarithms(settings.contrast, contrast), _between(settings.shoulder, shoulder)
        table = srgb_table() if bend == (1, 0) else tone_table(*bend)
        display = display_of(half(np.ascontiguousarray(light.transpose(2, 0, 1))), table)
        if coding.random() < settings.jpeg:
            lowest, highest = settings.jpeg_quality
            display = through_jpeg(display, int(coding.integers(lowest, highest, endpoint=True)))
        return display


def grey_of(display: Half) -> Half:
    """(3, H, W) display values -> (1, H, W), the mean of the channels, as RoSE has it."""
    return torch.from_numpy(display).float().mean(dim=0, keepdim=True).half().numpy()


def add_noise(light: Float32, shot: float, read: float, rng: np.random.Generator) -> Float32:
    """Photon and read-out noise: normal, of variance shot^2 x + read^2 at the light x. Any shape; may fall below 0."""
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    spread = np.sqrt(light * np.float32(shot**2) + np.float32(read**2))
    noise *= spread
    noise += light
    return noise


def through_jpeg(display: Half, quality: int) -> Half:
    """(3, H, W) display values in [0, 1] -> the same after 8 bits and JPEG of this quality (1 to 100)."""
    values = torch.from_numpy(display).float().mul_(255).round_().byte()
    pixels = values.permute(1, 2, 0).flip(2).contiguous().numpy()  # cv2 has blue first
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = torch.from_numpy(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return (decoded.flip(2).permute(2, 0, 1).float() / 255).half().contiguous().numpy()


def _between(limits: tuple[float, float], share: float) -> float:
    return limits[0] + share * (limits[1] - limits[0])


def _between_logarithms(limits: tuple[float, float], share: float) -> float:
    return float(limits[0] * (limits[1] / limits[0]) ** share)
