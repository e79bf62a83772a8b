# SPDX-License-Identifier: Apache-2.0
"""How shards become training batches: every setting, its unit, its range and its default. The defaults change nothing
about the pictures: black background, no augmentation.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from multishade.config.section import PositiveRange, Probability, Range, Section

Weight = Annotated[float, Field(ge=0)]
SUBSTITUTES = 16  # replacements tried in a row for a sample that cannot be read


class Geometric(Section):
    """The window that is cut out of a view, and how it is turned. All of it turns the normals with the pixels."""

    size: int | None = Field(
        None, ge=8, le=4096, description="pixels a side of what comes out; none: the shard's"
    )
    frame: Literal["image", "object"] = Field(
        "image", description="the window is the whole image, or a square about the object"
    )
    margin: float = Field(1.15, ge=1, le=4, description="side of that square over the object's longer side")
    scale: PositiveRange = Field((1.0, 1.0), description="above 1 the object is larger, and may be cropped")
    shift: float = Field(0.0, ge=0, le=0.5, description="largest shift of the window, in its own sides")
    rotation_degrees: Range = Field(
        (0.0, 0.0), description="in the image's plane, counter-clockwise as it is seen"
    )
    mirror: Probability = Field(0.0, description="left and right exchanged")
    far: Probability = Field(
        0.0,
        description="share of samples seen from farther away: far_scale and far_shift in place of scale, shift",
    )
    far_scale: PositiveRange = Field((0.35, 0.8), description="of those, as scale")
    far_shift: float = Field(0.25, ge=0, le=0.5, description="of those, as shift")


class Background(Section):
    """What is put behind the object, in linear light: how often, as weights, and how bright."""

    black: Weight = Field(1.0, description="nothing")
    colour: Weight = Field(0.0, description="one colour")
    gradient: Weight = Field(0.0, description="a few colours that run into each other")
    image: Weight = Field(0.0, description="a piece of one of `images`")
    images: tuple[str, ...] = Field(
        (), description="files or patterns: 8- and 16-bit images (sRGB), .exr (linear)"
    )
    brightness: Range = Field((0.0, 1.0), description="mean of the background, 1 being display white")

    @model_validator(mode="after")
    def _something_behind(self) -> Self:
        if self.black + self.colour + self.gradient + self.image <= 0:
            raise ValueError("one of black, colour, gradient and image must be above 0")
        if self.image > 0 and not self.images:
            raise ValueError("background.image is above 0, but background.images names no file")
        if self.brightness[0] < 0:
            raise ValueError("brightness must not be negative")
        return self


class Photometric(Section):
    """What a camera does to the light, in the order in which it does it; each range is sampled from for each sample."""

    exposure_stops: Range = Field(
        (0.0, 0.0), description="the object's light is multiplied by two to this power"
    )
    background: Background = Background()
    blur: Probability = Field(0.0, description="share of samples that are blurred")
    blur_pixels: PositiveRange = Field((0.3, 1.2), description="standard deviation of the Gaussian")
    noise: Probability = Field(0.0, description="share of samples with noise")
    shot_noise: PositiveRange = Field(
        (0.003, 0.03), description="standard deviation at display white; falls with the root of the light"
    )
    read_noise: PositiveRange = Field((0.0005, 0.005), description="standard deviation in the dark")
    contrast: PositiveRange = Field(
        (1.0, 1.0), description="exponent of the light about middle grey (0.18), which stays"
    )
    shoulder: Range = Field(
        (0.0, 0.0), description="0: highlights clip at display white; 1: a film's soft shoulder"
    )
    jpeg: Probability = Field(0.0, description="share of samples that go through JPEG")
    jpeg_quality: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(le=100)]] = Field(
        (40, 95), description="quality of that JPEG"
    )

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not 0 <= self.shoulder[0] <= self.shoulder[1] <= 1:
            raise ValueError("shoulder must lie in [0, 1]")
        if self.jpeg_quality[0] > self.jpeg_quality[1]:
            raise ValueError("jpeg_quality is [low, high]")
        return self


class Relight(Section):
    """Input images composed of a stored light basis, instead of one of the stored images."""

    share: Probability = Field(0.0, description="share of samples whose input image is composed")
    lights: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (1, 4), description="how many basis lights are on"
    )
    tint: float = Field(0.15, ge=0, le=1, description="spread of the lights' colours; 0: white lights")
    median: PositiveRange = Field(
        (0.08, 0.35), description="median luminance of the object after exposure, 1 being display white"
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.lights[0] > self.lights[1]:
            raise ValueError("lights is [low, high]")
        return self


class Clay(Section):
    """Input images made from the true normals, in plain paint under one light, instead of one of the stored images."""

    share: Probability = Field(0.0, description="share of samples whose input image is made so")
    glossy: Probability = Field(0.6, description="share of those with a highlight")
    ambient: float = Field(
        0.25, ge=0, description="most of the light that comes from everywhere, in half of them"
    )
    tint: float = Field(0.15, ge=0, le=1, description="spread of the paint's colours")
    median: PositiveRange = Field((0.08, 0.45), description="median luminance of the object, as in relight")


class Data(Section):
    """One data set as a training run sees it."""

    shards: tuple[str, ...] = Field(
        min_length=1,
        description="tars, folders, globs, braces ({000000..000099}), http://, s3:// and the like",
    )
    images: tuple[str, ...] = Field(
        ("image_*",),
        min_length=1,
        description="patterns: the input image is one of the fields that match, chosen anew in each epoch; if a "
        "sample has no image_*, a frame of its photometric sequence",
    )
    grey: bool = Field(True, description="the mean of the channels of the display-encoded image")
    shading: Literal["lambert", "cast"] = Field(
        "lambert",
        description="lambert: computed from the normal, for any lights; cast: as stored, with cast shadows",
    )
    geometric: Geometric = Geometric()
    photometric: Photometric = Photometric()
    relight: Relight = Relight()
    clay: Clay = Clay()
    verify: bool = Field(
        False,
        description="compare what is read with the hashes in meta.json (shards with formats.hashes), and pass over "
        "samples that differ",
    )
    cache: float = Field(
        0.0,
        ge=0,
        description="most memory in which each process that makes batches keeps decoded files, so that a small data "
        "set is decoded once and not in every epoch; the batches are the same; 0: none",
        json_schema_extra={"unit": "GiB"},
    )
    run: int | Literal["shard", "auto"] = Field(
        "auto",
        description="samples read in a row from one place: 1 is a perfect shuffle and reads "
        "at random, 'shard' reads each shard from first to last; auto: 1 on local disks, 'shard' elsewhere",
    )
    buffer: int = Field(
        256, ge=1, description="samples of a stream that are shuffled together, unless run is 1"
    )
    streams: int = Field(
        12,
        ge=1,
        description="streams of a rank that read at the same time, unless run is 1; a multiple of the workers",
    )

    @model_validator(mode="after")
    def _lights_stay_with_the_camera(self) -> Self:
        if isinstance(self.run, int) and self.run < 1:
            raise ValueError("run must be 1 or more")
        if self.shading == "cast" and self.geometric.rotation_degrees != (0.0, 0.0):
            raise ValueError(
                "stored cast shadows cannot be turned, since the lights stay with the camera: "
                "set geometric.rotation_degrees to [0, 0] or shading to lambert"
            )
        return self
