# SPDX-License-Identifier: Apache-2.0
"""What meta.json must hold, as types; a meta -> what is wrong with it. Further names are allowed."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from multishade.shards.sample import SCHEMA

Vector = tuple[float, float, float]
Row = tuple[float, float, float, float]
Positive = Annotated[float, Field(gt=0)]
_ABSOLUTE_PATH = re.compile(r"/[^/ ]+/|[A-Za-z]:\\|\\\\|file:")


class _Section(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class ObjectMeta(_Section):
    id: str
    source: str
    family: str | None
    licence: str
    sha256: str | None


class MaterialMeta(_Section):
    id: str
    kind: str
    licence: str


class CameraMeta(_Section):
    type: Literal["perspective", "orthographic"]
    K: tuple[Vector, Vector, Vector]
    camera_to_world: tuple[Row, Row, Row, Row]
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


class ParallelMeta(_Section):
    type: Literal["parallel"]
    direction: Vector
    strength: Positive
    colour: Vector


class PointMeta(_Section):
    type: Literal["point"]
    position: Vector
    strength: Positive
    colour: Vector


class EnvironmentMeta(_Section):
    type: Literal["environment"]
    environment: str
    rotation: float
    strength: Positive


class MixedMeta(_Section):
    type: Literal["mixed"]
    direction: Vector
    strength: Positive
    environment: str
    rotation: float
    environment_strength: Positive


LightMeta = Annotated[ParallelMeta | PointMeta | EnvironmentMeta | MixedMeta, Field(discriminator="type")]


class ShadingMeta(_Section):
    mode: Literal["lambert", "cast", "photometric"]
    directions: Annotated[tuple[Vector, ...], Field(min_length=1)]


class BasisMeta(_Section):
    directions: Annotated[tuple[Vector, ...], Field(min_length=1)]
    strength: Positive
    angle: float


class RendererMeta(_Section):
    name: str
    version: str
    device: str
    samples: Any
    denoiser: Any


class QualityMeta(_Section):
    parts: Annotated[int, Field(ge=2)]
    samples: Annotated[int, Field(ge=2)]
    psnr: float


class SampleMeta(_Section):
    schema_: Annotated[Literal[SCHEMA], Field(alias="schema")]  # type: ignore[valid-type]
    key: str
    seed: int
    object: ObjectMeta
    material: MaterialMeta
    camera: CameraMeta
    lights: dict[str, LightMeta]
    shading: ShadingMeta
    light_basis: BasisMeta | None = None
    exposure: dict[str, Positive]
    quality: dict[str, QualityMeta] = {}
    conventions: dict[str, str]
    renderer: RendererMeta
    encoding: dict[str, Any]


def meta_problems(meta: dict[str, Any]) -> list[str]:
    """Each missing or mistyped name, and each path of somebody's machine, as 'camera.K: Field required'."""
    problems = []
    try:
        SampleMeta.model_validate(meta)
    except ValidationError as errors:
        problems = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors.errors()]
    return problems + [f"{name}: '{value}' is a path" for name, value in _texts("", meta) if _is_path(value)]


def _texts(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(name, value)]
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [text for key, entry in entries for text in _texts(f"{name}.{key}".lstrip("."), entry)]


def _is_path(value: str) -> bool:
    return _ABSOLUTE_PATH.match(value) is not None
