# SPDX-License-Identifier: Apache-2.0
"""A solved object -> the files that `multishade solve` leaves: maps, mesh, shading video, one picture of it all."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from multishade.evaluation.objects import BenchmarkObject, Float32, Window
from multishade.geometry import lights
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.depth import depth_to_points
from multishade.imaging import clay, display, panels, video
from multishade.imaging.codecs import write_exr_image
from multishade.imaging.normal_maps import write_normal_png
from multishade.photometry.shading import lambert
from multishade.photometry.solvers.solution import Solution

if TYPE_CHECKING:
    from multishade.photometry.integration.methods import Depth

VIDEO_FRAMES, VIDEO_RATE = 48, 16
PANEL_HEIGHT = 300


@dataclass(frozen=True)
class Solved:
    """A solution over the whole frame, and the surface over `window`, or None when it was not asked for."""

    target: BenchmarkObject
    window: Window
    normal: Float32
    albedo: Float32
    confidence: Float32
    determined: NDArray[np.bool_]
    surface: "Depth | None"

    @property
    def error(self) -> Float32 | None:
        """(H, W) degrees against the truth, NaN where there is no answer; None without truth."""
        if self.target.normal is None:
            return None
        given = self.target.scored & self.determined
        angle = angular_error_degrees(self.normal, self.target.normal)
        return np.where(given, angle, np.nan).astype(np.float32)


def place(target: BenchmarkObject, window: Window, found: Solution, surface: "Depth | None") -> Solved:
    """A solution over `window` put back into the frame."""

    def full(values: NDArray[Any]) -> NDArray[Any]:
        frame = np.zeros(target.mask.shape + values.shape[2:], dtype=values.dtype)
        frame[window] = values
        return frame

    return Solved(
        target,
        window,
        full(found.normal),
        full(found.albedo),
        full(found.confidence),
        full(found.determined),
        surface,
    )


def write(out: Path, solved: Solved, video_kind: str = "gif") -> list[Path]:
    """Everything into `out`; the paths, in the order they were written. video_kind: "gif", "mp4" or "none"."""
    out.mkdir(parents=True, exist_ok=True)
    write_normal_png(out / "normal.png", solved.normal, solved.determined)
    write_exr_image(out / "normal.exr", solved.normal)
    write_exr_image(out / "albedo.exr", solved.albedo)
    display.save(out / "albedo.png", display.radiance_to_rgb(solved.albedo, solved.determined, display.BLACK))
    display.save(
        out / "confidence.png", display.grey_to_rgb(solved.confidence, solved.determined, display.BLACK)
    )
    written = [
        out / name for name in ("normal.png", "normal.exr", "albedo.exr", "albedo.png", "confidence.png")
    ]
    if solved.surface is not None:
        written += _write_mesh(out, solved, solved.surface)
    if video_kind != "none":
        written.append(_write_video(out / f"shading.{video_kind}", solved))
    display.save(out / "overview.png", overview(solved))
    return [*written, out / "overview.png"]


def overview(solved: Solved) -> display.Picture:
    """One picture: a photograph, what was found, the surface from the side, and the error where the truth is known."""
    target, cut = solved.target, solved.window
    mask = solved.determined[cut]
    frontal = 0 if target.directions is None else int(np.argmax(target.directions[:, 2]))
    first = [
        (
            f"photograph {target.image_names[frontal]}",
            display.radiance_to_rgb(target.image(frontal)[cut], target.mask[cut]),
        ),
        ("normals", display.normal_to_rgb(solved.normal[cut], mask)),
        ("albedo", display.radiance_to_rgb(solved.albedo[cut], mask)),
        ("confidence", display.grey_to_rgb(solved.confidence[cut], mask)),
    ]
    second = []
    if solved.surface is not None:
        second.append(("depth, near is bright", display.depth_to_rgb(solved.surface.depth, mask)))
        second.append(("surface, turned 35°", _turned(solved)))
    error = solved.error
    if error is not None and target.normal is not None:
        scored = target.scored[cut]
        mean = float(np.nanmean(error[target.scored]))
        second.append(("true normals", display.normal_to_rgb(target.normal[cut], scored)))
        second.append((f"error, mean {mean:.2f}°", display.error_to_rgb(error[cut], scored)))
    rows = [
        [display.fit_height(picture, PANEL_HEIGHT) for _, picture in row] for row in (first, second) if row
    ]
    captions = [[caption for caption, _ in row] for row in (first, second) if row]
    if error is not None:
        rows[-1].append(panels.colour_bar(PANEL_HEIGHT))
        captions[-1].append("")
    return panels.tile(rows, captions)


def _turned(solved: Solved) -> display.Picture:
    """The surface as clay, turned 35 degrees to the side: what a depth map hides shows here."""
    assert solved.surface is not None
    depth = solved.surface.depth
    inside = solved.determined[solved.window] & np.isfinite(depth)
    camera = solved.target.camera_of(solved.window)
    if camera is None:  # orthographic, depth in pixels
        points = depth_to_points(depth, np.eye(3), "orthographic")
    else:
        points = depth_to_points(depth, camera, "perspective")
    return clay.render_clay(points, solved.normal[solved.window], inside, PANEL_HEIGHT, turn_degrees=35.0)


def _write_mesh(out: Path, solved: Solved, surface: "Depth") -> list[Path]:
    from multishade.photometry.integration import methods

    mesh = methods.surface(
        surface.depth, solved.determined[solved.window], solved.target.camera_of(solved.window)
    )
    paths = [out / "surface.ply", out / "surface.glb"]
    for path in paths:
        mesh.export(path)
    return paths


def _write_video(path: Path, solved: Solved) -> Path:
    """The found normals as clay under a light that goes once round the ring, at 45 degrees elevation."""
    mask = solved.determined[solved.window]
    sequence = lambert(solved.normal[solved.window], lights.ring(VIDEO_FRAMES), mask)
    frames = [display.grey_to_rgb(frame, mask, display.BLACK) for frame in sequence]
    video.write_video(path, frames, VIDEO_RATE)
    return path
