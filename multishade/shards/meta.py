# SPDX-License-Identifier: Apache-2.0
"""meta.json as types: what the generator writes, what readers get (`Sample.info`), and what inspection checks.

The order of the fields is the order in the file. Optional names are absent unless they were set; further names are
allowed and kept. Angles are in degrees, positions in scene units, vectors in the camera frame.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from multishade.errors import ShardError
from multishade.text import parse_json

SCHEMA: Literal[1] = 1
Vector = tuple[float, float, float]
Row = tuple[float, float, float, float]
Positive = Annotated[float, Field(gt=0)]
Directions = Annotated[tuple[Vector, ...], Field(min_length=1)]
# How one file is stored: file, type, compression, transfer, ..., as `fields.describe` states it.
FileEncoding = dict[str, bool | int | float | str | tuple[int, int]]
_ABSOLUTE_PATH = re.compile(r"/[^/ ]+/|[A-Za-z]:\\|\\\\|file:")


class _Section(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False, frozen=True, populate_by_name=True)


class ObjectMeta(_Section):
    """Where the object comes from."""

    id: str
    source: str = Field(description="`builtin` or `file`")
    family: str | None = Field(description="null if unknown")
    licence: str
    sha256: str | None = Field(
        description="of the file; for a built-in object null, or empty if the data set has objects in files too"
    )
    findings: tuple[str, ...] = Field(
        (), description="what was corrected in the file, as tags; absent if nothing"
    )


class MaterialMeta(_Section):
    """What the object is made of."""

    id: str = Field(description="`own`: the file's own material")
    kind: str = Field(description="`own`, `metallic` or `non-metallic`")
    licence: str


class CameraMeta(_Section):
    """The camera of the view."""

    type: Literal["perspective", "orthographic"] = Field(description="`perspective` or `orthographic`")
    K: tuple[Vector, Vector, Vector] = Field(
        description="3 x 3, row by row; pixels, or pixels per scene unit (orthographic)"
    )
    camera_to_world: tuple[Row, Row, Row, Row] = Field(description="4 x 4, row by row")
    width: Annotated[int, Field(gt=0)] = Field(description="pixels")
    height: Annotated[int, Field(gt=0)] = Field(description="pixels")


class ParallelMeta(_Section):
    """A distant light."""

    type: Literal["parallel"]
    direction: Vector = Field(description="unit, toward the light")
    strength: Positive = Field(description="irradiance, W/m²")
    angle: float | None = Field(None, description="angular diameter")
    colour: Vector


class PointMeta(_Section):
    """A light at a point."""

    type: Literal["point"]
    position: Vector
    strength: Positive = Field(description="irradiance at the object's centre, W/m²")
    radius: float | None = None
    colour: Vector


class EnvironmentMeta(_Section):
    """An environment map around the object."""

    type: Literal["environment"]
    environment: str = Field(description="its id")
    rotation: float = Field(description="about the world's vertical, counter-clockwise from above")
    strength: Positive = Field(description="factor on the map")


class MixedMeta(_Section):
    """A distant light and an environment map at once."""

    type: Literal["mixed"]
    direction: Vector = Field(description="unit, toward the distant light")
    strength: Positive = Field(description="irradiance of the distant light, W/m²")
    angle: float | None = Field(None, description="angular diameter")
    colour: Vector | None = None
    environment: str = Field(description="its id")
    rotation: float = Field(description="about the world's vertical, counter-clockwise from above")
    environment_strength: Positive = Field(description="factor on the map")


LightMeta = Annotated[ParallelMeta | PointMeta | EnvironmentMeta | MixedMeta, Field(discriminator="type")]


class ShadingMeta(_Section):
    """The shading sequence."""

    mode: Literal["lambert", "cast", "photometric"] = Field(description="`lambert`, `cast` or `photometric`")
    directions: Directions = Field(description="K x 3, unit, toward the lights")
    ambient: EnvironmentMeta | None = Field(
        None, description="the environment under every light, as under `lights`"
    )


class BasisMeta(_Section):
    """The lights of a light basis; all are white."""

    directions: Directions = Field(description="M x 3, unit, toward the lights")
    strength: Positive = Field(description="irradiance of each, W/m²")
    angle: float = Field(description="angular diameter of each")


class QualityMeta(_Section):
    """What an image was estimated to reach; of a sequence and a basis the most samples and the least PSNR."""

    parts: Annotated[int, Field(ge=2)] = Field(description="renders of which the image is the mean")
    samples: Annotated[int, Field(ge=2)] = Field(description="paths a pixel, of all parts")
    psnr: float = Field(description="dB, display-encoded, on the object")


class DenoiserMeta(_Section):
    """The denoiser and its settings."""

    name: str
    quality: str | None = None
    prefilter: str | None = None
    guides: str | None = Field(None, description="buffers it was given")


class RendererMeta(_Section):
    """The renderer and its settings."""

    name: str
    version: str
    device: str
    samples: dict[str, int] | int = Field(
        description="paths a pixel, by kind of light; the most, if `quality` or `adaptive_threshold` is set"
    )
    adaptive_threshold: float | None = Field(None, description="of Cycles' adaptive sampling")
    geometry_samples: int = Field(
        1, description="of the normal, averaged over a pixel's footprint; absent for 1, the pixel's centre"
    )
    denoiser: DenoiserMeta | None = Field(
        description="`name`, `quality`, `prefilter`, `guides`; null for none"
    )


class SampleMeta(_Section):
    """All of meta.json."""

    schema_: Literal[1] = Field(alias="schema", description="1, the version of this format")
    key: str = Field(description="the sample's key")
    seed: int = Field(description="of the view")
    object: ObjectMeta
    material: MaterialMeta
    camera: CameraMeta
    lights: dict[str, LightMeta] = Field(description="for each image its light, by `type`")
    shading: ShadingMeta
    light_basis: BasisMeta | None = None
    exposure: dict[str, Positive] = Field(
        description="for each image, for `shading` in mode `photometric`, and for `light_basis`: the factor that was "
        "multiplied in"
    )
    conventions: dict[str, str] = Field(description="the sentences above")
    renderer: RendererMeta
    quality: dict[str, QualityMeta] = Field(
        {}, description="if `render.quality.psnr` is set, for each image, `shading` and `light_basis`"
    )
    encoding: dict[str, FileEncoding] = Field(
        {},
        description="how `image`, `normal`, `depth`, `shading`, `light_basis` and each material pass are stored",
    )
    hashes: dict[str, str] = Field(
        {},
        description="if `formats.hashes` is set, the sha256 of each file of the sample by its name after the key; that "
        "under `meta.json` is of the meta without it",
    )

    @classmethod
    def parse(cls, key: str, meta: Mapping[str, Any]) -> Self:
        """Validate the content of a meta.json.

        Args:
            key: The sample's key, for the message.
            meta: The content, as `json` reads it.

        Raises:
            ShardError: If a name is missing or holds another kind of value.
        """
        try:
            return cls.model_validate(meta)
        except ValidationError as errors:
            raise ShardError(f"{key}.meta.json: {'; '.join(_messages(errors)[:3])}") from errors

    @classmethod
    def decode(cls, key: str, data: bytes) -> Self:
        """Read and validate the bytes of a meta.json.

        Args:
            key: The sample's key, for the message.
            data: The file.

        Raises:
            ShardError: If it is not JSON, or a name is missing or holds another kind of value.
        """
        return cls.parse(key, decode_meta(key, data))

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data in the order of the file, without names that were not set."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def encode_meta(key: str, meta: Mapping[str, Any]) -> bytes:
    """Write the content of a meta.json.

    Args:
        key: The sample's key, for messages.
        meta: The content as plain data.

    Returns:
        UTF-8 JSON without spaces.

    Raises:
        ShardError: If a value is not JSON.
    """
    try:
        return json.dumps(meta, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise ShardError(f"{key}: meta cannot be written as JSON: {error}") from error


def decode_meta(key: str, data: bytes) -> dict[str, Any]:
    """Read the content of a meta.json as plain data.

    Args:
        key: The sample's key, for messages.
        data: The file.

    Returns:
        The content; its names are those of `SampleMeta`.

    Raises:
        ShardError: If it is not a JSON object.
    """
    try:
        meta = parse_json(data)
    except ValueError as error:
        raise ShardError(f"{key}.meta.json: is not JSON ({error})") from error
    if not isinstance(meta, dict):
        raise ShardError(f"{key}.meta.json: contains a {type(meta).__name__}, not an object")
    return meta


def meta_problems(meta: Mapping[str, Any]) -> list[str]:
    """List what is wrong with the content of a meta.json.

    Args:
        meta: The content, as `json` reads it.

    Returns:
        Each missing or mistyped name, as `camera.K: Field required`, and each value that is a path of some machine.
    """
    problems = []
    try:
        SampleMeta.model_validate(meta)
    except ValidationError as errors:
        problems = _messages(errors)
    if "encoding" not in meta:
        problems.append("encoding: Field required")
    return problems + [f"{name}: '{value}' is a path" for name, value in _texts("", meta) if _is_path(value)]


def _messages(errors: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors.errors()]


def _texts(name: str, value: Any) -> list[tuple[str, str]]:
    """Every text inside `value`, with the dotted name of its place."""
    if isinstance(value, str):
        return [(name, value)]
    entries = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    return [text for key, entry in entries for text in _texts(f"{name}.{key}".lstrip("."), entry)]


def _is_path(value: str) -> bool:
    return _ABSOLUTE_PATH.match(value) is not None
