# SPDX-License-Identifier: Apache-2.0
"""A decoded sample -> checks of what its images show: contradicting normals, the colour of a missing image, darkness.

The bounds were measured on some 150 rendered samples: built-in and scanned objects, sound and faulty.
"""

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.depth import depth_to_points
from multishade.imaging.color import luminance
from multishade.inspect.results import CheckResult
from multishade.shards.meta import LightMeta, ParallelMeta, PointMeta
from multishade.shards.sample import Sample

LEAST_SPREAD = 0.2  # standard deviation of max(0, n . l) from which an image can contradict it
LEAST_PIXELS = 200
# Correlation of max(0, n . l) with the luminance, of which highlights are cut off: 58 samples of built-in non-metallic
# materials had 0.17 (patterned ceramic) to 0.96, and half of them less than 0.1 with one axis flipped. A file's own
# material may be a mirror or glass, so only an inverse relation counts.
LEAST_AGREEMENT = {"non-metallic": 0.1, "own": -0.1}
HIGHLIGHT_PERCENTILE = 90
# Cycles shows a missing image as the colour (1, 0, 1). No paint reflects all red and blue and no green.
MAGENTA_LEAST, MAGENTA_GREEN, MAGENTA_UNEQUAL = 0.5, 0.15, 0.2
MAGENTA_SHARE = 0.02
# n . l of a pixel that is hit well, and share of the object from which a light must show it: fewer pixels may all lie
# in the shadow of another part.
LIT, LIT_SHARE = 0.3, 0.6
BLACK_LUMINANCE = 0.02


def check_appearance(sample: Sample) -> CheckResult:
    """Images agree with their normals, show no missing image (magenta), and are not black under a light that hits."""
    messages: list[str] = []
    measures: dict[str, float] = {}
    for name, image in sample.images.items():
        light = sample.info.lights.get(name)
        pixels = image[sample.mask]
        if not isinstance(light, ParallelMeta | PointMeta) or not np.isfinite(pixels).all():
            continue
        cosine = _cosine(sample, light)
        shown = luminance(pixels)
        lit = float(np.mean(cosine > LIT)) if cosine.size else 0.0
        if lit > LIT_SHARE and (high := float(np.percentile(shown, 99))) < BLACK_LUMINANCE:
            messages.append(
                f"{name}: is black (99th percentile {high:.3g}), but its light hits {lit:.0%} of the object"
            )
            continue
        if isinstance(light, ParallelMeta):
            found, measured = _disagreement(sample, name, shown, cosine)
            messages += found
            measures |= measured
            messages += _magenta(sample, name, pixels, cosine, light)
    return CheckResult(messages, measures)


def _cosine(sample: Sample, light: LightMeta) -> NDArray[np.float64]:
    """n . l of each pixel of the object, (N,)."""
    normal = sample.normal[sample.mask].astype(np.float64)
    if isinstance(light, ParallelMeta):
        return normal @ np.asarray(light.direction)
    assert isinstance(light, PointMeta)
    camera = sample.info.camera
    points = depth_to_points(sample.depth, camera.K, camera.type)[sample.mask]
    toward = np.asarray(light.position) - np.nan_to_num(points, posinf=0.0, neginf=0.0)
    return np.einsum("ni,ni->n", normal, toward / np.linalg.norm(toward, axis=1, keepdims=True))


def _disagreement(
    sample: Sample, name: str, shown: NDArray[np.floating], cosine: NDArray[np.float64]
) -> tuple[list[str], dict[str, float]]:
    expected = np.maximum(cosine, 0)
    bound = LEAST_AGREEMENT.get(sample.info.material.kind)
    if bound is None or len(expected) < LEAST_PIXELS or expected.std() < LEAST_SPREAD:
        return [], {}
    dull = np.minimum(shown, np.percentile(shown, HIGHLIGHT_PERCENTILE))
    agreement = float(np.corrcoef(dull, expected)[0, 1]) if np.ptp(dull) > 0 else 0.0
    measures = {f"{name}_agreement": agreement}
    if agreement >= bound:
        return [], measures
    return [
        f"{name}: contradicts the normal: correlation {agreement:.2f} with max(0, n . l) (bound {bound:g} for "
        f"material kind {sample.info.material.kind})"
    ], measures


def _magenta(
    sample: Sample,
    name: str,
    pixels: NDArray[np.floating],
    cosine: NDArray[np.float64],
    light: ParallelMeta,
) -> list[str]:
    facing = cosine > LIT
    if facing.sum() < LEAST_PIXELS:
        return []
    # Reflectance of a matt surface under this light: radiance = reflectance / pi x irradiance x n . l.
    scale = sample.info.exposure.get(name, 1.0) * light.strength * np.asarray(light.colour)
    red, green, blue = (np.pi * pixels[facing] / (scale * cosine[facing, None])).T
    purple = (red + blue) / 2
    is_magenta = (purple > MAGENTA_LEAST) & (green < MAGENTA_GREEN * purple)
    is_magenta &= np.abs(red - blue) < MAGENTA_UNEQUAL * purple
    share = float(is_magenta.mean())
    if share <= MAGENTA_SHARE:
        return []
    return [
        f"{name}: {share:.0%} of the lit object is magenta, the colour of an image that Cycles did not find"
    ]
