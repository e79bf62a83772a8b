# SPDX-License-Identifier: Apache-2.0
"""The settings of a data set: every one with its unit, range and default.

Angles are in degrees, lengths in scene units (the object's bounding sphere has radius 0.5), ranges are [low, high].
Unknown keys are refused. The defaults are those of the paper if it states them.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from multishade.config.lighting import (
    EnvironmentLight,
    LightBasis,
    Lights,
    MixedLight,
    ParallelLight,
    PointLight,
    Shading,
)
from multishade.config.rendering import Adaptive, Denoise, Quality, Render, Samples
from multishade.config.section import PositiveRange, Probability, Range, Section
from multishade.protocol.scene import PASSES

__all__ = [
    "Adaptive",
    "Camera",
    "Config",
    "Denoise",
    "EnvironmentLight",
    "Exposure",
    "Formats",
    "Geometry",
    "LightBasis",
    "Lights",
    "Materials",
    "MixedLight",
    "Objects",
    "ParallelLight",
    "PassName",
    "PointLight",
    "Quality",
    "Render",
    "Runtime",
    "Samples",
    "Shading",
    "Shards",
    "Sources",
    "ViewName",
    "Views",
]

PassName = Literal["albedo", "roughness", "metallic", "position", "object_index"]
ViewName = Literal["front", "back", "left", "right", "top", "bottom"]


class Sources(Section):
    """Manifest files (JSONL), relative to the configuration file; several are concatenated in order."""

    objects: tuple[str, ...] = Field(min_length=1, description="manifests of objects")
    materials: tuple[str, ...] = Field((), description="manifests of materials that replace the objects' own")
    environments: tuple[str, ...] = Field((), description="manifests of environment maps")


class Objects(Section):
    """Preparation of each object."""

    rotation: Literal["none", "yaw", "full"] = Field(
        "none", description="rotation of the object: none, about the vertical axis, or any rotation"
    )
    max_faces: int | None = Field(
        None, ge=100, description="denser meshes are simplified to this many triangles"
    )


class Materials(Section):
    """Probabilities that an object keeps its own material or gets a metallic or non-metallic one, and their texture."""

    own: Probability = Field(0.5, description="share of groups that keep the object's own material")
    metallic: Probability = Field(0.25, description="share of groups in a metallic material of the manifest")
    non_metallic: Probability = Field(0.25, description="share of groups in a non-metallic one")
    variants: Annotated[int, Field(ge=1, le=8)] = Field(
        1,
        description="groups per object; with 2, one keeps the object's own material and one replaces it",
    )
    repeats: PositiveRange = Field((1.0, 2.5), description="repetitions of a map set per scene unit")
    height_scale: Range = Field(
        (0.004, 0.012), description="amplitude of the height map", json_schema_extra={"unit": "scene units"}
    )
    max_texture: int | None = Field(
        None, ge=64, description="textures are reduced to at most this many pixels a side"
    )

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.own + self.metallic + self.non_metallic
        if abs(total - 1) > 1e-6:
            raise ValueError(f"own + metallic + non_metallic must be 1, not {total:g}")
        return self


class Camera(Section):
    """Projection, image size, and distance of the camera."""

    type: Literal["perspective", "orthographic"] = Field("perspective", description="projection")
    width: int = Field(576, ge=16, le=8192, description="of the images", json_schema_extra={"unit": "pixels"})
    height: int = Field(
        576, ge=16, le=8192, description="of the images", json_schema_extra={"unit": "pixels"}
    )
    focal_mm: float = Field(35.0, gt=0, description="focal length of a perspective camera")
    sensor_mm: float = Field(32.0, gt=0, description="width of the sensor along the longer side of the image")
    distance: PositiveRange = Field(
        (1.5, 1.8), description="from the object's centre", json_schema_extra={"unit": "scene units"}
    )
    orthographic_extent: float = Field(
        1.08,
        gt=0,
        description="what an orthographic camera sees along the shorter side of the image",
        json_schema_extra={"unit": "scene units"},
    )
    fit: Literal["sphere", "outline"] = Field(
        "sphere",
        description="what the frame is fitted to: the bounding sphere, one focal length for all (the paper's); or each "
        "view's outline, by focal length (or orthographic extent) and principal point, at most 8 times as large",
    )
    fill: float = Field(
        0.9,
        gt=0,
        le=1,
        description="share of the frame's width or height that the outline spans, with fit: outline",
    )

    @model_validator(mode="after")
    def _fill_of_an_outline(self) -> Self:
        if "fill" in self.model_fields_set and self.fit != "outline" and self.fill != 0.9:
            raise ValueError("fill is the share that an outline spans: give fit: outline with it")
        return self

    @model_validator(mode="after")
    def _outside_the_object(self) -> Self:
        if self.distance[0] <= 0.5:
            raise ValueError(
                f"distance {self.distance[0]:g} lies inside the object's bounding sphere (radius 0.5)"
            )
        return self


class Views(Section):
    """The cameras around each object."""

    count: int = Field(6, ge=1, le=1000, description="views of each group")
    canonical: tuple[ViewName, ...] = Field(
        ("top", "left", "right", "bottom", "front"),
        description="the first views, in this order; the rest are random",
    )
    jitter_degrees: float = Field(0.0, ge=0, le=45, description="largest rotation away from a canonical view")


class Exposure(Section):
    """Scale of each image so that the object's median luminance falls into a band."""

    median: PositiveRange = Field((0.10, 0.35), description="median luminance inside the mask")
    highlight: float = Field(1.0, gt=0, description="upper limit of the luminance at highlight_percentile")
    highlight_percentile: float = Field(
        95.0, gt=50, le=100, description="percentile of the object's luminance that `highlight` limits"
    )
    limit: float = Field(64.0, gt=0, description="largest exposure factor; beyond it noise dominates")
    min_visible: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the object that a parallel, point or mixed light has to show (luminance from 0.005), or "
        "it is sampled again, up to 8 times; 0: off",
    )


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
    """File formats of the fields of a sample."""

    image: Literal["exr", "png16", "png8"] = Field(
        "exr", description="linear half floats, or sRGB-encoded integers that end at display white"
    )
    image_compression: Literal["dwab", "zip", "piz", "none"] = Field(
        "dwab", description="compression of EXR images; dwab is lossy"
    )
    normal_geometry: bool = Field(False, description="also store the normal without bump mapping")
    hashes: bool = Field(
        False,
        description="also store the sha256 of each file in its sample's meta.json, so that readers find damage",
    )
    passes: tuple[PassName, ...] = Field(
        (),
        description="also store what the materials are made of, at the pixels' centres; a group with a material "
        "that has no such values is left out",
    )

    @field_validator("passes")
    @classmethod
    def _in_order(cls, value: tuple[PassName, ...]) -> tuple[PassName, ...]:
        # One order, so that the order in the file decides neither bytes nor fingerprint.
        return tuple(sorted(set(value), key=PASSES.index))


