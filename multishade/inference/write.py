# SPDX-License-Identifier: Apache-2.0
"""`Results` of `infer`, `solve` and the like -> the files of one folder, the same for every command."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError, SolveError
from multishade.geometry.conventions import FRAMES, from_camera_frame
from multishade.imaging import codecs, display
from multishade.imaging.color import linear_to_srgb
from multishade.imaging.normal_maps import encode_normals
from multishade.imaging.video import write_video
from multishade.inference import mesh_files, tangent
from multishade.inference.page import write_page
from multishade.inference.results import Results
from multishade.inference.sidecar import HEIGHT_STEPS, conventions
from multishade.inference.surface import Mesh
from multishade.version import __version__

CONVENTIONS, RECORD = "conventions.json", "record.json"
NEUTRAL = np.array([0.0, 0.0, 1.0], np.float32)  # the normal of a plane that faces the camera


@dataclass(frozen=True)
class Output:
    """What is written, and how.

    Attributes:
        formats: Names of `FORMATS`; None: all that the results allow, without those that must be asked for.
        frame: Key of `FRAMES`, of normal.exr and surface.ply.
        video: "gif" or "mp4"; None for no video.
        tangent: Whether the maps must serve as tangent-space maps, else the results are refused.
    """

    formats: frozenset[str] | None = None
    frame: str = "opengl"
    video: str | None = "gif"
    tangent: bool = False


def parse_formats(text: str) -> frozenset[str]:
    """Parse "normal_gl,glb" into names of FORMATS. Raises SolveError for an unknown one."""
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(names - FORMATS.keys())
    if unknown or not names:
        raise SolveError(f"--formats {text}: expected names out of {', '.join(FORMATS)}")
    return names


def write_results(out: Path, results: Results, output: Output | None = None) -> list[Path]:
    """Write the files of one photo or object into a folder.

    Args:
        out: The folder; made if it does not exist.
        results: What is written.
        output: Which files, and in which frame.

    Returns:
        The files in the order in which they were written; record.json, the last, is there only if all others are.

    Raises:
        SolveError: A format was asked for that the results do not allow, or the maps must be tangent-space maps and
            are none.
    """
    output = output or Output()
    tilt = tangent.deviation(results.normal, results.given)
    if output.tangent:
        tangent.require_tangent(tilt, results.name)
    out.mkdir(parents=True, exist_ok=True)
    (out / RECORD).unlink(missing_ok=True)
    work = _Work(out, results, output)
    wanted = output.formats
    chosen = [
        (name, write)
        for name, write in FORMATS.items()
        if (name in wanted if wanted is not None else name not in ON_REQUEST)
    ]
    paths: list[Path] = []
    for name, write in chosen:
        written = write(work)
        if not written and wanted is not None:
            raise SolveError(f"{results.name}: {name} cannot be written: {_why_not(name, results)}")
        paths += written
        work.names += [path.name for path in written]
    names = [path.name for path in paths]
    heights = work.heights if "height.png" in names else None
    content = conventions(results, [*names, RECORD], output.frame, heights, tilt)
    paths.append(_write_json(out / CONVENTIONS, content))
    measures = results.measures
    record = {
        "command": results.command,
        "version": __version__,
        **results.record,
        "measures": None if measures is None else measures.as_json(),
        "notes": list(results.notes),
    }
    paths.append(_write_json(out / RECORD, record))
    return paths


class _Work:
    """One folder's results, and what several of its files are made from."""

    def __init__(self, out: Path, results: Results, output: Output) -> None:
        self.out, self.results, self.output = out, results, output
        self.names: list[str] = []  # of the files that are written

    @cached_property
    def depth(self) -> NDArray[np.float64]:
        """(H, W), NaN where there is no surface."""
        surface = self.results.surface
        assert surface is not None
        return surface.depth_of_photo(self.results.given)

    @cached_property
    def heights(self) -> tuple[float, float]:
        """Least and largest z on the surface."""
        z = -self.depth[np.isfinite(self.depth)]
        return (float(z.min()), float(z.max())) if z.size else (0.0, 0.0)

    @cached_property
    def mesh(self) -> Mesh:
        assert self.results.surface is not None
        return self.results.surface.mesh()


def _write_normal_gl(work: _Work) -> list[Path]:
    return _save(work, "normal_gl.png", _coded_normals(work.results))


def _write_normal_dx(work: _Work) -> list[Path]:
    coded = _coded_normals(work.results)
    coded[..., 1] = np.iinfo(coded.dtype).max - coded[..., 1]
    return _save(work, "normal_dx.png", coded)


def _coded_normals(results: Results) -> NDArray[np.uint16]:
    # Neutral off the object: flipping G is exact there, and texture filters do not darken the rim.
    return encode_normals(np.where(results.given[..., None], results.normal, NEUTRAL), 16)


def _write_normal_exr(work: _Work) -> list[Path]:
    path = work.out / "normal.exr"
    vectors = from_camera_frame(work.results.normal, work.output.frame)
    codecs.write_exr(path, codecs.split_channels(vectors, "XYZ"))
    return [path]


def _write_mask(work: _Work) -> list[Path]:
    return _save(work, "mask.png", np.where(work.results.mask, np.uint8(255), np.uint8(0)))


def _write_confidence(work: _Work) -> list[Path]:
    trust = np.where(work.results.given, np.clip(work.results.confidence, 0, 1), 0)
    return _save(work, "confidence.png", np.rint(trust * 255).astype(np.uint8))


