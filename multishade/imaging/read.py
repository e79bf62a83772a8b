# SPDX-License-Identifier: Apache-2.0
"""Benchmark files (images, masks, normal maps in their many formats) -> arrays; and normal maps -> files.

The bit depth is the file's own: 16-bit colour is read as 16 bit (`multishade.imaging.codecs`; Pillow would make
it 8 without a word). Channels are red, green, blue everywhere in here.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.imaging import codecs

Float32 = NDArray[np.float32]
IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".exr")
ARRAY_SUFFIXES = (".npy", ".npz")

# How far a stored normal may be from unit length and still count: 8-bit codes are within 1 %, half floats and
# resampled maps within far less than this; the markers for "no normal here" ((0,0,0), (-1,-1,-1), a grey of
# 127) are all outside.
SHORTEST_NORMAL, LONGEST_NORMAL = 0.5, 1.5


def read_image(path: Path) -> Float32:
    """One image file as (H, W, 3) float32: integers divided by their type's maximum, floats as stored.

    Nothing is linearised, an alpha channel is dropped, one channel is repeated to three. Raises
    EvaluationError when the file is missing or cannot be decoded.
    """
    stored = read_stored(path)
    if stored.ndim == 2:
        stored = stored[..., None]
    if stored.shape[2] in (2, 4):
        stored = stored[..., :-1]
    if stored.shape[2] not in (1, 3):
        raise EvaluationError(
            f"{path}: {stored.shape[2]} channels; expected grey or RGB, with or without alpha"
        )
    scaled = _unit_range(stored)
    return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else np.ascontiguousarray(scaled)


def read_stored(path: Path) -> NDArray[Any]:
    """The samples as the file has them: (H, W) or (H, W, C) in RGB order, uint8, uint16 or float."""
    if not path.is_file():
        raise EvaluationError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        return read_array(path)
    if suffix == ".exr":
        return _read_exr(path)
    if suffix == ".png":
        return codecs.read_png(path)
    import cv2

    decoded = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise EvaluationError(f"{path}: cannot be decoded as an image; is the file whole?")
    if decoded.ndim == 3 and decoded.shape[2] == 3:
        decoded = decoded[..., ::-1]
    elif decoded.ndim == 3 and decoded.shape[2] == 4:
        decoded = decoded[..., [2, 1, 0, 3]]
    return decoded


def read_array(path: Path) -> NDArray[Any]:
    """A .npy file, or the only array of a .npz file (or its first one named like the file)."""
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise EvaluationError(f"{path}: not a NumPy array file ({error})") from error
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if path.stem in loaded.files:
            return loaded[path.stem]
        if len(loaded.files) != 1:
            raise EvaluationError(
                f"{path}: holds {', '.join(loaded.files)}; expected one array, or one named {path.stem}"
            )
        return loaded[loaded.files[0]]


def read_mask(path: Path) -> NDArray[np.bool_]:
    """(H, W) bool: where the brightest channel is above half of the file's maximum, be it 1 or 255."""
    stored = read_stored(path)
    if stored.ndim == 3:
        # A fourth channel is alpha: full everywhere in most masks, so it says nothing.
        stored = stored[..., :3].max(axis=2)
    return stored > stored.max() / 2 if stored.max() > 0 else np.zeros(stored.shape, dtype=bool)


