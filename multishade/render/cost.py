# SPDX-License-Identifier: Apache-2.0
"""A recipe -> CPU seconds of a group by stage, and its bytes, from what small renders were measured to cost.

Coefficients are CPU seconds of one thread for an average built-in object in a built-in material; `make bench-estimate`
compares them with renders. Materials differ: brushed metal costs half as much, skin and glass several times as much.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from multishade.config import Config

PROCESS = 0.6  # to start Blender
GROUP = 0.4  # mesh, import, material
VIEW = 0.08  # scene updates, buffers, encoding, whatever the size
VIEW_PIXEL = 0.6e-6  # a pixel of the frame: buffers and their encoding
IMAGE = 0.078  # a render call, whatever the size
PILOT = 0.03  # a pilot of adaptive sampling
BOX_PIXEL = 5.2e-6  # a pixel of the object's box in one image: denoiser, reading, encoding
CAST_FRAME, CAST_PIXEL = 0.05, 1.0e-6  # a frame of mode cast, and a pixel of it
BOX = 0.26  # share of the frame that the object's box covers
BACKGROUND = 0.3  # cost of a pixel outside the box in relation to one inside, if the image is not cropped
# Seconds of one sample of one pixel of the box, with 4 bounces.
SAMPLE = {
    "parallel": 1.56e-6,
    "point": 1.56e-6,
    "environment": 2.45e-6,
    "mixed": 2.27e-6,
    "photometric": 1.56e-6,
    "basis": 1.56e-6,
}
BOUNCE = 0.02  # a sample's relative cost for each bounce above 4
IMPORTANCE = 0.19e-6  # a pixel of an environment's importance map (half as high as it is wide)
# Adaptive sampling without a limit at a threshold of NOISE_AT: samples of a mean pixel. They fall with a power of the
# threshold that is below 2, since many pixels get the least samples, and some all.
NOISE_AT, NOISE_POWER = 0.04, 0.7
NOISE = {
    "parallel": 120.0,
    "point": 187.0,
    "environment": 167.0,
    "mixed": 170.0,
    "photometric": 120.0,
    "basis": 120.0,
}
# Bytes of a pixel of the frame: an image, by its compression, and all other fields together.
IMAGE_BYTES = {"dwab": 0.5, "zip": 1.0, "piz": 1.0, "none": 6.0, "png16": 1.0, "png8": 0.6}
MAP_BYTES, SHADING_BYTES, FIXED_BYTES = 1.8, 0.14, 40_000
# Of a material pass; measured on two built-in objects at 64 x 64.
PASS_BYTES = {"albedo": 1.2, "roughness": 0.23, "metallic": 0.17, "position": 3.0, "object_index": 0.06}


@dataclass(frozen=True)
class Cost:
    """What a group costs on average.

    Attributes:
        seconds: CPU seconds by stage: "object", "geometry", each kind of image, "cast".
        bytes: Stored bytes.
    """

    seconds: Mapping[str, float]
    bytes: float

    @property
    def total(self) -> float:
        """CPU seconds of all stages."""
        return sum(self.seconds.values())


def images_of(config: Config) -> dict[str, int]:
    """Count the images of one view by kind of light; frames of a sequence are `photometric`, of a basis `basis`."""
    lights = config.lights
    counts = {kind: getattr(lights, kind).count for kind in ("parallel", "point", "environment", "mixed")}
    counts["photometric"] = config.shading.count if config.shading.mode == "photometric" else 0
    counts["basis"] = config.light_basis.count if config.light_basis else 0
    return {kind: count for kind, count in counts.items() if count}


def cost_of(config: Config) -> Cost:
    """Estimate what a group of a recipe costs.

    Args:
        config: The recipe.

    Returns:
        Seconds and bytes of one group with all its views.
    """
    views, pixels = config.views.count, config.camera.width * config.camera.height
    seconds = {
        "object": GROUP + PROCESS / min(config.shards.groups, config.runtime.groups_per_child),
        "geometry": views * (VIEW + VIEW_PIXEL * pixels * (1 + 0.3 * (config.geometry.samples - 1))),
    }
    for kind, count in images_of(config).items():
        seconds[kind] = views * count * _image_seconds(config, kind, pixels)
    if config.shading.mode == "cast":
        seconds["cast"] = views * config.shading.count * (CAST_FRAME + CAST_PIXEL * pixels)
    return Cost(seconds, views * _sample_bytes(config, pixels))


def effective_samples(config: Config, kind: str) -> float:
    """Estimate the samples of an average pixel of an image: fewer than the limit under adaptive sampling.

    Args:
        config: The recipe.
        kind: Kind of image, as in `images_of`.
    """
    limit = float(getattr(config.render.samples, "shading" if kind == "photometric" else kind))
    threshold = config.render.adaptive.threshold
    if threshold == 0:
        return limit
    wanted = NOISE[kind] * (NOISE_AT / threshold) ** NOISE_POWER
    least = min(limit, config.render.adaptive.min_samples)
    return max(least, 1 / (1 / wanted + 1 / limit))


def _image_seconds(config: Config, kind: str, pixels: int) -> float:
    render = config.render
    box = BOX if render.crop else BOX + BACKGROUND * (1 - BOX)
    per_sample = SAMPLE[kind] * (1 + BOUNCE * (render.max_bounces - 4))
    seconds = IMAGE + box * pixels * (BOX_PIXEL + per_sample * effective_samples(config, kind))
    if render.adaptive.threshold > 0:
        seconds += PILOT
    if kind in ("environment", "mixed"):
        seconds += IMPORTANCE * render.importance_map**2 / 2
    return seconds


def _sample_bytes(config: Config, pixels: int) -> float:
    formats, shading = config.formats, config.shading
    each = IMAGE_BYTES[formats.image_compression if formats.image == "exr" else formats.image]
    images = images_of(config)
    basis = images.pop("basis", 0)
    size = sum(images.values()) * each + MAP_BYTES
    if config.light_basis:
        size += basis * IMAGE_BYTES[config.light_basis.compression]
    if shading.stored and shading.mode != "photometric":
        size += shading.count * SHADING_BYTES
    size += sum(PASS_BYTES[name] for name in formats.passes)
    return FIXED_BYTES + pixels * size


def memory_gib(config: Config) -> float:
    """Estimate the memory of one worker with its Blender, in GiB, for built-in assets; large meshes need more."""
    pixels = config.camera.width * config.camera.height
    environment = 16 * config.render.importance_map**2 / 2 if "environment" in images_of(config) else 0
    frames = sum(images_of(config).values()) + config.shading.count + 8
    return (0.75 * 2**30 + 120 * pixels + 2 * environment + 16 * frames * pixels) / 2**30


def spread_of(values: list[float]) -> float:
    """Relative standard error of the mean of values; infinite for fewer than two."""
    if len(values) < 2:
        return math.inf
    mean = float(np.mean(values))
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) / max(mean, 1e-12)
