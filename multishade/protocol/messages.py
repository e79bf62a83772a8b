# SPDX-License-Identifier: Apache-2.0
"""The requests that a worker sends to Blender and the answers that come back: one JSON object a line, both ways.

A request on Blender's stdin is `encode(Image(...))`, its answer on stdout is `MARK + encode(Rendered(...))`. Lines
without the mark are Blender's own output. Arrays do not travel through the pipe: Blender writes them to the EXR file
that the request names. Standard library only, since Blender's Python imports this file.
"""

import json
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args

from multishade.protocol.codec import ProtocolError, from_json, to_json
from multishade.protocol.scene import Framing, Group, Light, RenderSettings

MARK = "@multishade "  # begins a line of Blender's output that is an answer


class Answer:
    """What comes back for a request."""


@dataclass(frozen=True)
class RendererInfo(Answer):
    """Version and device reported by Blender."""

    blender: str  # version, such as "5.0.1"
    device: str  # name of the device that Cycles renders on
    studio_lights: str  # folder of the environment maps that come with Blender


@dataclass(frozen=True)
class ForeignImage:
    """An image of a format that Blender's own readers are kept from. path: of its bytes; name: for messages."""

    sha256: str
    path: str
    name: str


@dataclass(frozen=True)
class Loaded(Answer):
    """The group is in the scene, unless `foreign` has images: then it has to be loaded again with copies of them.

    findings: tags of what had to be put right about the object's file, sorted. framings: how each
    view's outline was made to span `Camera.fill` of the frame; empty if no camera has a `fill`.
    """

    import_seconds: float
    material_seconds: float
    vertices: int
    faces: int
    findings: tuple[str, ...] = ()
    framings: tuple[Framing, ...] = ()
    foreign: tuple[ForeignImage, ...] = ()


@dataclass(frozen=True)
class Rendered(Answer):
    """The EXR file is written. seconds: of the render call."""

    seconds: float


@dataclass(frozen=True)
class Saved(Answer):
    """The scene is written."""


@dataclass(frozen=True)
class Failed(Answer):
    """The request failed.

    kind: "asset" if one of the user's files cannot be used (the process stays usable), "device" if the render device is
    missing, "error" for anything else. traceback: of "error", one line each.
    """

    kind: Literal["asset", "device", "error"]
    error: str
    traceback: tuple[str, ...] = ()


A = TypeVar("A", bound=Answer)


class Request(Generic[A]):
    """A request; the type parameter is the type of its answer."""


@dataclass(frozen=True)
class Handshake(Request[RendererInfo]):
    """The first request: select the render device, and allow all threads to run on `cores` (None: no change)."""

    device: str
    cores: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Load(Request[Loaded]):
    """Empty the scene and bring a group into it; the requests below are about the group that was loaded last."""

    group: Group
    settings: RenderSettings


@dataclass(frozen=True)
class Subpixels:
    """A grid of samples inside each pixel of a box. grid: samples along a side; box: left, top, right, bottom."""

    grid: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Geometry(Request[Rendered]):
    """Render normal, depth and geometry normal of a view at pixel centres. view: its key; path: of the EXR file.

    With `subpixels` the image is `grid` times as wide and as high as their box.
    """

    view: str
    path: str
    subpixels: Subpixels | None = None


@dataclass(frozen=True)
class Cast(Request[Rendered]):
    """Render white clay with cast shadows under light `number` of the view's sequence, sampled as in `Geometry`."""

    view: str
    number: int
    path: str
    subpixels: Subpixels | None = None


@dataclass(frozen=True)
class Shot:
    """How an image is rendered, and where it is written."""

    path: str  # of the EXR file
    box: (
        tuple[int, int, int, int] | None
    )  # left, top, right, bottom in pixels, ends excluded; None: the whole frame
    seed: int  # of Cycles' noise
    exposure: float = 1.0  # factor on the pixels
    pilot: bool = False  # a quick, small image from which only an exposure is read
    samples: int | None = None  # per pixel; None: those of the settings


@dataclass(frozen=True)
class Image(Request[Rendered]):
    """Render the image under light `number` of the view's lights, or under `light` in its place."""

    view: str
    number: int
    shot: Shot
    light: Light | None = None


@dataclass(frozen=True)
class Photometric(Request[Rendered]):
    """Render the object's own material under light `number` of the view's sequence."""

    view: str
    number: int
    shot: Shot


@dataclass(frozen=True)
class Basis(Request[Rendered]):
    """Render the image under light `number` of the view's light basis."""

    view: str
    number: int
    shot: Shot


@dataclass(frozen=True)
class Combined(Request[Rendered]):
    """Render one image under several parallel lights at once."""

    view: str
    lights: tuple[Light, ...]
    shot: Shot


@dataclass(frozen=True)
class Save(Request[Saved]):
    """Save the scene, lit as for image `number` of the view, as a .blend file with packed textures.

    Its settings are those of the image: rendering the file (F12) gives that image, at `exposure` and with the noise of
    `seed`, as a PNG named `output` beside the file.
    """

    view: str
    number: int
    path: str
    exposure: float = 1.0
    seed: int = 0
    output: str = "render"


_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (
        *(Handshake, Load, Geometry, Cast, Image, Photometric, Basis, Combined, Save),
        *(RendererInfo, Loaded, Rendered, Saved, Failed),
    )
}


def name_of(message: Request[Any] | Answer) -> str:
    """The name of a message's kind on the wire and in errors, such as "load"."""
    return type(message).__name__.lower()


def encode(message: Request[Any] | Answer) -> str:
    """Write a message as one line of JSON, without the line's end."""
    return json.dumps({"message": name_of(message), **to_json(message)})


def decode_request(line: str) -> Request[Any]:
    """Read the request that `encode` wrote. Raises ProtocolError, naming what is unknown, missing or wrong."""
    return _decode(line, Request, "request")


def decode_answer(line: str) -> Answer:
    """Read the answer that `encode` wrote. Raises ProtocolError, naming what is unknown, missing or wrong."""
    return _decode(line, Answer, "answer")


def answer_type(request: Request[A]) -> type[A]:
    """The type of the answer to a request that succeeds."""
    (base,) = type(request).__orig_bases__  # type: ignore[attr-defined]
    return get_args(base)[0]


def _decode(line: str, wanted: type, what: str) -> Any:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise ProtocolError(f"{line[:80]!r} is not JSON: {error}") from error
    name = data.pop("message", None) if isinstance(data, dict) else None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None or not issubclass(kind, wanted):
        known = ", ".join(name for name, kind in _KINDS.items() if issubclass(kind, wanted))
        raise ProtocolError(f"unknown {what} {name!r}; known are {known}")
    return from_json(kind, data, name or "")
