# SPDX-License-Identifier: Apache-2.0
"""What a data set is: every setting, its unit, its range and its default.

Angles are in degrees, lengths in scene units (the object's bounding sphere has radius 0.5), ranges are [low, high].
Unknown keys are refused. The defaults are the paper's where the paper says.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from multishade.config.section import PositiveRange, Probability, Range, Section

ViewName = Literal["front", "back", "left", "right", "top", "bottom"]


class Sources(Section):
    """Manifest files (JSONL), relative to the configuration file; several are joined in order."""

    objects: tuple[str, ...] = Field(min_length=1)
    materials: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()


class Objects(Section):
    rotation: Literal["none", "yaw", "full"] = Field(
        "none", description="turn of the object before it is seen: none, about the vertical, or any rotation"
    )
    max_faces: int | None = Field(
        None, ge=100, description="denser meshes are simplified to this many triangles"
    )


class Materials(Section):
    """How often an object keeps its own material, or wears a metallic or non-metallic one."""

    own: Probability = 0.5
    metallic: Probability = 0.25
    non_metallic: Probability = 0.25
    variants: Annotated[int, Field(ge=1, le=8)] = Field(
        1,
        description="groups made of each object; with 2, one keeps the object's own material and one replaces it",
    )
    repeats: PositiveRange = Field((1.0, 2.5), description="repeats of a map set per unit length")
    height_scale: Range = Field((0.004, 0.012), description="height map amplitude, scene units")
    max_texture: int | None = Field(
        None, ge=64, description="textures are reduced to this many pixels a side"
    )

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.own + self.metallic + self.non_metallic
        if abs(total - 1) > 1e-6:
            raise ValueError(f"own + metallic + non_metallic must be 1, not {total:g}")
        return self


class Camera(Section):
    type: Literal["perspective", "orthographic"] = "perspective"
    width: int = Field(576, ge=16, le=8192, description="pixels")
    height: int = Field(576, ge=16, le=8192, description="pixels")
    focal_mm: float = Field(35.0, gt=0)
    sensor_mm: float = Field(32.0, gt=0, description="width of the sensor along the longer side of the image")
    distance: PositiveRange = Field((1.5, 1.8), description="from the object's centre")
    orthographic_extent: float = Field(
        1.08, gt=0, description="scene units along the shorter side of the image"
    )

    @model_validator(mode="after")
    def _outside_the_object(self) -> Self:
        if self.distance[0] <= 0.5:
            raise ValueError(
                f"distance {self.distance[0]:g} lies inside the object's bounding sphere (radius 0.5)"
            )
        return self


class Views(Section):
    count: int = Field(6, ge=1, le=1000)
    canonical: tuple[ViewName, ...] = Field(
        ("top", "left", "right", "bottom", "front"),
        description="the first views, in this order; the rest are random",
    )
    jitter_degrees: float = Field(0.0, ge=0, le=45, description="largest turn away from a canonical view")


class ParallelLight(Section):
    count: int = Field(1, ge=0, le=64)
    strength: PositiveRange = Field(
        (2.0, 6.0), description="irradiance on a surface that faces the light, W/m^2"
    )
    angle_degrees: Range = Field((0.25, 2.0), description="angular diameter of the source")


class PointLight(Section):
    count: int = Field(1, ge=0, le=64)
    strength: PositiveRange = Field((2.0, 6.0), description="irradiance at the object's centre, W/m^2")
    distance: PositiveRange = Field((1.2, 2.5), description="from the object's centre")
    radius: Range = Field((0.01, 0.05), description="of the spherical source")


class EnvironmentLight(Section):
    count: int = Field(2, ge=0, le=64)
    strength: PositiveRange = (0.7, 1.5)
    rotation_degrees: Range = Field((0.0, 360.0), description="about the vertical")


class MixedLight(Section):
    """An environment and a parallel light at once, as in PS-Wild."""

    count: int = Field(0, ge=0, le=64)


class Lights(Section):
    """The light of each input image: so many of each kind, one image per light."""

    parallel: ParallelLight = ParallelLight()
    point: PointLight = PointLight()
    environment: EnvironmentLight = EnvironmentLight()
    mixed: MixedLight = MixedLight()
    hemisphere: Literal["upper-front", "front"] = Field(
        "upper-front", description="parallel and point lights come from here, in the camera's frame"
    )
    min_elevation_degrees: float = Field(10.0, ge=0, lt=90, description="least angle above the image plane")
    colour_jitter: float = Field(0.0, ge=0, le=0.5, description="largest relative tint of a light's colour")


class Shading(Section):
    """The shading sequence: which lights, and what is rendered under them."""

    mode: Literal["lambert", "cast", "photometric"] = "lambert"
    count: int = Field(9, ge=3, le=256)
    path: Literal["ring", "spiral", "hemisphere"] = "ring"
    elevation_degrees: float = Field(45.0, gt=0, lt=90)
    stored: bool = Field(True, description="false: derived from the normal when read (mode lambert only)")
    environment_strength: Range = Field(
        (0.0, 0.0), description="ambient environment under every light (photometric)"
    )

    @model_validator(mode="after")
    def _derivable(self) -> Self:
        if not self.stored and self.mode != "lambert":
            raise ValueError(f"mode {self.mode!r} cannot be derived from the normal: set stored: true")
        if self.environment_strength[1] > 0 and self.mode != "photometric":
            raise ValueError("environment_strength is for mode photometric only")
        return self


class LightBasis(Section):
    """Images under single parallel lights, from which training composes others (`multishade.shards.light_basis`)."""

    count: int = Field(16, ge=3, le=256)
    path: Literal["hemisphere", "spiral"] = "hemisphere"
    min_elevation_degrees: float = Field(10.0, ge=0, lt=90, description="least angle above the image plane")
    angle_degrees: float = Field(1.0, ge=0, le=90, description="angular diameter of each source")
    compression: Literal["zip", "piz", "dwab", "none"] = Field(
        "zip", description="of half floats; dwab takes half the bytes and is no longer exact"
    )


class Exposure(Section):
    """Scale of each image so that the object's median luminance falls into a band."""

    median: PositiveRange = Field((0.10, 0.35), description="of the luminance inside the mask")
    highlight: float = Field(1.0, gt=0, description="luminance that the percentile below may reach")
    highlight_percentile: float = Field(95.0, gt=50, le=100)
    limit: float = Field(64.0, gt=0, description="of the factor: more would show little but noise")


