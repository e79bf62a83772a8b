# SPDX-License-Identifier: Apache-2.0
"""Normals, photo and surface of an object -> one HTML page that needs no network, to move a light over the object.

The component is plain modules in `static/relight/`, which `inline_modules` joins; any page may hold it
(`templates/relight.html`, `pack_object`, `mountRelight`).
"""

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.display import Picture
from multishade.report.html import (
    data_url,
    inline_modules,
    render_template,
    script_data,
    source_hash,
    static_text,
)

Bool = NDArray[np.bool_]

MODULES = tuple(
    f"relight/{name}.js" for name in ("data", "shading", "picture", "surface", "light_pad", "relight")
)
START = """
const page = document.getElementById("relight");
mountRelight(page, JSON.parse(document.getElementById("data").textContent)).then(
  (mounted) => { page.relight = mounted; },
  (error) => { page.textContent = `This browser cannot show the object: ${error.message}`; throw error; },
);
"""
STEPS = 4095  # of an octahedral coordinate: normals to 0.03 degrees
LONGEST_PICTURE, LONGEST_GRID = 1280, 256
NORMAL_SIDES = (1024, 768, 512, 384)  # the largest whose code fits into MOST_BYTES is taken
MOST_BYTES = 1_300_000
QUALITY = 85
JUMP = 0.06  # of the surface's size; wider steps of depth are not bridged


@dataclass(frozen=True)
class Relief:
    """A surface on a grid over a part of a picture.

    Attributes:
        depth: (h, w) along the camera's z axis, NaN where there is none.
        camera: (3, 3) intrinsics of the grid: grid points, or grid points per unit (orthographic).
        perspective: The kind of camera.
        left: Column of the picture where the grid begins, pixels.
        top: Row of the picture where the grid begins, pixels.
        scale: Grid points per pixel of the picture.
    """

    depth: NDArray[np.floating]
    camera: NDArray[np.floating]
    perspective: bool
    left: float
    top: float
    scale: float


def pack_object(
    normal: NDArray[np.floating],
    given: Bool,
    photo: Picture,
    colours: Picture | None = None,
    relief: Relief | None = None,
) -> dict[str, Any]:
    """Pack an object for `mountRelight`.

    Args:
        normal: (H, W, 3) unit vectors, camera frame.
        given: (H, W) where there is a normal.
        photo: (H, W, 3) sRGB.
        colours: (H, W, 3) sRGB, what the surface is painted with; None: the photo.
        relief: The surface; None for none.

    Returns:
        JSON-like data; some 3 bytes of text a pixel at most.
    """
    packed: dict[str, Any] = {"photo": _jpeg_url(photo), "colours": None, "surface": None}
    if colours is not None:
        packed["colours"] = _jpeg_url(colours)
    for side in NORMAL_SIDES:
        packed["normals"] = _pack_normals(normal, given, side)
        if len(packed["normals"]["data"]) <= MOST_BYTES:
            break
    if relief is not None and np.isfinite(relief.depth).any():
        packed["surface"] = _pack_relief(relief, photo.shape)
    return packed