def _write_albedo(work: _Work) -> list[Path]:
    albedo = work.results.albedo
    if albedo is None:
        return []
    codecs.write_exr_image(work.out / "albedo.exr", albedo)
    return [work.out / "albedo.exr", *_save(work, "albedo.png", work.results.texture)]


def _write_height(work: _Work) -> list[Path]:
    if work.results.surface is None:
        return []
    low, high = work.heights
    known = np.isfinite(work.depth)
    share = (np.where(known, -work.depth, low) - low) / max(high - low, 1e-12)
    coded = np.where(known, 1 + np.rint(share * HEIGHT_STEPS), 0).astype(np.uint16)
    return _save(work, "height.png", coded)


def _write_depth(work: _Work) -> list[Path]:
    surface = work.results.surface
    if surface is None or surface.projection == "orthographic":
        return []
    path = work.out / "depth.exr"
    codecs.write_exr(path, {"Z": np.nan_to_num(work.depth, nan=0.0).astype(np.float32)})
    return [path]


def _write_glb(work: _Work) -> list[Path]:
    results = work.results
    if results.surface is None or not len(work.mesh.triangles):
        return []
    extras = {
        "frame": FRAMES["opengl"][1],
        "camera": "orthographic" if results.view.camera is None else "perspective",
        "texture": results.texture_is,
    }
    # The whole photo, so that every map of the folder fits the texture coordinates.
    data = mesh_files.encode_glb(work.mesh, results.texture, results.name, extras)
    return _write(work.out / "surface.glb", data)


def _write_ply(work: _Work) -> list[Path]:
    results, mesh, frame = work.results, None, work.output.frame
    if results.surface is None or not len(work.mesh.triangles):
        return []
    mesh = work.mesh
    height, width = results.mask.shape
    u, v = np.minimum(mesh.pixels.astype(np.intp), (width - 1, height - 1)).T
    # A mirrored frame turns triangles over.
    corners = mesh.triangles[:, ::-1] if frame == "directx" else mesh.triangles
    data = mesh_files.encode_ply(
        from_camera_frame(mesh.points, frame),
        from_camera_frame(mesh.normals, frame),
        results.texture[v, u],
        corners,
        (f"MultiShade, frame {frame}: {FRAMES[frame][1]}",),
    )
    return _write(work.out / "surface.ply", data)


def _write_shading(work: _Work) -> list[Path]:
    if work.results.shading is None or work.output.video is None:
        return []
    path = work.out / f"shading.{work.output.video}"
    write_video(path, work.results.shading(), work.results.rate)
    return [path]


def _write_page(work: _Work) -> list[Path]:
    if not work.results.given.any():
        return []
    return _write(work.out / "page.html", write_page(work.results, work.names).encode("utf-8"))


def _write_ptm(work: _Work) -> list[Path]:
    from multishade.photometry import rti

    coded = _coded_sequence(work.results)
    return [] if coded is None else _write(work.out / "relight.ptm", rti.encode_ptm(*coded))


def _write_rti(work: _Work) -> list[Path]:
    from multishade.photometry import rti

    coded = _coded_sequence(work.results)
    return [] if coded is None else _write(work.out / "relight.rti", rti.encode_hsh(*coded))


def _coded_sequence(results: Results) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
    """The images as they are shown, sRGB-coded with one exposure, and the lights' directions."""
    if results.sequence is None:
        return None
    images, directions = results.sequence
    white = float(np.percentile(images.max(axis=(0, 3)), RTI_WHITE))
    return linear_to_srgb(images / max(white, 1e-12)), directions


def _write_overview(work: _Work) -> list[Path]:
    display.save(work.out / "overview.png", work.results.overview())
    return [work.out / "overview.png"]


# Name of a format -> writes its files; none if the results do not allow it.
FORMATS: Mapping[str, Callable[[_Work], list[Path]]] = {
    "normal_gl": _write_normal_gl,
    "normal_dx": _write_normal_dx,
    "normal_exr": _write_normal_exr,
    "mask": _write_mask,
    "confidence": _write_confidence,
    "albedo": _write_albedo,
    "height": _write_height,
    "depth": _write_depth,
    "glb": _write_glb,
    "ply": _write_ply,
    "shading": _write_shading,
    "overview": _write_overview,
    "page": _write_page,
    "ptm": _write_ptm,
    "rti": _write_rti,
}
ON_REQUEST = frozenset({"ptm", "rti"})
RTI_WHITE = 99.0  # percentile of the brightest values of the pixels that is shown as white


def _why_not(name: str, results: Results) -> str:
    if name in ("ptm", "rti"):
        return "it needs images under known far lights"
    if name == "albedo":
        return "a model of normals tells no albedo"
    if name == "shading":
        return "the model makes no shading, or --video none is given"
    if name == "page":
        return "there is no normal"
    if results.surface is None:
        return "there is no surface (--integrate none, or no normal)"
    return "no camera is known; give --fov-x" if name == "depth" else "the surface has no triangle"


def _save(work: _Work, name: str, pixels: NDArray[Any]) -> list[Path]:
    codecs.write_png(work.out / name, pixels)
    return [work.out / name]


def _write(path: Path, data: bytes) -> list[Path]:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be written ({error.strerror})") from error
    return [path]


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    (written,) = _write(path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
    return written
