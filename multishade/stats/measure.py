# SPDX-License-Identifier: Apache-2.0
"""The files of one sample -> its figures: meta, normals, and optionally images, depth and stored sequence."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ShardError
from multishade.geometry.camera import Projection, view_directions
from multishade.imaging.color import luminance
from multishade.shards.fields import decode_depth, decode_grey, decode_image, decode_rgb, decode_shading
from multishade.shards.keys import SampleKey, group_key_of
from multishade.shards.meta import LightMeta, MaterialMeta, ObjectMeta, SampleMeta, Vector

Float64 = NDArray[np.float64]
MOST_PIXELS = 4096  # of a sample's normals; more add no information
DISC_CELLS, ANGLE_CELLS = 48, 36
BLACK = 0.001  # linear luminance; 3 of 255 in sRGB
LIT = 1e-3  # cosine above which a pixel counts as lit


@dataclass(frozen=True)
class ImageFigures:
    """Luminance of one exposed image inside the mask. bright: at the recipe's highlight percentile."""

    field: str
    kind: str
    median: float
    bright: float
    clipped: float  # share at display white or above
    black: float
    factor: float  # the exposure that was applied


@dataclass(frozen=True, eq=False)
class SampleFigures:
    """Figures of one sample. Vectors are in the camera frame, except `camera_to_world`."""

    key: str
    object: ObjectMeta
    material: MaterialMeta
    lights: dict[str, LightMeta]
    exposure: dict[str, float]
    camera_to_world: Float64  # (4, 4)
    directions: Float64  # (K, 3) of the shading sequence
    pixels: int
    area: float  # share of the frame
    at_border: bool
    normal: Float64  # (3,) mean
    second: Float64  # (2,) means of nx^2 - ny^2 and 2 nx ny
    left: float  # share of pixels with nx < 0
    down: float  # share of pixels with ny < 0
    facing: float  # mean cosine between normal and the pixel's ray to the camera
    turned_away: float  # share of pixels where that is negative
    lit: Float64  # (K,) share of pixels whose normal faces each light
    solvable: float  # share of pixels that three lights or more reach
    disc: NDArray[np.int64]  # (DISC_CELLS, DISC_CELLS) pixels by (ny, nx)
    angles: NDArray[np.int64]  # (ANGLE_CELLS,) pixels by squared cosine to the camera's ray
    quality: dict[str, float] = field(default_factory=dict)  # dB as estimated while rendering
    images: tuple[ImageFigures, ...] = ()
    depth: tuple[float, float] | None = None  # nearest, farthest
    stored_lit: Float64 | None = field(
        default=None, repr=False
    )  # (K,) as `lit`, of a stored sequence with shadows

    @property
    def group(self) -> str:
        """Key of the group, which all views of an object in a material share."""
        return group_key_of(self.key)

    @property
    def view(self) -> int:
        """Number of the view in its group."""
        return SampleKey.parse(self.key).view

    @property
    def distance(self) -> float:
        """From the camera to the object's centre, scene units."""
        return float(np.linalg.norm(self.camera_to_world[:3, 3]))