def render_page(
    title: str,
    facts: str,
    data: Mapping[str, Any],
    colours_are: str = "Photo",
    files: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """Write the page of one object.

    Args:
        title: Of the page.
        facts: One line below it.
        data: Of `pack_object`.
        colours_are: Name of the surface's own colours: "Photo" or "Albedo".
        files: Names of files beside the page, which are linked.
        notes: Plain sentences.

    Returns:
        HTML; text is escaped, and only the page's own script may run (content security policy).
    """
    script = inline_modules(*MODULES) + START
    return render_template(
        "page.html",
        title=title,
        facts=facts,
        colours_are=colours_are,
        files=list(files),
        notes=list(notes),
        style=static_text("relight/relight.css"),
        script=script,
        script_hash=source_hash(script),
        data=script_data(data),
    )


def _pack_normals(normal: NDArray[np.floating], given: Bool, side: int) -> dict[str, Any]:
    import cv2

    height, width = given.shape
    scale = min(1.0, side / max(height, width))
    vectors: NDArray[Any] = np.where(given[..., None], normal, 0).astype(np.float32)
    mask = given
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        mask = cv2.resize(given.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
        vectors = cv2.resize(vectors, size, interpolation=cv2.INTER_AREA)
    length = np.linalg.norm(vectors, axis=2)
    mask = mask & (length > 1e-6)
    planes = _octahedral(vectors / np.maximum(length, 1e-6)[..., None])
    body = b"".join(_plane(np.where(mask, plane, 0), mask) for plane in planes)
    return {
        "width": mask.shape[1],
        "height": mask.shape[0],
        "steps": STEPS,
        "data": _packed(body + mask.astype(np.uint8).tobytes()),
    }


def _octahedral(unit: NDArray[np.floating]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Unit vectors (H, W, 3) -> two coordinates, 0 to STEPS (Cigolle et al., JCGT 2014)."""
    x, y, z = np.moveaxis(unit.astype(np.float64), 2, 0)
    total = np.maximum(np.abs(unit).sum(axis=2), 1e-9)
    x, y = x / total, y / total
    folded_x = (1 - np.abs(y)) * np.where(x < 0, -1, 1)
    folded_y = (1 - np.abs(x)) * np.where(y < 0, -1, 1)
    first, second = np.where(z < 0, folded_x, x), np.where(z < 0, folded_y, y)
    coded = [np.rint((each * 0.5 + 0.5) * STEPS).astype(np.uint16) for each in (first, second)]
    return coded[0], coded[1]


def _plane(values: NDArray[np.integer], mask: Bool) -> bytes:
    """Differences along rows modulo 65536, low bytes, then high bytes; off the mask the value before goes on."""
    place = np.where(mask, np.arange(mask.shape[1]), -1)
    before = np.maximum.accumulate(place, axis=1)
    held = np.where(before >= 0, np.take_along_axis(values, np.maximum(before, 0), axis=1), 0)
    change = np.diff(held.astype(np.int64), axis=1, prepend=0) & 0xFFFF
    return (change & 0xFF).astype(np.uint8).tobytes() + (change >> 8).astype(np.uint8).tobytes()


def _pack_relief(relief: Relief, shape: tuple[int, ...]) -> dict[str, Any]:
    step = -(-max(relief.depth.shape) // LONGEST_GRID)
    depth = relief.depth[::step, ::step]
    wider = np.array([[1 / step, 0, 0.5 - 0.5 / step], [0, 1 / step, 0.5 - 0.5 / step], [0, 0, 1]])
    k = wider @ relief.camera
    known = np.isfinite(depth)
    low, high = float(depth[known].min()), float(depth[known].max())
    share = (np.where(known, depth, low) - low) / max(high - low, 1e-12)
    coded = np.where(known, 1 + np.rint(share * 65534), 0).astype(np.uint16)
    extent = max(depth.shape) / float(k[0, 0]) * (float(np.mean(depth[known])) if relief.perspective else 1.0)
    # A grid point's centre is at column 0.5: that of a coarser grid is where its first fine point was.
    shift = 0.5 * (step - 1) / relief.scale
    return {
        "width": depth.shape[1],
        "height": depth.shape[0],
        "data": _packed(_plane(coded, np.ones(coded.shape, bool))),
        "low": low,
        "high": high,
        "camera": [float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])],
        "perspective": relief.perspective,
        "left": relief.left - shift,
        "top": relief.top - shift,
        "scale": relief.scale / step,
        "picture": [shape[1], shape[0]],
        "jump": JUMP * extent,
    }


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode("ascii")


def _jpeg_url(picture: Picture) -> str:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((LONGEST_PICTURE, LONGEST_PICTURE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return data_url(stream.getvalue(), "image/jpeg")
