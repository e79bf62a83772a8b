# SPDX-License-Identifier: Apache-2.0
"""Samples whose truth is known by formula: a textured, bumpy sphere, cast by rays, without Blender."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.conventions import CONVENTIONS
from multishade.geometry.depth import depth_to_points
from multishade.shards.marker import commit_marker
from multishade.shards.material_passes import CONVENTIONS as PASS_CONVENTIONS
from multishade.shards.meta import SCHEMA
from multishade.shards.sample import FieldFormat, Sample, encode_sample
from multishade.shards.tar import ShardDigest, write_tar

Array = NDArray[np.floating]
DISTANCE = 1.65
RADIUS = 0.5
PARALLEL = np.array([0.48, 0.6, 0.64])
POINT = np.array([-0.9, 0.8, 0.1])
SUPERSAMPLING = 3


def ring(count: int = 9, elevation_degrees: float = 45.0) -> Array:
    """(K, 3) unit directions: light[k] = (cos e sin a, cos e cos a, sin e), a = 360 k / K degrees."""
    azimuth, elevation = 2 * np.pi * np.arange(count) / count, np.deg2rad(elevation_degrees)
    cosine = np.full(count, np.cos(elevation))
    return np.stack(
        [cosine * np.sin(azimuth), cosine * np.cos(azimuth), np.full(count, np.sin(elevation))], axis=-1
    )


def camera_matrix(kind: str, size: int) -> Array:
    """K of the paper's camera (35 mm lens, 32 mm sensor), or of an orthographic one that sees 1.08 units."""
    scale = size * 35 / 32 if kind == "perspective" else size / 1.08
    return np.array([[scale, 0, size / 2], [0, scale, size / 2], [0, 0, 1]])


def cast_sphere(kind: str, size: int, matrix: Array) -> tuple[NDArray[np.bool_], Array, Array]:
    """Hit mask, unit normal and depth at pixel centres, of the sphere at (0, 0, -DISTANCE)."""
    v, u = np.mgrid[0:size, 0:size] + 0.5
    x, y = (u - matrix[0, 2]) / matrix[0, 0], (matrix[1, 2] - v) / matrix[1, 1]
    if kind == "perspective":
        # |t (x, y, -1) - (0, 0, -D)|^2 = R^2, t being the depth.
        a, b, c = x * x + y * y + 1, DISTANCE, DISTANCE**2 - RADIUS**2
        inside = b * b - a * c
        depth = (b - np.sqrt(np.maximum(inside, 0))) / a
        points = depth[..., None] * np.stack([x, y, -np.ones_like(x)], axis=-1)
    else:
        inside = RADIUS**2 - x * x - y * y
        depth = DISTANCE - np.sqrt(np.maximum(inside, 0))
        points = np.stack([x, y, -depth], axis=-1)
    mask = inside > 0
    normal = (points - [0, 0, -DISTANCE]) / RADIUS
    return mask, np.where(mask[..., None], normal, 0), np.where(mask, depth, np.inf)


def bumped(normal: Array, amount: float) -> Array:
    """Unit normals with waves of `amount` (tangent of the tilt) added, fixed to the surface."""
    waves = np.stack(
        [np.sin(31 * normal[..., 1] + 5), np.sin(27 * normal[..., 2]), np.sin(29 * normal[..., 0])], -1
    )
    turned = normal + amount * waves * (normal != 0).any(axis=-1, keepdims=True)
    return turned / np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-9)