class Samples(Section):
    """Paths per pixel, by kind of light."""

    parallel: int = Field(16, ge=1, le=65536)
    point: int = Field(16, ge=1, le=65536)
    environment: int = Field(32, ge=1, le=65536)
    mixed: int = Field(32, ge=1, le=65536)
    shading: int = Field(16, ge=1, le=65536, description="mode photometric")
    basis: int = Field(16, ge=1, le=65536, description="each image of a light basis")


class Denoise(Section):
    enabled: bool = True
    quality: Literal["fast", "balanced", "high"] = "balanced"
    prefilter: Literal["none", "fast", "accurate"] = "none"
    guides: Literal["none", "albedo", "albedo-normal"] = "albedo-normal"


class Quality(Section):
    """Each image is rendered in parts until its noise, as it is shown, is low enough; `samples` is the most it gets."""

    psnr: float | None = Field(
        None,
        ge=20,
        le=60,
        description="dB, display-encoded, over the object; none: all images get all samples",
    )
    first: int = Field(4, ge=1, le=4096, description="samples of each of the first two parts")


class Adaptive(Section):
    """Cycles' adaptive sampling: a pixel is done when its noise is below a threshold; `samples` is the most it gets."""

    threshold: float = Field(0.0, ge=0, lt=1, description="0: every pixel gets all samples")
    min_samples: int = Field(8, ge=1, le=4096, description="that every pixel gets")


