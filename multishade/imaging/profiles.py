# SPDX-License-Identifier: Apache-2.0
"""Colour profiles (ICC bytes, chromaticities of EXR) and stored colours -> sRGB codes or linear Rec.709.

Profiles of three primaries and three curves (Display P3, Adobe RGB, ProPhoto, linear ones), and grey ones with a curve,
are converted at any bit depth by their own numbers; Pillow's littleCMS does 8 bits only. Source of the formats:
ICC.1:2022, sections 10.6 (curves) and 10.18 (parametric curves), F.3 (matrix and curves).
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.color import linear_to_srgb

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Curve = Callable[[Float64], Float64]

# Linear Rec.709 / sRGB -> CIE XYZ relative to D50, the connection space (sRGB's own profile).
_SRGB_TO_D50 = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
REC709_CHROMATICITIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
# Codes that differ by less than this from sRGB's are sRGB's: versions of its profile differ in the fourth digit.
SAME_CODE = 0.004


@dataclass(frozen=True)
class Profile:
    """What the colours of a file mean.

    Attributes:
        name: Of the profile, for messages.
        curves: One (grey) or three, from a stored value in [0, 1] to linear light.
        matrix: (3, 3) linear colour of the file -> linear Rec.709; identity for grey.
    """

    name: str
    curves: tuple[Curve, ...]
    matrix: Float64

    def to_linear(self, stored: NDArray[np.floating]) -> Float32:
        """Convert (..., 1) or (..., 3) stored values in [0, 1] to linear Rec.709 of the same shape."""
        channels = [
            curve(stored[..., k].astype(np.float64))
            for k, curve in enumerate(self._cycled()[: stored.shape[-1]])
        ]
        linear = np.stack(channels, axis=-1)
        return (linear @ self.matrix.T if linear.shape[-1] == 3 else linear).astype(np.float32)

    def to_srgb(self, stored: NDArray[np.floating]) -> Float32:
        """Convert stored values to sRGB codes in [0, 1]; colours outside of sRGB are cut to its edge."""
        return linear_to_srgb(self.to_linear(stored))

    @property
    def is_srgb(self) -> bool:
        """Whether its codes are those of sRGB, to a code of 8 bits."""
        steps = np.linspace(0, 1, 17)
        sample = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
        if len(self.curves) == 1:
            sample = steps[:, None]
        return bool(np.abs(self.to_srgb(sample) - sample).max() < SAME_CODE)

    def _cycled(self) -> Sequence[Curve]:
        return self.curves * 3 if len(self.curves) == 1 else self.curves


def parse_icc(data: bytes) -> Profile | None:
    """Read an ICC profile of primaries and curves, or of one grey curve; None for one of tables (CMYK, scanners)."""
    try:
        tags = {
            name: data[offset : offset + size]
            for name, offset, size in struct.iter_unpack(
                ">4sII", data[132 : 132 + 12 * struct.unpack_from(">I", data, 128)[0]]
            )
        }
        name = _description(tags.get(b"desc", b""))
        if data[16:20] == b"GRAY" and b"kTRC" in tags:
            return Profile(name, (_curve(tags[b"kTRC"]),), np.eye(3))
        if (
            data[16:20] != b"RGB "
            or not {b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"} <= tags.keys()
        ):
            return None
        primaries = np.array([_xyz(tags[key]) for key in (b"rXYZ", b"gXYZ", b"bXYZ")]).T
        curves = tuple(_curve(tags[key]) for key in (b"rTRC", b"gTRC", b"bTRC"))
        return Profile(name, curves, np.linalg.inv(_SRGB_TO_D50) @ primaries)
    except (struct.error, ValueError, IndexError, np.linalg.LinAlgError):
        return None


def from_chromaticities(numbers: Sequence[float]) -> Float64 | None:
    """Chromaticities of an EXR (x, y of red, green, blue and white) -> (3, 3) to linear Rec.709; None if it is that."""
    if len(numbers) != 8 or np.allclose(numbers, REC709_CHROMATICITIES, atol=2e-3):
        return None
    to_xyz, white = _rgb_to_xyz(numbers)
    own, own_white = _rgb_to_xyz(REC709_CHROMATICITIES)
    adapt = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ own_white) / (_BRADFORD @ white)) @ _BRADFORD
    return np.linalg.inv(own) @ adapt @ to_xyz


def _rgb_to_xyz(numbers: Sequence[float]) -> tuple[Float64, Float64]:
    xy = np.asarray(numbers, dtype=np.float64).reshape(4, 2)
    columns = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(axis=1)) / xy[:, 1]])
    scale = np.linalg.solve(columns[:, :3], columns[:, 3])
    return columns[:, :3] * scale, columns[:, 3]


def _xyz(tag: bytes) -> Float64:
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _description(tag: bytes) -> str:
    if tag[:4] == b"mluc":
        length, offset = struct.unpack_from(">II", tag, 20)
        return tag[offset : offset + length].decode("utf-16-be", "replace").strip("\0 ")
    if tag[:4] == b"desc":
        (length,) = struct.unpack_from(">I", tag, 8)
        return tag[12 : 12 + length].decode("latin-1").strip("\0 ")
    return "without a name"


def _curve(tag: bytes) -> Curve:
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        values = np.array(struct.unpack_from(f">{count}H", tag, 12), dtype=np.float64)
        if count == 0:
            return lambda value: value
        if count == 1:
            return lambda value: np.clip(value, 0, 1) ** (values[0] / 256)
        return lambda value: np.interp(value, np.linspace(0, 1, count), values / 65535)
    if tag[:4] != b"para":
        raise ValueError("a curve of unknown form")
    (kind,) = struct.unpack_from(">H", tag, 8)
    count = (1, 3, 4, 5, 7)[kind]
    given = [number / 65536 for number in struct.unpack_from(f">{count}i", tag, 12)]
    # Y = (a X + b)^g + e for X >= d, else c X + f.
    g, a, b, c, d, e, f = given[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if kind == 1:
        a, b = given[1:3]
        d = -b / a
    elif kind == 2:
        a, b, e = given[1:4]
        d, f = -b / a, e
    elif kind == 3:
        a, b, c, d = given[1:5]
    elif kind == 4:
        a, b, c, d, e, f = given[1:7]
    return lambda value: np.where(value >= d, np.maximum(a * value + b, 0) ** g + e, c * value + f)