def read_normal_map(path: Path, shape: tuple[int, int] | None = None) -> Float32:
    """A normal map as (H, W, 3) float32 unit vectors in the file's own axes; zero where it has no normal.

    Read: PNG and TIFF with n = 2 v / maximum - 1 (8 or 16 bit); EXR, .npy, .npz and float TIFF as they are;
    MATLAB's `Normal_gt`; text with three numbers a line, row by row (needs `shape`, (H, W)). Raises
    EvaluationError on anything else, and on a float file that was stored as n / 2 + 1/2.
    """
    suffix = path.suffix.lower()
    if suffix == ".mat":
        stored: NDArray[Any] = _read_mat_normal(path)
    elif suffix == ".txt":
        stored = _read_text_normal(path, shape)
    else:
        stored = read_stored(path)
        if suffix in ARRAY_SUFFIXES and stored.ndim == 3 and stored.shape[0] == 3 and stored.shape[2] != 3:
            stored = np.moveaxis(stored, 0, 2)
    if stored.ndim != 3 or stored.shape[2] < 3:
        raise EvaluationError(f"{path}: shape {stored.shape}; a normal map is (H, W, 3)")
    stored = stored[..., :3]
    if np.issubdtype(stored.dtype, np.integer):
        normal = _unit_range(stored) * np.float32(2) - np.float32(1)
        # A black pixel is no direction: it is how every one of these formats marks "nothing here".
        normal[(stored == 0).all(axis=2)] = 0
    else:
        normal = np.nan_to_num(stored.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        _refuse_half_coded(normal, path)
    if shape is not None and normal.shape[:2] != shape:
        raise EvaluationError(
            f"{path}: {normal.shape[1]} x {normal.shape[0]} pixels, expected {shape[1]} x {shape[0]}"
        )
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    usable = (length > SHORTEST_NORMAL) & (length < LONGEST_NORMAL)
    return np.where(usable, normal / np.where(usable, length, 1), 0).astype(np.float32)


def write_normal_png(path: Path, normal: NDArray[np.floating], mask: NDArray[np.bool_]) -> None:
    """A 16-bit RGB PNG with v = 65535 (n + 1) / 2, black outside `mask`. normal: (H, W, 3) unit vectors."""
    code = np.rint((np.clip(normal, -1, 1) * 0.5 + 0.5) * 65535).astype(np.uint16)
    codecs.write_png(path, np.where(mask[..., None], code, np.uint16(0)))


def write_exr(path: Path, image: NDArray[np.floating]) -> None:
    """(H, W) as channel Y or (H, W, 3) as R, G, B, 32-bit float."""
    pixels = image.astype(np.float32)
    planes = {"Y": pixels} if pixels.ndim == 2 else codecs.split_channels(pixels, "RGB")
    codecs.write_exr(path, planes)


def _unit_range(stored: NDArray[Any]) -> Float32:
    if np.issubdtype(stored.dtype, np.integer):
        return stored.astype(np.float32) / np.float32(np.iinfo(stored.dtype).max)
    return stored.astype(np.float32)


def _read_exr(path: Path) -> NDArray[Any]:
    channels = codecs.read_exr(path)
    for names in ("RGB", "XYZ"):
        if all(name in channels for name in names):
            return codecs.stack_channels(channels, names, str(path))
    if len(channels) == 1:
        return next(iter(channels.values()))
    raise EvaluationError(
        f"{path}: channels {', '.join(sorted(channels))}; expected R, G, B or X, Y, Z or one channel"
    )


def _read_mat_normal(path: Path) -> NDArray[Any]:
    import zlib

    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        contents = loadmat(path)
    except (MatReadError, zlib.error, ValueError, NotImplementedError, OSError, TypeError) as error:
        raise EvaluationError(
            f"{path}: not a MATLAB file that scipy reads, version 7.2 or older ({error})"
        ) from error
    for name in ("Normal_gt", "normal_gt", "normals", "normal"):
        if name in contents:
            return np.asarray(contents[name])
    names = ", ".join(sorted(name for name in contents if not name.startswith("__")))
    raise EvaluationError(f"{path}: no variable Normal_gt (it holds {names})")


def _read_text_normal(path: Path, shape: tuple[int, int] | None) -> Float32:
    if shape is None:
        raise EvaluationError(f"{path}: a text normal map has no size of its own; a mask beside it is needed")
    try:
        values = np.loadtxt(path, dtype=np.float32).ravel()
    except ValueError as error:
        raise EvaluationError(f"{path}: not a table of numbers ({error})") from error
    if values.size != 3 * shape[0] * shape[1]:
        raise EvaluationError(
            f"{path}: {values.size // 3} normals; the mask beside it has {shape[0] * shape[1]} pixels"
        )
    return values.reshape(*shape, 3)


def _refuse_half_coded(normal: Float32, path: Path) -> None:
    length = np.linalg.norm(normal, axis=2)
    inside = length > 1e-3
    if not inside.any() or normal.min() < 0:
        return
    if abs(float(np.median(length[inside])) - 1) > 0.05:
        raise EvaluationError(
            f"{path}: float normals without one negative number and with lengths around "
            f"{np.median(length[inside]):.2f}: "
            "they look stored as n / 2 + 1/2. Store the vectors themselves, or an integer PNG"
        )
