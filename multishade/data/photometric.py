# SPDX-License-Identifier: Apache-2.0
"""The object's light -> the picture a camera would hand out: exposure, background, blur, noise, tone curve, sRGB, JPEG.

Everything up to the tone curve happens to linear light; JPEG works on display values, as in a camera.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from multishade.data.backgrounds import Backgrounds
from multishade.data.display import display_of, tone_table
from multishade.data.settings import Photometric


class Camera:
    """Settings -> random pictures. Owns the backgrounds."""

    def __init__(self, settings: Photometric) -> None:
        self._settings = settings
        self._backgrounds = Backgrounds(settings.background)
        self.needs_alpha = not self._backgrounds.black

    @property
    def plain(self) -> bool:
        """Whether a picture is the stored light, sRGB-encoded, and nothing else."""
        settings = self._settings
        return (
            self._backgrounds.black
            and settings.exposure_stops == (0, 0)
            and settings.blur == settings.noise == settings.jpeg == 0
            and settings.contrast == (1, 1)
            and settings.shoulder == (0, 0)
        )

    def photograph(self, image: Tensor, alpha: Tensor | None, rng: np.random.Generator) -> Tensor:
        """(3, H, W) float32 linear light weighted by coverage -> (3, H, W) float16 display values.

        alpha: (H, W) coverage 0 to 1; may be None if the background is always black. The random
        numbers of one effect do not depend on the others.
        """
        settings = self._settings
        behind, effects, grain, coding = rng.spawn(4)
        stops, blur, sigma, contrast, shoulder = effects.random(5)
        light = image.clamp_min(0).mul_(2 ** _between(settings.exposure_stops, stops))
        if self.needs_alpha:
            assert alpha is not None
            light.addcmul_(1 - alpha, self._backgrounds.sample(tuple(alpha.shape), behind))
        if blur < settings.blur:
            width = _between_logarithms(settings.blur_pixels, sigma)
            planes = [cv2.GaussianBlur(plane, (0, 0), width) for plane in light.numpy()]
            light = torch.from_numpy(np.stack(planes))
        noisy, shot, read = grain.random(3)
        if noisy < settings.noise:
            shot = _between_logarithms(settings.shot_noise, shot)
            light = add_noise(light, shot, _between_logarithms(settings.read_noise, read), grain)
        bend = _between_logarithms(settings.contrast, contrast), _between(settings.shoulder, shoulder)
        display = display_of(light.half(), None if bend == (1, 0) else tone_table(*bend))
        if coding.random() < settings.jpeg:
            lowest, highest = settings.jpeg_quality
            display = through_jpeg(display, int(coding.integers(lowest, highest, endpoint=True)))
        return display


def grey_of(display: Tensor) -> Tensor:
    """(..., 3, H, W) display values -> (..., 1, H, W), the mean of the channels, as RoSE has it."""
    return display.mean(dim=-3, keepdim=True, dtype=torch.float32).to(display.dtype)


def add_noise(light: Tensor, shot: float, read: float, rng: np.random.Generator) -> Tensor:
    """Photon and read-out noise: normal, of variance shot^2 x + read^2 at the light x >= 0. May fall below 0."""
    noise = torch.from_numpy(rng.standard_normal(light.shape, dtype=np.float32))
    return light.mul(shot**2).add_(read**2).sqrt_().mul_(noise).add_(light)


def through_jpeg(display: Tensor, quality: int) -> Tensor:
    """(3, H, W) display values in [0, 1] -> the same after 8 bits and JPEG of this quality (1 to 100), float16."""
    values = display.float().mul_(255).round_().byte()
    pixels = values.permute(1, 2, 0).flip(2).contiguous().numpy()  # cv2 has blue first
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = torch.from_numpy(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return decoded.flip(2).permute(2, 0, 1).float().div_(255).half().contiguous()


def _between(limits: tuple[float, float], share: float) -> float:
    return limits[0] + share * (limits[1] - limits[0])


def _between_logarithms(limits: tuple[float, float], share: float) -> float:
    return float(limits[0] * (limits[1] / limits[0]) ** share)
