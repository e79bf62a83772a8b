# SPDX-License-Identifier: Apache-2.0
"""Settings of the lights: those of the input images, of the shading sequence and of a light basis.

Angles are in degrees, lengths in scene units (the object's bounding sphere has radius 0.5), ranges are [low, high].
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from multishade.config.section import PositiveRange, Range, Section


class ParallelLight(Section):
    """A distant source, like the sun."""

    count: int = Field(1, ge=0, le=64, description="input images of each view under such a light")
    strength: PositiveRange = Field(
        (2.0, 6.0),
        description="irradiance on a surface facing the light",
        json_schema_extra={"unit": "W/m^2"},
    )
    angle_degrees: Range = Field((0.25, 2.0), description="angular diameter of the source")


class PointLight(Section):
    """A small spherical source near the object."""

    count: int = Field(1, ge=0, le=64, description="input images of each view under such a light")
    strength: PositiveRange = Field(
        (2.0, 6.0), description="irradiance at the object's centre", json_schema_extra={"unit": "W/m^2"}
    )
    distance: PositiveRange = Field(
        (1.2, 2.5), description="from the object's centre", json_schema_extra={"unit": "scene units"}
    )
    radius: Range = Field(
        (0.01, 0.05), description="of the spherical source", json_schema_extra={"unit": "scene units"}
    )


class EnvironmentLight(Section):
    """An environment map around the scene."""

    count: int = Field(
        2, ge=0, le=64, description="input images of each view, each in another environment map"
    )
    strength: PositiveRange = Field((0.7, 1.5), description="factor of the map's radiance")
    rotation_degrees: Range = Field((0.0, 360.0), description="about the vertical axis")


class MixedLight(Section):
    """An environment and a parallel light at once, as in PS-Wild."""

    count: int = Field(0, ge=0, le=64, description="input images of each view under both lights")


class Lights(Section):
    """The lights of the input images: a number of each kind, and one image per light."""

    parallel: ParallelLight = ParallelLight()
    point: PointLight = PointLight()
    environment: EnvironmentLight = EnvironmentLight()
    mixed: MixedLight = MixedLight()
    hemisphere: Literal["upper-front", "front"] = Field(
        "upper-front", description="directions of parallel and point lights, in the camera frame"
    )
    min_elevation_degrees: float = Field(
        10.0, ge=0, lt=90, description="smallest angle above the image plane"
    )
    colour_jitter: float = Field(
        0.0, ge=0, le=0.5, description="largest relative change of a colour channel of a light"
    )


class Shading(Section):
    """The shading sequence: its lights, and what is rendered under them."""

    mode: Literal["lambert", "cast", "photometric"] = Field(
        "lambert",
        description="lambert: computed from the normal; cast: rendered in white clay with cast shadows; photometric: "
        "the object's own material",
    )
    count: int = Field(9, ge=3, le=256, description="frames of the sequence, each under one parallel light")
    path: Literal["ring", "spiral", "hemisphere"] = Field(
        "ring", description="how the directions are arranged in the camera frame"
    )
    elevation_degrees: float = Field(
        45.0, gt=0, lt=90, description="angle of a ring's lights above the image plane"
    )
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

    count: int = Field(16, ge=3, le=256, description="images, each under one parallel light")
    path: Literal["hemisphere", "spiral"] = Field(
        "hemisphere", description="how the directions are arranged in the camera frame"
    )
    min_elevation_degrees: float = Field(
        10.0, ge=0, lt=90, description="smallest angle above the image plane"
    )
    angle_degrees: float = Field(1.0, ge=0, le=90, description="angular diameter of each source")
    compression: Literal["zip", "piz", "dwab", "none"] = Field(
        "zip", description="compression of half floats; dwab needs half the bytes and is lossy"
    )
