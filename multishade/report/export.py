# SPDX-License-Identifier: Apache-2.0
"""A sample -> plain files of its own folder: pictures (png), exact values (exr), or photographs under lights (folder).

A folder of kind "folder" has DiLiGenT's names, which `multishade solve` and the code of other authors read: 001.png ...
(16 bit, linear), filenames.txt, light_directions.txt, light_intensities.txt, mask.png and Normal_gt.mat.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging import codecs, display
from multishade.imaging.color import linear_to_png
from multishade.imaging.normal_maps import write_normal_png
from multishade.shards.meta import encode_meta
from multishade.shards.sample import Sample, shading_of

Float32 = NDArray[np.float32]
WHITE = 65535


def export_sample(sample: Sample, folder: Path, kind: str) -> list[Path]:
    """Write the files of one sample.

    Args:
        sample: The sample.
        folder: Made if it does not exist; files of the same names are replaced.
        kind: A key of `KINDS`.

    Returns:
        The files, in the order in which they were written.

    Raises:
        ImageFileError: If a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = KINDS[kind](sample, folder)
        codecs.write_png(folder / "mask.png", sample.mask.astype(np.uint8) * 255)
        (folder / "meta.json").write_bytes(encode_meta(sample.key, sample.meta))
    except OSError as error:
        raise ImageFileError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    return [*paths, folder / "mask.png", folder / "meta.json"]


def _pictures(sample: Sample, folder: Path) -> list[Path]:
    """Images sRGB-encoded with coverage, 8 bit; normals n / 2 + 1/2 in 16 bit; depth and shading as pictures."""
    alpha = np.rint(sample.alpha * 255).astype(np.uint8)
    paths = []
    for name, image in sample.images.items():
        coverage = np.maximum(sample.alpha, 1 / 255)[..., None]  # colours are premultiplied, PNG's are not
        colour = linear_to_png(image / coverage, 8)
        paths.append(_save(folder / f"{name}.png", np.dstack([colour, alpha])))
    for name, normal in _normals(sample).items():
        write_normal_png(folder / f"{name}.png", normal, sample.mask)
        paths.append(folder / f"{name}.png")
    paths.append(_save(folder / "depth.png", display.depth_to_rgb(sample.depth, sample.mask, display.BLACK)))
    for name, values in sample.passes.items():
        paths.append(
            _save(folder / f"{name}.png", display.pass_to_rgb(name, values, sample.mask, display.BLACK))
        )
    for number, frame in enumerate(shading_of(sample)):
        coloured = linear_to_png(frame, 8) if frame.ndim == 3 else display.grey_to_rgb(frame)
        paths.append(_save(folder / f"shading_{number:02d}.png", coloured))
    return paths


def _exact(sample: Sample, folder: Path) -> list[Path]:
    """Linear images, normals, depth and shading as 32-bit EXR."""
    arrays: dict[str, Float32] = {**sample.images, **_normals(sample), "depth": sample.depth}
    arrays["alpha"] = sample.alpha
    arrays |= {name: values.astype(np.float32) for name, values in sample.passes.items()}
    arrays |= {f"shading_{number:02d}": frame for number, frame in enumerate(shading_of(sample))}
    if sample.light_basis is not None:
        arrays |= {f"basis_{number:02d}": frame for number, frame in enumerate(sample.light_basis)}
    for name, array in arrays.items():
        codecs.write_exr_image(folder / f"{name}.exr", array)
    return [folder / f"{name}.exr" for name in arrays]


def _measurements(sample: Sample, folder: Path) -> list[Path]:
    """The shading sequence as photographs under known lights, the truth beside them, in DiLiGenT's names."""
    import scipy.io

    frames = shading_of(sample)
    names = [f"{number:03d}.png" for number in range(1, len(frames) + 1)]
    # Readers divide by the intensity, so one factor for all frames uses the range of 16 bits and changes nothing.
    factor = 1 / max(float(frames[:, sample.mask].max(initial=0)), 1e-9)
    for name, frame in zip(names, frames, strict=True):
        inside = frame * (sample.mask if frame.ndim == 2 else sample.mask[..., None])
        codecs.write_png(folder / name, np.rint(np.clip(inside * factor, 0, 1) * WHITE).astype(np.uint16))
    truth = np.where(sample.mask[..., None], sample.normal, 0)
    info = sample.info
    tables: dict[str, Any] = {
        "light_directions.txt": np.asarray(info.shading.directions),
        "light_intensities.txt": np.full((len(frames), 3), factor),
    }
    if info.camera.type == "perspective":
        tables["K.txt"] = np.asarray(info.camera.K)
    for name, table in tables.items():
        np.savetxt(folder / name, table, fmt="%.9g")
    (folder / "filenames.txt").write_text("\n".join(names) + "\n")
    scipy.io.savemat(folder / "Normal_gt.mat", {"Normal_gt": truth.astype(np.float64)}, do_compression=True)
    write_normal_png(folder / "normal.png", truth, sample.mask)
    np.save(folder / "depth_gt.npy", np.where(sample.mask, sample.depth, np.nan).astype(np.float32))
    others = ("filenames.txt", "Normal_gt.mat", "normal.png", "depth_gt.npy")
    return [folder / name for name in (*names, *tables, *others)]


KINDS: Mapping[str, Callable[[Sample, Path], list[Path]]] = {
    "png": _pictures,
    "exr": _exact,
    "folder": _measurements,
}


def _normals(sample: Sample) -> dict[str, Float32]:
    normals = {"normal": sample.normal}
    return (
        normals if sample.normal_geometry is None else {**normals, "normal_geometry": sample.normal_geometry}
    )


def _save(path: Path, picture: NDArray[Any]) -> Path:
    codecs.write_png(path, picture)
    return path
