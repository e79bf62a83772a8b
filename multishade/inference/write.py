# SPDX-License-Identifier: Apache-2.0
"""An `Inference` -> files: normal map, shading video, confidence, mesh, and one picture that shows it all."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.depth import depth_to_points
from multishade.imaging import clay, display, panels
from multishade.imaging.codecs import write_exr_image
from multishade.imaging.normal_maps import write_normal_png
from multishade.imaging.video import write_video
from multishade.inference.framing import resize
from multishade.inference.predict import Inference
from multishade.photometry.integration import methods

VIDEO_SIDE, VIDEO_RATE = 768, 6.0  # pixels of the longer side at most; frames a second
SURFACE_SIDE = 384  # of the grid that is integrated; millions of pixels would take minutes
LEAST_FACING = 0.1  # cosine to the view axis of normals that are integrated
PANEL = 300
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Surface:
    """Depth (h, w) over a grid of at most SURFACE_SIDE points a side, NaN off the object; the longer side is 1."""

    depth: Float64
    normal: NDArray[np.float32]
    pixel_size: float


def write(
    out: Path, found: Inference, video: str = "gif", mesh: bool = True, method: str = "bilateral"
) -> list[Path]:
    """Everything into `out`; the paths as written.

    video: "gif", "mp4" or "none", of the shading frames. method: of `integration`, for the mesh.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_normal_png(out / "normal.png", found.normal, (found.normal != 0).any(axis=2))
    write_exr_image(out / "normal.exr", found.normal)
    display.save(out / "confidence.png", display.grey_to_rgb(found.confidence, found.mask, display.BLACK))
    display.save(out / "mask.png", display.grey_to_rgb(found.mask.astype(np.float32)))
    paths = [out / name for name in ("normal.png", "normal.exr", "confidence.png", "mask.png")]
    if found.frames is not None and video != "none":
        paths.append(out / f"shading.{video}")
        write_video(
            paths[-1], [display.grey_to_rgb(picture) for picture in shading_pictures(found)], VIDEO_RATE
        )
    surface = integrated(found, method) if mesh else None
    if surface is not None:
        shape = methods.surface(surface.depth, pixel_size=surface.pixel_size, cut_degrees=89)
        for suffix in ("ply", "glb"):
            paths.append(out / f"surface.{suffix}")
            shape.export(paths[-1])
    paths.append(out / "overview.png")
    display.save(paths[-1], overview(found, surface))
    return paths


def shading_pictures(found: Inference, side: int = VIDEO_SIDE) -> list[NDArray[np.float32]]:
    """The frames, 0 to 1, at the photo's size or smaller, so that the longer side is at most `side`."""
    import cv2

    height, width = found.mask.shape
    scale = min(1.0, side / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return [
        np.clip(cv2.resize(found.frame(k), size, interpolation=cv2.INTER_AREA), 0, 1)
        for k in range(0 if found.frames is None else len(found.frames))
    ]


def integrated(found: Inference, method: str = "bilateral") -> Surface | None:
    """The surface of the normals, orthographic (a photo does not say its camera); None where there is no normal."""
    from multishade.geometry.boxes import bounding_window

    given = (found.normal != 0).any(axis=2)
    if not given.any():
        return None
    rows, columns = bounding_window(given, margin=1)
    normal = found.normal[rows, columns]
    side = max(normal.shape[:2])
    if side > SURFACE_SIDE:
        # A square, so that both axes keep one scale.
        square = np.zeros((side, side, 3), np.float32)
        square[: normal.shape[0], : normal.shape[1]] = normal
        normal = resize(square, SURFACE_SIDE)
        side = SURFACE_SIDE
    here = np.linalg.norm(normal, axis=2) > 0.5
    if not here.any():
        return None
    # What is seen cannot face away; a predicted normal that does would put a cliff into the surface.
    normal = np.where(here[..., None], normal, 0)
    normal[..., 2] = np.where(here, np.maximum(normal[..., 2], LEAST_FACING), 0)
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-9)
    pixel = 1 / side
    depth = methods.integrate(normal, here, method=method, pixel_size=pixel).depth
    return Surface(depth, normal, pixel)


def overview(found: Inference, surface: Surface | None) -> display.Picture:
    """One picture: photo, normals, confidence, three of the shading frames, the surface from the front and turned."""
    from multishade.geometry.boxes import bounding_window

    given = (found.normal != 0).any(axis=2)
    window = bounding_window(given if given.any() else np.ones_like(given), margin=8)
    mask = given[window]
    photo = np.rint(found.photo.pixels[window] * 255).astype(np.uint8)
    first = [
        ("photo", photo),
        ("normals", display.normal_to_rgb(found.normal[window], mask)),
        ("confidence", display.grey_to_rgb(found.confidence[window], mask)),
    ]
    second: list[tuple[str, display.Picture]] = []
    if found.frames is not None:
        count = len(found.frames)
        for k in (0, round(count / 3), round(2 * count / 3)):
            shown = display.grey_to_rgb(found.frame(k)[window], mask)
            second.append((f"shading {k + 1} of {count}", shown))
    if surface is not None:
        points = _points(surface)
        inside = np.isfinite(surface.depth)
        for caption, turn in (("surface", 0.0), ("surface, turned 35°", 35.0)):
            (second if found.frames is None else first).append(
                (caption, clay.render_clay(points, surface.normal, inside, PANEL, turn))
            )
    rows = [row for row in (first, second) if row]
    return panels.tile(
        [[display.fit_height(picture, PANEL) for _, picture in row] for row in rows],
        [[caption for caption, _ in row] for row in rows],
    )


def _points(surface: Surface) -> Float64:
    scale = 1 / surface.pixel_size
    return depth_to_points(np.nan_to_num(surface.depth), np.diag([scale, scale, 1.0]), "orthographic")
