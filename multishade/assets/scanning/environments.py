# SPDX-License-Identifier: Apache-2.0
"""An HDR or EXR file in, its size out if it can light a scene: equirectangular, finite, in colour, not black."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import AssetError, ImageFileError

ENVIRONMENT_SUFFIXES = (".hdr", ".exr")
NEGATIVE = 0.01  # of the brightest pixel: lossy EXR compression leaves negative values smaller than this


@dataclass(frozen=True)
class EnvironmentFacts:
    """Size in pixels, and "clipped" among the tags if the brightest pixel is white."""

    width: int
    height: int
    tags: tuple[str, ...] = ()


def check_environment(path: str) -> EnvironmentFacts:
    """Read and check one environment map.

    A malformed EXR can make decoders crash or take any amount of memory: call this through `sandbox.run_sandboxed`.

    Args:
        path: A .hdr or .exr file.

    Returns:
        Its size and tags.

    Raises:
        AssetError: If the map cannot be used, with the reason.
    """
    file = Path(path)
    image = _read_radiance(file)
    height, width = image.shape[:2]
    if abs(width - 2 * height) > 0.01 * width:
        raise AssetError(f"is {width} x {height}; an equirectangular map is twice as wide as high")
    if not np.isfinite(image).all():
        raise AssetError("has infinite or NaN pixels, which would spread over the whole render")
    darkest, brightest = float(image.min()), float(image.max())
    if darkest < -NEGATIVE * brightest:
        raise AssetError(f"has negative radiance (down to {darkest:.3g}, the brightest is {brightest:.3g})")
    if brightest == 0:
        raise AssetError("is black")
    # Tone-mapped photographs saved as HDR end at white: they can be used, but light a scene without contrast.
    return EnvironmentFacts(width, height, ("clipped",) if brightest <= 1.0 else ())


def _read_radiance(file: Path) -> NDArray[Any]:
    """The colour channels as stored, (H, W, 3)."""
    from multishade.imaging.read import read_image

    try:
        image = read_image(file, name=file.name)
    except ImageFileError as error:
        raise AssetError(str(error).removeprefix(f"{file.name}: ")) from error
    missing = [name for name in ("R", "G", "B") if name not in image.channels]
    if missing:
        raise AssetError(f"has no channel {missing[0]} (it has {', '.join(sorted(image.channels)[:8])})")
    return image.pixels
