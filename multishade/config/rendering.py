# SPDX-License-Identifier: Apache-2.0
"""Settings of Cycles: samples per pixel, when an image is done, denoising and light paths."""

from typing import Literal, Self

from pydantic import Field, model_validator

from multishade.config.section import Section


class Samples(Section):
    """Samples (paths) per pixel, by kind of light."""

    parallel: int = Field(16, ge=1, le=65536, description="images under a parallel light")
    point: int = Field(16, ge=1, le=65536, description="images under a point light")
    environment: int = Field(32, ge=1, le=65536, description="images under an environment map")
    mixed: int = Field(32, ge=1, le=65536, description="images under an environment map and a parallel light")
    shading: int = Field(16, ge=1, le=65536, description="each frame of the mode photometric")
    basis: int = Field(16, ge=1, le=65536, description="each image of a light basis")


class Denoise(Section):
    """Open Image Denoise, as Cycles runs it."""

    enabled: bool = Field(True, description="whether images are denoised")
    quality: Literal["fast", "balanced", "high"] = Field(
        "balanced", description="size of the denoiser's network"
    )
    prefilter: Literal["none", "fast", "accurate"] = Field(
        "none", description="whether the guides are denoised first"
    )
    guides: Literal["none", "albedo", "albedo-normal"] = Field(
        "albedo-normal", description="passes that tell the denoiser where edges are"
    )


class Quality(Section):
    """Render each image in parts until its estimated noise is low enough; `samples` is the upper limit."""

    psnr: float | None = Field(
        None,
        ge=20,
        le=60,
        description="minimum PSNR, display-encoded, over the object; none: every image gets all samples",
        json_schema_extra={"unit": "dB"},
    )
    first: int = Field(4, ge=1, le=4096, description="samples of each of the first two parts")


class Adaptive(Section):
    """Cycles' adaptive sampling: a pixel ends once its noise is below a threshold; `samples` is the upper limit."""

    threshold: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="noise at which a pixel ends, of its brightness; 0: every pixel gets all samples",
    )
    min_samples: int = Field(8, ge=1, le=4096, description="samples that every pixel gets")


class Render(Section):
    """Settings of Cycles."""

    device: Literal["cpu", "cuda", "optix", "hip", "oneapi", "metal"] = Field(
        "cpu", description="what Cycles renders on"
    )
    samples: Samples = Samples()
    quality: Quality = Quality()
    adaptive: Adaptive = Adaptive()
    denoise: Denoise = Denoise()
    max_bounces: int = Field(4, ge=0, le=64, description="most bounces of a light path")
    diffuse_bounces: int = Field(2, ge=0, le=64, description="most diffuse bounces of a path")
    glossy_bounces: int = Field(3, ge=0, le=64, description="most glossy bounces of a path")
    transmission_bounces: int = Field(
        4, ge=0, le=64, description="most transmissions of a path; glass needs 12"
    )
    clamp_indirect: float = Field(
        10.0, ge=0, description="largest radiance of one indirect sample; 0: unclamped"
    )
    filter_width: float = Field(
        1.5,
        ge=0.01,
        le=10,
        description="width of the Blackman-Harris pixel filter",
        json_schema_extra={"unit": "pixels"},
    )
    light_tree: bool = Field(
        False, description="Cycles' light tree; costs 20 % of the time without benefit for a single light"
    )
    importance_map: int = Field(
        256,
        ge=4,
        le=8192,
        description="width of the map from which Cycles samples an environment",
        json_schema_extra={"unit": "pixels"},
    )
    crop: bool = Field(True, description="render only the bounding box of the object")

    @model_validator(mode="after")
    def _one_way_to_end(self) -> Self:
        if self.quality.psnr is not None and self.adaptive.threshold > 0:
            raise ValueError(
                "quality.psnr ends whole images, adaptive.threshold ends single pixels: give one of them"
            )
        few = [kind for kind, samples in self.samples.model_dump().items() if samples < 2]
        if self.quality.psnr is not None and few:
            raise ValueError(
                f"quality.psnr compares two parts of an image, but samples.{few[0]} is 1: give it more"
            )
        return self