class Shards(Section):
    """The size of the data set."""

    groups: int = Field(32, ge=1, le=100_000, description="groups in a shard")
    count: int = Field(1, ge=1, le=1_000_000, description="shards in the whole data set")


class Runtime(Section):
    """How rendering runs. None of these settings is part of the fingerprint."""

    blender: str | None = Field(None, description="path of a Blender 5.0 binary; none: the bpy wheel is used")
    groups_per_child: int = Field(
        64, ge=1, description="a Blender process is replaced after this many groups"
    )
    attempts: int = Field(
        2, ge=1, le=10, description="attempts at a group, each after the first in a new process"
    )
    start_seconds: float = Field(120.0, gt=0, description="deadline for Blender to start")
    request_seconds: float = Field(600.0, gt=0, description="deadline for one request")
    memory_gib: float = Field(12.0, gt=0.25, description="a Blender process that grows beyond this is ended")
    consecutive_failures: int = Field(
        4, ge=1, description="consecutive failed groups after which the shard is given up"
    )
    failed_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="the run stops if more than this share of its groups failed, counted from 32 groups on; 1: never",
    )


class Config(Section):
    """The recipe of a data set: what is shown, how it is lit and rendered, and how it is stored."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="of the data set, and of its default folder")
    seed: int = Field(0, ge=0, lt=2**63, description="of everything that is random")
    split: Literal["train", "val", "test"] = Field(
        "train", description="assets of the manifests that are used: those of this split"
    )
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
            raise ValueError("environment lights are requested, but sources.environments names no manifest")
        if self.materials.own < 1 and not self.sources.materials:
            raise ValueError(
                "materials are to be replaced (materials.own < 1), but sources.materials names no manifest"
            )
        return self