def make_sample(
    key: str = "s000000-g0000-v0",
    *,
    kind: str = "perspective",
    size: int = 96,
    mode: str = "lambert",
    lights: int = 9,
    bump: float = 0.05,
    tint: tuple[float, float, float] = (0.8, 0.45, 0.25),
    normal_geometry: bool = False,
) -> Sample:
    """One view of the sphere with four images, as a shard would hold it."""
    matrix, directions = camera_matrix(kind, size), ring(lights)
    mask, smooth, depth = cast_sphere(kind, size, matrix)
    normal = bumped(smooth, bump)
    images, alpha = render_images(kind, size, matrix, bump, np.asarray(tint))
    shading = np.maximum(0, np.einsum("hwc,kc->khw", normal, directions))
    if mode == "cast":
        shading[::2, :, : size // 3] = 0  # a wall to the left shadows every second light
    elif mode == "photometric":
        shading = shading[..., None] * np.asarray(tint)
    exposure = {name: 1.0 for name in images} | ({"shading": 1.0} if mode == "photometric" else {})
    to_world = np.eye(4)
    to_world[2, 3] = DISTANCE
    meta: dict[str, Any] = {
        "schema": SCHEMA,
        "key": key,
        "seed": 7,
        "object": {
            "id": "sphere",
            "source": "synthetic",
            "family": "sphere",
            "licence": "CC0-1.0",
            "sha256": None,
        },
        "material": {"id": "clay", "kind": "non-metallic", "licence": "CC0-1.0"},
        "camera": {
            "type": kind,
            "K": matrix.tolist(),
            "camera_to_world": to_world.tolist(),
            "width": size,
            "height": size,
        },
        "lights": {
            "image_parallel": {
                "type": "parallel",
                "direction": PARALLEL.tolist(),
                "strength": 3.0,
                "colour": [1, 1, 1],
            },
            "image_point": {
                "type": "point",
                "position": POINT.tolist(),
                "strength": 3.0,
                "colour": [1, 1, 1],
            },
            "image_env0": {"type": "environment", "environment": "sky", "rotation": 0.0, "strength": 1.0},
            "image_env1": {
                "type": "environment",
                "environment": "sunset",
                "rotation": 120.0,
                "strength": 1.0,
            },
        },
        "shading": {"mode": mode, "directions": directions.tolist()},
        "exposure": exposure,
        "conventions": CONVENTIONS,
        "renderer": {"name": "ray casting", "version": "1", "device": "cpu", "samples": 9, "denoiser": None},
    }
    return Sample(
        key=key,
        images={name: image.astype(np.float32) for name, image in images.items()},
        alpha=alpha.astype(np.float32),
        mask=mask,
        normal=normal.astype(np.float32),
        depth=depth.astype(np.float32),
        shading=shading.astype(np.float32),
        meta=meta,
        normal_geometry=smooth.astype(np.float32) if normal_geometry else None,
    )


def with_passes(sample: Sample) -> Sample:
    """The sample with all material passes: albedo and roughness that vary, half of it metal, two objects."""
    mask = sample.mask
    camera = sample.info.camera
    columns = np.broadcast_to(np.arange(mask.shape[1]) / mask.shape[1], mask.shape)
    passes = {
        "albedo": np.where(mask[..., None], np.stack([columns, 0.5 + 0 * columns, 1 - columns], -1), 0),
        "roughness": np.where(mask, 0.25 + 0.5 * columns, 0),
        "metallic": np.where(mask, columns > 0.5, 0),
        "position": np.where(mask[..., None], depth_to_points(sample.depth, camera.K, camera.type), 0),
        "object_index": np.where(mask, 1 + (columns > 0.5), 0).astype(np.uint16),
    }
    values = {
        name: array if name == "object_index" else array.astype(np.float32) for name, array in passes.items()
    }
    conventions = {**sample.meta["conventions"], **PASS_CONVENTIONS}
    return replace(sample, passes=values, meta={**sample.meta, "conventions": conventions})


def with_basis(sample: Sample) -> Sample:
    """A photometric sample whose sequence is its light basis too."""
    assert sample.shading is not None
    basis = {"directions": sample.meta["shading"]["directions"], "strength": float(np.pi), "angle": 1.0}
    exposure = {**sample.meta["exposure"], "light_basis": 1.0}
    meta = {**sample.meta, "light_basis": basis, "exposure": exposure}
    return replace(sample, meta=meta, light_basis=sample.shading * np.float32(0.7))


def render_images(
    kind: str, size: int, matrix: Array, bump: float, tint: Array
) -> tuple[dict[str, Array], Array]:
    """Four images (H, W, 3), edges weighted by coverage, and that coverage (H, W): averages of finer rays."""
    fine = SUPERSAMPLING
    mask, smooth, depth = cast_sphere(kind, size * fine, matrix * [[fine], [fine], [1]])
    normal = bumped(smooth, bump)
    points = smooth * RADIUS + [0, 0, -DISTANCE]
    checks = (np.sin(14 * smooth[..., 0]) * np.sin(14 * smooth[..., 1]) > 0)[..., None]
    albedo = np.where(checks, tint, 0.6 * tint) * mask[..., None]
    toward = POINT - points
    radius2 = np.sum(toward**2, axis=-1, keepdims=True)
    half = PARALLEL + [0, 0, 1]
    gloss = np.maximum(normal @ (half / np.linalg.norm(half)), 0)[..., None] ** 60 * mask[..., None]
    up, side = normal[..., 1:2], normal[..., 0:1]
    radiance = {
        "image_parallel": albedo * np.maximum(normal @ PARALLEL, 0)[..., None] + 0.5 * gloss,
        "image_point": albedo * np.maximum(np.sum(normal * toward, -1, keepdims=True), 0) / radius2**1.5 * 2,
        "image_env0": albedo * (0.25 + 0.2 * up + [0, 0.02, 0.06]),
        "image_env1": albedo * (0.3 + 0.25 * side + [0.12, 0.02, 0]),
    }
    return {name: _average(image, fine) for name, image in radiance.items()}, _average(
        mask.astype(float), fine
    )


def write_synthetic_shard(
    path: Path, samples: list[Sample], format: FieldFormat | None = None
) -> ShardDigest:
    """A committed shard: the tar and its marker."""
    digest = write_tar(
        path, ((sample.key, encode_sample(sample, format or FieldFormat())) for sample in samples)
    )
    commit_marker(path, digest)
    return digest


def with_meta(sample: Sample, section: str, **changes: Any) -> Sample:
    """A copy whose meta[section] has other entries."""
    return replace(sample, meta={**sample.meta, section: {**sample.meta[section], **changes}})


def _average(image: Array, factor: int) -> Array:
    height, width = image.shape[0] // factor, image.shape[1] // factor
    return image.reshape(height, factor, width, factor, *image.shape[2:]).mean(axis=(1, 3))
