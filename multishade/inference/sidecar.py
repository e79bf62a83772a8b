# SPDX-License-Identifier: Apache-2.0
"""Results and the files made of them -> `conventions.json`: frames, signs, encodings, units, camera, model, licence."""

from collections.abc import Iterable, Mapping
from typing import Any

from multishade.geometry.conventions import FRAMES
from multishade.inference.results import Results
from multishade.inference.tangent import LIMIT_DEGREES

SCHEMA = 1
HEIGHT_STEPS = 65534  # of height.png; code 0 is no surface

_OPENGL, _DIRECTX = FRAMES["opengl"][1], FRAMES["directx"][1]
_CODED = "n = 2 code / 65535 - 1 for R, G, B = x, y, z; 16 bit, no gamma, no colour profile; "
_NEUTRAL = "off the object the neutral code of a plane that faces the camera (mask.png tells)"


def conventions(
    results: Results,
    files: Iterable[str],
    frame: str,
    heights: tuple[float, float] | None,
    tangent_degrees: float | None,
) -> dict[str, Any]:
    """Say what the files of a folder are.

    Args:
        results: What they were made of.
        files: Their names.
        frame: Key of `FRAMES`: that of normal.exr and surface.ply.
        heights: Least and largest height in height.png; None without it.
        tangent_degrees: What `tangent.deviation` measured; None if it was not measured.

    Returns:
        The content of conventions.json.
    """
    height, width = results.mask.shape
    view, surface = results.view, results.surface
    camera: dict[str, Any] = {
        "type": "orthographic" if view.camera is None else "perspective",
        "source": view.source,
    }
    if view.camera is not None:
        fov = view.fov_x(width)
        camera |= {"K": view.camera.tolist(), "fov_x_degrees": None if fov is None else round(fov, 4)}
        camera["projection"] = (
            "pixels, origin at the outer corner of the top-left pixel: u = cx + fx x / depth, v = cy - fy y / depth"
        )
    described = _descriptions(results, frame, heights)
    return {
        "schema": SCHEMA,
        "image": {
            "name": results.name,
            "width": width,
            "height": height,
            "rows": "row 0 is the top; EXIF orientation is applied",
        },
        "camera_frame": _OPENGL,
        "camera": camera,
        "unit_of_length": None if surface is None else surface.unit,
        "tangent_space": _tangent(tangent_degrees),
        "model": None if results.model is None else dict(results.model),
        "files": {name: described[name] for name in files if name in described},
    }


def _tangent(degrees: float | None) -> dict[str, Any]:
    usable = degrees is not None and degrees <= LIMIT_DEGREES
    words = "normals are in camera space"
    if usable:
        words += "; the object is a plane that faces the camera, so they also are a tangent-space map of it"
    elif degrees is not None:
        words += "; the object is no plane that faces the camera, so they are no tangent-space map"
    return {
        "usable": usable,
        "tilt_degrees": None if degrees is None else round(degrees, 2),
        "meaning": words,
    }


def _descriptions(
    results: Results, frame: str, heights: tuple[float, float] | None
) -> Mapping[str, dict[str, Any]]:
    axes = FRAMES[frame][1]
    painted = {"photo": "the photo", "albedo": "the albedo"}[results.texture_is]
    height: dict[str, Any] = {"what": "height: z of the camera frame, near is bright; 16 bit grey"}
    if heights is not None:
        low, high = heights
        height |= {
            "minimum": low,
            "maximum": high,
            "decode": f"z = minimum + (code - 1) / {HEIGHT_STEPS} * (maximum - minimum); code 0: no surface",
        }
    video = (
        "a light that goes once round, starting above" if results.command == "solve" else "the model's lights"
    )
    return {
        "normal_gl.png": {
            "what": "normals, green up: Blender, glTF, Unity, Godot",
            "frame": _OPENGL,
            "decode": _CODED + _NEUTRAL,
        },
        "normal_dx.png": {
            "what": "normals, green down: Unreal, 3ds Max; normal_gl.png with G -> 65535 - G",
            "frame": _DIRECTX,
            "decode": _CODED + _NEUTRAL,
        },
        "normal.exr": {
            "what": "normals as numbers, -1 to 1, 32-bit float, channels X, Y, Z; 0 off the object",
            "frame": f"{frame}: {axes}",
        },
        "mask.png": {"what": "the object: 255, else 0; 8 bit grey"},
        "confidence.png": {"what": "confidence of the normal: code / 255, 0 off the object; 8 bit grey"},
        "albedo.exr": {"what": "albedo, linear, Rec.709 primaries, 32-bit float, channels R, G, B"},
        "albedo.png": {"what": "albedo, sRGB, 8 bit; white is the 99th percentile"},
        "height.png": height,
        "depth.exr": {
            "what": "depth = -z of the camera frame, distance along its axis; 32-bit float, channel Z; 0: no surface"
        },
        "surface.glb": {
            "what": f"surface with {painted} as texture and the normals of the map at its vertices; its texture "
            "coordinates are those of the photo, so all maps here fit it",
            "frame": "glTF's: +x right, +y up, +z toward the viewer",
        },
        "surface.ply": {
            "what": f"the same surface, {painted} as sRGB colours of its vertices",
            "frame": f"{frame}: {axes}",
        },
        "shading.gif": {"what": f"the object as white clay under {video}; not sRGB-coded"},
        "shading.mp4": {"what": f"the object as white clay under {video}; not sRGB-coded"},
        "overview.png": {"what": "everything in one picture, for people"},
        "page.html": {"what": "a page to move a light over the object; needs no network"},
        "relight.ptm": {
            "what": "polynomial texture map, PTM 1.2, LRGB, sRGB-coded; for viewers of RTI",
            "frame": "lu right, lv up",
        },
        "relight.rti": {
            "what": "hemispherical harmonics, HSH 1.2, RGB, sRGB-coded; for viewers of RTI",
            "frame": "x right, y up",
        },
        "record.json": {"what": "how the files were made: input, settings, measures, notes"},
    }
