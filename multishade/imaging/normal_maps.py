# SPDX-License-Identifier: Apache-2.0
"""Normal maps: files in their many formats -> unit vectors, and vectors -> files and the colours that code them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ImageFileError
from multishade.imaging import codecs
from multishade.imaging.decode import unit_range
from multishade.imaging.matlab import read_matlab
from multishade.imaging.read import ARRAY_SUFFIXES, read_stored
from multishade.text import read_text

Float32 = NDArray[np.float32]

# How far a stored normal may be from unit length and still count: 8-bit codes are within 1 %, half floats and
# resampled maps within far less than this; the markers for "no normal here" ((0,0,0), (-1,-1,-1), a grey of
# 127) are all outside.
SHORTEST_NORMAL, LONGEST_NORMAL = 0.5, 1.5
MATLAB_VARIABLES = ("Normal_gt", "normal_gt", "normals", "normal")


def read_normal_map(path: Path, shape: tuple[int, int] | None = None) -> Float32:
    """Read a normal map -> (H, W, 3) float32 unit vectors in the file's own axes; zero where it has no normal.

    Read: PNG and TIFF with n = 2 v / maximum - 1 (8 or 16 bit); EXR, .npy, .npz and float TIFF as they are;
    MATLAB's `Normal_gt`; text with three numbers a line, row by row (needs `shape`, (H, W)). Raises
    ImageFileError for anything else, and for a float file that was stored as n / 2 + 1/2.
    """
    suffix = path.suffix.lower()
    if suffix == ".mat":
        stored: NDArray[Any] = _stored_in_matlab(path)
    elif suffix == ".txt":
        stored = _read_text(path, shape)
    else:
        stored = read_stored(path)
        if suffix in ARRAY_SUFFIXES and stored.ndim == 3 and stored.shape[0] == 3 and stored.shape[2] != 3:
            stored = np.moveaxis(stored, 0, 2)
    if stored.ndim != 3 or stored.shape[2] < 3:
        raise ImageFileError(f"{path}: shape {stored.shape}; a normal map is (H, W, 3)")
    stored = stored[..., :3]
    if np.issubdtype(stored.dtype, np.integer):
        normal = unit_range(stored) * np.float32(2) - np.float32(1)
        # A black pixel is no direction: it is how every one of these formats marks "nothing here".
        normal[(stored == 0).all(axis=2)] = 0
    else:
        normal = np.nan_to_num(stored.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        _refuse_half_coded(normal, path)
    if shape is not None and normal.shape[:2] != shape:
        raise ImageFileError(
            f"{path}: {normal.shape[1]} x {normal.shape[0]} pixels, expected {shape[1]} x {shape[0]}"
        )
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    usable = (length > SHORTEST_NORMAL) & (length < LONGEST_NORMAL)
    return np.where(usable, normal / np.where(usable, length, 1), 0).astype(np.float32)


def write_normal_png(path: Path, normal: NDArray[np.floating], mask: NDArray[np.bool_]) -> None:
    """Write `encode_normals` at 16 bit as RGB PNG, black outside `mask`. normal: (H, W, 3) unit vectors."""
    codecs.write_png(path, np.where(mask[..., None], encode_normals(normal, 16), np.uint16(0)))


def encode_normals(normal: NDArray[np.floating], bits: int) -> NDArray[Any]:
    """Unit vectors (H, W, 3) -> v = (2^bits - 1) (n + 1) / 2, rounded: uint8 (bits 8) or uint16 (bits 16)."""
    coded = np.rint((np.clip(normal, -1, 1) * 0.5 + 0.5) * (2**bits - 1))
    return coded.astype(np.uint8 if bits == 8 else np.uint16)


def _stored_in_matlab(path: Path) -> NDArray[Any]:
    contents = read_matlab(path)
    for name in MATLAB_VARIABLES:
        if name in contents:
            return np.asarray(contents[name])
    raise ImageFileError(f"{path}: no variable Normal_gt (it holds {', '.join(sorted(contents))})")


def _read_text(path: Path, shape: tuple[int, int] | None) -> Float32:
    if shape is None:
        raise ImageFileError(f"{path}: a text normal map has no size of its own; a mask beside it is needed")
    try:
        values = np.loadtxt(io.StringIO(read_text(path, ImageFileError)), dtype=np.float32).ravel()
    except ValueError as error:
        raise ImageFileError(f"{path}: not a table of numbers ({error})") from error
    if values.size != 3 * shape[0] * shape[1]:
        raise ImageFileError(
            f"{path}: {values.size // 3} normals; the mask beside it has {shape[0] * shape[1]} pixels"
        )
    return values.reshape(*shape, 3)


def _refuse_half_coded(normal: Float32, path: Path) -> None:
    length = np.linalg.norm(normal, axis=2)
    inside = length > 1e-3
    if not inside.any() or normal.min() < 0:
        return
    if abs(float(np.median(length[inside])) - 1) > 0.05:
        raise ImageFileError(
            f"{path}: float normals without one negative number and with lengths around "
            f"{np.median(length[inside]):.2f}: "
            "they look stored as n / 2 + 1/2. Store the vectors themselves, or an integer PNG"
        )