def measure(key: str, files: Mapping[str, bytes], closely: bool, percentile: float) -> SampleFigures:
    """Measure one sample.

    Args:
        key: The sample's key.
        files: Bytes by file name.
        closely: Whether to decode images, depth and a stored sequence, too.
        percentile: Of `ImageFigures.bright`.

    Returns:
        The figures.

    Raises:
        ShardError: If a file is missing or damaged, or the mask is empty.
    """
    try:
        info = SampleMeta.decode(key, files["meta.json"])
        mask = decode_grey(key, "mask.png", files["mask.png"]) > 127
        normal = decode_rgb(key, "normal.exr", files["normal.exr"])
    except KeyError as error:
        raise ShardError(f"{key}: lacks {error.args[0]}; it has {', '.join(files)}") from error
    if not mask.any():
        raise ShardError(f"{key}: its mask is empty")
    camera, directions = info.camera, np.asarray(info.shading.directions, np.float64)
    chosen = np.flatnonzero(mask)
    chosen = chosen[:: -(-len(chosen) // MOST_PIXELS)]
    n = normal.reshape(-1, 3)[chosen].astype(np.float64)
    n /= np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)
    toward = _rays(mask.shape, camera.K, camera.type)[chosen]
    facing = np.einsum("ij,ij->i", n, toward)
    lit = n @ directions.T > LIT
    cells = np.clip(((n[:, :2] + 1) / 2 * DISC_CELLS).astype(int), 0, DISC_CELLS - 1)
    disc = np.bincount(cells[:, 1] * DISC_CELLS + cells[:, 0], minlength=DISC_CELLS**2)
    squared = np.minimum((facing[facing > 0] ** 2 * ANGLE_CELLS).astype(int), ANGLE_CELLS - 1)
    close = _look_closely(key, files, info, mask, percentile) if closely else {}
    return SampleFigures(
        key=key,
        object=info.object,
        material=info.material,
        lights=info.lights,
        exposure=info.exposure,
        quality={name: reached.psnr for name, reached in info.quality.items()},
        camera_to_world=np.asarray(camera.camera_to_world, np.float64),
        directions=directions,
        pixels=int(mask.sum()),
        area=float(mask.mean()),
        at_border=bool(mask[[0, -1]].any() or mask[:, [0, -1]].any()),
        normal=n.mean(axis=0),
        second=np.array([np.mean(n[:, 0] ** 2 - n[:, 1] ** 2), np.mean(2 * n[:, 0] * n[:, 1])]),
        left=float(np.mean(n[:, 0] < 0)),
        down=float(np.mean(n[:, 1] < 0)),
        facing=float(facing.mean()),
        turned_away=float(np.mean(facing < 0)),
        lit=lit.mean(axis=0),
        solvable=float(np.mean(lit.sum(axis=1) >= 3)),
        disc=disc.reshape(DISC_CELLS, DISC_CELLS),
        angles=np.bincount(squared, minlength=ANGLE_CELLS),
        **close,
    )


def _look_closely(
    key: str, files: Mapping[str, bytes], info: SampleMeta, mask: NDArray[np.bool_], percentile: float
) -> dict[str, Any]:
    images = []
    for name, data in files.items():
        if name.startswith("image_"):
            which = name.rsplit(".", 1)[0]
            kind = info.lights[which].type if which in info.lights else which
            pixels = decode_image(key, name, data)[mask]
            images.append(_image_figures(which, kind, pixels, percentile, info.exposure[which]))
    found: dict[str, Any] = {"images": tuple(images)}
    if "depth.exr" in files:
        depth = decode_depth(key, files["depth.exr"])[mask]
        found["depth"] = (float(depth.min()), float(depth.max()))
    sequence = decode_shading(key, files) if info.shading.mode != "lambert" else None
    if sequence is not None:
        inside = sequence[:, mask]
        if inside.ndim == 3:
            pixels = inside.reshape(-1, 3)
            factor = info.exposure.get("shading", 1.0)
            found["images"] += (_image_figures("shading", "sequence", pixels, percentile, factor),)
            inside = luminance(inside)
        found["stored_lit"] = np.mean(inside > LIT, axis=1)
    return found


def _image_figures(
    field: str, kind: str, pixels: NDArray[np.float32], percentile: float, factor: float
) -> ImageFigures:
    """pixels: (N, 3) linear, exposed by `factor`."""
    light = luminance(pixels)
    median, bright = np.percentile(light, [50, percentile])
    return ImageFigures(
        field,
        kind,
        float(median),
        float(bright),
        clipped=float(np.mean(light >= 1)),
        black=float(np.mean(light < BLACK)),
        factor=factor,
    )


@functools.lru_cache(maxsize=4)
def _rays(shape: tuple[int, int], matrix: tuple[Vector, Vector, Vector], kind: Projection) -> Float64:
    """(H * W, 3) `view_directions`, of one camera at a time."""
    return view_directions(shape, matrix, kind).reshape(-1, 3)