class Render(Section):
    device: Literal["cpu", "cuda", "optix", "hip", "oneapi", "metal"] = "cpu"
    samples: Samples = Samples()
    quality: Quality = Quality()
    adaptive: Adaptive = Adaptive()
    denoise: Denoise = Denoise()
    max_bounces: int = Field(4, ge=0, le=64)
    diffuse_bounces: int = Field(2, ge=0, le=64)
    glossy_bounces: int = Field(3, ge=0, le=64)
    transmission_bounces: int = Field(4, ge=0, le=64)
    clamp_indirect: float = Field(10.0, ge=0, description="0: unclamped")
    filter_width: float = Field(
        1.5, ge=0.01, le=10, description="of the Blackman-Harris pixel filter, pixels"
    )
    light_tree: bool = Field(
        False, description="Cycles' light tree; costs 20 % and wins nothing with one light"
    )
    importance_map: int = Field(
        256, ge=4, le=8192, description="pixels across the map by which Cycles samples an environment"
    )
    crop: bool = Field(True, description="render only the box that the object covers")

    @model_validator(mode="after")
    def _one_way_to_end(self) -> Self:
        if self.quality.psnr is not None and self.adaptive.threshold > 0:
            raise ValueError(
                "quality.psnr ends an image when it is good enough, adaptive.threshold ends each of its pixels: "
                "give one of them"
            )
        few = [kind for kind, samples in self.samples.model_dump().items() if samples < 2]
        if self.quality.psnr is not None and few:
            raise ValueError(
                f"quality.psnr compares two parts of an image, but samples.{few[0]} is 1: give it more"
            )
        return self


class Geometry(Section):
    """How the ground truth is sampled."""

    samples: int = Field(
        1,
        ge=1,
        le=64,
        description="of the normal, averaged over the pixel on the surface at its centre: 1 (off), 4, 9, 16, ...",
    )

    @field_validator("samples")
    @classmethod
    def _square(cls, value: int) -> int:
        if math.isqrt(value) ** 2 != value:
            raise ValueError(
                f"{value} is not a square: the samples form a grid (1, 4, 9, 16, 25, 36, 49, 64)"
            )
        return value


class Formats(Section):
    image: Literal["exr", "png16", "png8"] = "exr"
    image_compression: Literal["dwab", "zip", "piz", "none"] = "dwab"
    normal_geometry: bool = Field(False, description="also store the normal without bump")


class Shards(Section):
    groups: int = Field(32, ge=1, le=100_000, description="groups in a shard")
    count: int = Field(1, ge=1, le=1_000_000, description="shards in the whole data set")


class Runtime(Section):
    """How to run, not what to make: none of this is part of the data set's fingerprint."""

    blender: str | None = Field(
        None, description="path of a Blender 5.0 binary; without it the bpy wheel serves"
    )
    groups_per_child: int = Field(64, ge=1, description="a Blender child is replaced after so many groups")
    attempts: int = Field(2, ge=1, le=10, description="tries at a group, each after the first in a new child")
    start_seconds: float = Field(120.0, gt=0, description="deadline for Blender to start")
    request_seconds: float = Field(600.0, gt=0, description="deadline for one request")
    memory_gib: float = Field(12.0, gt=0.25, description="a child that grows beyond this is ended")
    consecutive_failures: int = Field(
        4, ge=1, description="groups that may fail in a row before the shard gives up"
    )


class Config(Section):
    """The recipe of a data set: what is shown, how it is lit and rendered, and how it is stored."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    seed: int = Field(0, ge=0, lt=2**63)
    split: Literal["train", "val", "test"] = "train"
    sources: Sources
    shards: Shards = Shards()
    objects: Objects = Objects()
    materials: Materials = Materials()
    camera: Camera = Camera()
    views: Views = Views()
    lights: Lights = Lights()
    shading: Shading = Shading()
    light_basis: LightBasis | None = Field(None, description="true for the defaults, or a section")
    exposure: Exposure = Exposure()
    render: Render = Render()
    geometry: Geometry = Geometry()
    formats: Formats = Formats()
    runtime: Runtime = Runtime()

    @field_validator("light_basis", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        return {True: {}, False: None}[value] if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _something_to_see(self) -> Self:
        lights = self.lights
        images = lights.parallel.count + lights.point.count + lights.environment.count + lights.mixed.count
        if images == 0 and self.shading.mode != "photometric" and self.light_basis is None:
            raise ValueError(
                "every count under lights is 0, shading.mode is not photometric and there is no light_basis: "
                "there is no image to render"
            )
        uses_environment = (
            lights.environment.count or lights.mixed.count or self.shading.environment_strength[1] > 0
        )
        if uses_environment and not self.sources.environments:
            raise ValueError("environment lights are asked for, but sources.environments names no manifest")
        if self.materials.own < 1 and not self.sources.materials:
            raise ValueError(
                "materials are to be replaced (materials.own < 1), but sources.materials names no manifest"
            )
        return self
