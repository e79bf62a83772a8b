# SPDX-License-Identifier: Apache-2.0
"""What a Blender child is asked to do: plain frozen dataclasses that travel as JSON, standard library only.

Both sides of the pipe read this file: the planner fills these in, `blender_scripts/` obeys them. Lengths are scene
units (the object's bounding sphere has radius 0.5, centred at the origin), angles degrees, the world is z-up,
camera frames are +x right, +y up, +z toward the camera, matrices are row-major nested tuples.
"""

import dataclasses
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Vector = tuple[float, float, float]
Matrix3 = tuple[Vector, Vector, Vector]
Row4 = tuple[float, float, float, float]
Matrix4 = tuple[Row4, Row4, Row4, Row4]

LightKind = Literal["parallel", "point", "environment", "mixed"]
LIGHT_KINDS: tuple[LightKind, ...] = get_args(LightKind)
ShadingMode = Literal["lambert", "cast", "photometric"]

STUDIO = "studio:"  # prefix of an environment map that comes with Blender


@dataclasses.dataclass(frozen=True)
class ObjectSource:
    """Where the mesh comes from. `arrays` is an .npz of vertices (V, 3), faces (F, 3) and crease_degrees."""

    kind: Literal["file", "arrays", "monkey"]
    path: str = ""
    rotation: Matrix3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    max_faces: int | None = None


@dataclasses.dataclass(frozen=True)
class Camera:
    type: Literal["perspective", "orthographic"]
    width: int
    height: int
    camera_to_world: Matrix4
    focal_mm: float = 35.0
    sensor_mm: float = 32.0
    orthographic_scale: float = 1.08  # scene units along the longer side of the image


@dataclasses.dataclass(frozen=True)
class Light:
    """One image's light. Directions and positions are in the camera's frame, directions point to the light."""

    field: str
    kind: LightKind
    colour: Vector = (1.0, 1.0, 1.0)
    direction: Vector | None = None  # parallel, mixed
    position: Vector | None = None  # point
    strength: float = 0.0  # irradiance in W/m^2: facing the light (parallel), at the object's centre (point)
    size: float = 0.0  # angular diameter in degrees (parallel), radius in scene units (point)
    environment: str | None = None  # path of an equirectangular map (environment, mixed)
    environment_strength: float = 0.0
    rotation_degrees: float = (
        0.0  # of the environment about the world's vertical, counter-clockwise from above
    )


@dataclasses.dataclass(frozen=True)
class Sequence:
    """The lights of the shading sequence, unit vectors in the camera's frame."""

    mode: ShadingMode
    directions: tuple[Vector, ...]
    ambient: Light | None = None  # an environment under every light, mode photometric only


@dataclasses.dataclass(frozen=True)
class View:
    key: str
    seed: int
    camera: Camera
    lights: tuple[Light, ...]
    sequence: Sequence
    basis: tuple[Light, ...] = ()  # single lights, of whose images others can be composed


@dataclasses.dataclass(frozen=True)
class RenderSettings:
    device: str
    threads: int
    samples: dict[str, int]  # by kind of light, "shading" and "basis"; the most, where there is a `psnr`
    denoise: bool
    denoise_quality: str
    denoise_prefilter: str
    denoise_guides: str
    max_bounces: int
    diffuse_bounces: int
    glossy_bounces: int
    transmission_bounces: int
    clamp_indirect: float
    filter_width: float
    light_tree: bool
    crop: bool
    psnr: float | None = None  # dB that each image is to reach
    first_samples: int = 8
    adaptive_threshold: float = 0.0  # 0: every pixel gets all samples
    adaptive_min_samples: int = 0
    importance_map: int = 256  # pixels across the map by which an environment is sampled
    max_texture: int | None = None


@dataclasses.dataclass(frozen=True)
class Group:
    """One object in one material, and the views of it. `material` is what `blender_scripts.materials` builds from,
    or {"source": "own"} to keep what the file brings."""

    key: str
    object: ObjectSource
    material: dict[str, Any]
    views: tuple[View, ...]


T = TypeVar("T")


def to_json(value: Any) -> dict[str, Any]:
    """A dataclass of this file -> plain data."""
    return dataclasses.asdict(value)


def from_json(cls: type[T], data: Any) -> T:
    """Plain data -> the dataclass `cls`, nested ones included. Raises TypeError where a field is unknown or missing."""
    hints = get_type_hints(cls)
    return cls(
        **{name: _decode(hints[name], value) if name in hints else value for name, value in data.items()}
    )


def _decode(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if dataclasses.is_dataclass(hint):
        return from_json(hint, value)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _decode(next(argument for argument in arguments if argument is not type(None)), value)
    if origin is tuple:
        inner = arguments[0] if len(arguments) == 2 and arguments[1] is Ellipsis else None
        return tuple(_decode(inner or arguments[i], item) for i, item in enumerate(value))
    return value
