# SPDX-License-Identifier: Apache-2.0
"""The scene that Blender renders: frozen dataclasses that travel as JSON (`codec`), standard library only.

Both sides of the pipe import this file: the planner fills the dataclasses in, `blender_scripts/` renders them. Lengths
are scene units (the object's bounding sphere has radius 0.5, centred at the origin), angles degrees, the world is z-up,
camera frames are +x right, +y up, +z toward the camera, matrices are row-major nested tuples.
"""

import dataclasses
from typing import Any, Literal, get_args

Vector = tuple[float, float, float]
Matrix3 = tuple[Vector, Vector, Vector]
Row4 = tuple[float, float, float, float]
Matrix4 = tuple[Row4, Row4, Row4, Row4]

LightKind = Literal["parallel", "point", "environment", "mixed"]
LIGHT_KINDS: tuple[LightKind, ...] = get_args(LightKind)
ShadingMode = Literal["lambert", "cast", "photometric"]

# Material passes, in the order of their files.
PASSES = ("albedo", "roughness", "metallic", "position", "object_index")

STUDIO = "studio:"  # prefix of an environment map that comes with Blender


@dataclasses.dataclass(frozen=True)
class ObjectSource:
    """Where the mesh comes from. `arrays` is an .npz with vertices (V, 3), faces (F, 3) and crease_degrees."""

    kind: Literal["file", "arrays", "monkey"]
    path: str = ""
    rotation: Matrix3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    max_faces: int | None = None
    bounds: tuple[Vector, Vector] | None = None  # of the file as it was scanned, in its own units and axes
    root: str = ""  # the folder that holds all its files; "": the one above the folder of `path`
    scale: float = 1.0  # of the bounding sphere, relative to radius 0.5
    # sha256 of an image of the file -> the copy that Blender reads in its place, or "!" and why there is none
    images: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Framing:
    """What a camera's intrinsics become so that an outline fills the frame.

    zoom: factor on the size of the image; shift: by how much the frame moves right and up in the image plane, in
    lengths of its longer side.
    """

    zoom: float
    shift: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Camera:
    """Intrinsics and pose; a pixel is square, the principal point is the centre of the image unless it is shifted."""

    type: Literal["perspective", "orthographic"]
    width: int
    height: int
    camera_to_world: Matrix4
    focal_mm: float = 35.0
    sensor_mm: float = 32.0
    orthographic_scale: float = 1.08  # scene units along the longer side of the image
    shift: tuple[float, float] = (0.0, 0.0)  # of the frame right and up, in lengths of its longer side
    fill: float | None = (
        None  # share of the frame that the object's outline is to span; None: as it comes out
    )

    def framed(self, framing: Framing) -> "Camera":
        """The same camera with these intrinsics: a longer lens or a smaller extent, and the frame moved."""
        return dataclasses.replace(
            self,
            focal_mm=self.focal_mm * (framing.zoom if self.type == "perspective" else 1.0),
            orthographic_scale=self.orthographic_scale
            / (framing.zoom if self.type == "orthographic" else 1.0),
            shift=framing.shift,
            fill=None,
        )


@dataclasses.dataclass(frozen=True)
class Light:
    """The light of one image. Directions and positions are in the camera's frame; directions point to the light."""

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
    """One camera on the object, and what is rendered from there; each view becomes one sample."""

    key: str
    seed: int
    camera: Camera
    lights: tuple[Light, ...]
    sequence: Sequence
    basis: tuple[Light, ...] = ()  # lights whose images can be combined linearly to others

    def framed(self, framing: Framing) -> "View":
        """The same view with the camera's intrinsics changed."""
        return dataclasses.replace(self, camera=self.camera.framed(framing))


@dataclasses.dataclass(frozen=True)
class RenderSettings:
    """How Cycles renders; the same for all views of a group."""

    device: str
    threads: int
    samples: dict[str, int]  # by kind of light, "shading" and "basis"; an upper bound if `psnr` is set
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
    psnr: float | None = None  # dB that each image has to reach
    first_samples: int = 8
    adaptive_threshold: float = 0.0  # 0: every pixel gets all samples
    adaptive_min_samples: int = 0
    importance_map: int = 256  # pixels across the map by which an environment is sampled
    max_texture: int | None = None
    geometry_samples: int = 1  # of the normal over a pixel, a square; 1: its centre
    passes: tuple[str, ...] = ()  # of PASSES: what the materials are made of, at the pixels' centres


@dataclasses.dataclass(frozen=True)
class Group:
    """One object in one material, and its views. `material` is the input of `blender_scripts.materials`, or
    {"source": "own"} to keep the materials of the object's file."""

    key: str
    object: ObjectSource
    material: dict[str, Any]
    views: tuple[View, ...]
