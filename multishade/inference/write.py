# SPDX-License-Identifier: Apache-2.0
"""Results of `infer` and `solve` -> files: normal map, maps, shading video, mesh, a record and one picture that
shows it all.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from multishade.geometry import lights
from multishade.imaging import display
from multishade.imaging.codecs import write_exr_image
from multishade.imaging.display import Picture
from multishade.imaging.normal_maps import write_normal_png
from multishade.imaging.video import write_video
from multishade.inference.measures import measure
from multishade.inference.overview import prediction_overview, solved_overview
from multishade.inference.photometric import SolvedObject
from multishade.inference.prediction import PhotoPrediction
from multishade.inference.surface import integrate_normals
from multishade.photometry.integration import methods
from multishade.photometry.shading import lambert
from multishade.version import __version__

if TYPE_CHECKING:
    import trimesh

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

# Of a prediction: pixels of the longer side at most, frames a second.
VIDEO_SIDE, VIDEO_RATE = 768, 6.0
# Of a solved object: one turn of the light around a ring.
RING_FRAMES, RING_RATE = 48, 16.0
MESH_CUT_DEGREES = 89  # steeper triangles of a predicted surface bridge a jump


def write_prediction(
    out: Path, prediction: PhotoPrediction, video: str | None = "gif", integrator: str | None = "bilateral"
) -> list[Path]:
    """Write everything about a prediction into a folder.

    Args:
        out: The folder; made if it does not exist.
        prediction: What `infer` returns.
        video: "gif" or "mp4" of the shading frames; None for no video.
        integrator: Of `multishade.photometry.integration.methods`, for the mesh; None for no mesh.

    Returns:
        The files, in the order in which they were written; overview.png is the last.
    """
    given = (prediction.normal != 0).any(axis=2)
    paths = _write_normals(out, prediction.normal, given)
    measures, suspect = measure(prediction.normal, prediction.confidence, given)
    record = {
        "command": "infer",
        "version": __version__,
        "photo": prediction.photo.name,
        "mask": None if prediction.photo.mask is None else round(float(prediction.photo.mask.mean()), 6),
        "object": round(float(prediction.mask.mean()), 6),
        "measures": measures.as_json(),
        "notes": [*prediction.photo.notes, *suspect],
    }
    paths.append(_write_record(out, record))
    paths.append(_save(out / "confidence.png", _on_black(prediction.confidence, prediction.mask)))
    paths.append(_save(out / "mask.png", display.grey_to_rgb(prediction.mask.astype(np.float32))))
    if prediction.frames is not None and video is not None:
        pictures = [display.grey_to_rgb(shading) for shading in shading_frames(prediction)]
        paths.append(_write_shading(out, video, pictures, VIDEO_RATE))
    surface = None if integrator is None else integrate_normals(prediction.normal, integrator)
    if surface is not None:
        mesh = methods.mesh_from_depth(
            surface.depth, pixel_size=surface.pixel_size, cut_degrees=MESH_CUT_DEGREES
        )
        paths += _write_mesh(out, mesh)
    paths.append(_save(out / "overview.png", prediction_overview(prediction, surface)))
    return paths


def write_solved(
    out: Path,
    solved: SolvedObject,
    photograph: tuple[str, Float32],
    truth: Float32 | None = None,
    video: str | None = "gif",
    record: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write everything about a solved object into a folder.

    Args:
        out: The folder; made if it does not exist.
        solved: What `solve_object` returns.
        photograph: Name and linear (H, W, 3) of the photograph for the overview.
        truth: (H, W, 3) true normals, 0 where there is none; None if they are unknown.
        video: "gif" or "mp4" of the normals as clay under a light that turns once; None for no video.
        record: What is known about the input and its solution, for record.json.

    Returns:
        The files, in the order in which they were written; overview.png is the last.
    """
    paths = _write_normals(out, solved.normal, solved.determined)
    facts: dict[str, Any] = {"command": "solve", "version": __version__, **(record or {})}
    facts["determined"] = round(float(solved.determined[solved.mask].mean()), 6)
    facts["measures"] = None if solved.measures is None else solved.measures.as_json()
    facts["notes"] = [*facts.get("notes", ()), *solved.notes]
    paths.append(_write_record(out, facts))
    paths.append(out / "albedo.exr")
    write_exr_image(paths[-1], solved.albedo)
    albedo = display.radiance_to_rgb(solved.albedo, solved.determined, display.BLACK)
    paths.append(_save(out / "albedo.png", albedo))
    paths.append(_save(out / "confidence.png", _on_black(solved.confidence, solved.determined)))
    determined = solved.determined[solved.window]
    if solved.depth is not None:
        paths += _write_mesh(out, methods.mesh_from_depth(solved.depth, determined, solved.camera))
    if video is not None:
        sequence = lambert(solved.normal[solved.window], lights.ring(RING_FRAMES), determined)
        pictures = [_on_black(shading, determined) for shading in sequence]
        paths.append(_write_shading(out, video, pictures, RING_RATE))
    paths.append(_save(out / "overview.png", solved_overview(solved, photograph, truth)))
    return paths


def shading_frames(prediction: PhotoPrediction, side: int = VIDEO_SIDE) -> list[Float32]:
    """Return the frames, 0 to 1, at the photo's size or smaller, so that the longer side is at most `side`."""
    import cv2

    height, width = prediction.mask.shape
    scale = min(1.0, side / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return [
        np.clip(cv2.resize(prediction.frame(k), size, interpolation=cv2.INTER_AREA), 0, 1)
        for k in range(0 if prediction.frames is None else len(prediction.frames))
    ]


def _write_normals(out: Path, normal: Float32, given: Bool) -> list[Path]:
    """16-bit PNG, black where not `given`, and 32-bit EXR."""
    out.mkdir(parents=True, exist_ok=True)
    write_normal_png(out / "normal.png", normal, given)
    write_exr_image(out / "normal.exr", normal)
    return [out / "normal.png", out / "normal.exr"]


def _write_record(out: Path, record: Mapping[str, Any]) -> Path:
    path = out / "record.json"
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def _write_shading(out: Path, kind: str, pictures: Sequence[Picture], rate: float) -> Path:
    path = out / f"shading.{kind}"
    write_video(path, pictures, rate)
    return path


def _write_mesh(out: Path, mesh: "trimesh.Trimesh") -> list[Path]:
    paths = [out / "surface.ply", out / "surface.glb"]
    for path in paths:
        mesh.export(path)
    return paths


def _on_black(values: Float32, mask: Bool) -> Picture:
    return display.grey_to_rgb(values, mask, display.BLACK)


def _save(path: Path, picture: Picture) -> Path:
    display.save(path, picture)
    return path
