# SPDX-License-Identifier: Apache-2.0
"""An HDR or EXR file in, its facts out if it can light a scene: equirectangular, in colour, not black."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from multishade.errors import AssetError, ImageFileError
from multishade.imaging.repair import MOST_BROKEN, repair_radiance

ENVIRONMENT_SUFFIXES = (".hdr", ".exr")
# Setting negatives to 0 adds their energy to the light: up to a sixth of it, less than a quarter of a stop. Eighteen
# widely used maps that were made smaller with a sharpening filter have up to 0.113.
MOST_NEGATIVE = 0.15


@dataclass(frozen=True)
class EnvironmentFacts:
    """Facts of an environment map.

    Attributes:
        width: Pixels.
        height: Pixels.
        tags: "clipped" if the brightest pixel is white, "negative-radiance" and "broken-pixels" if it is rendered from
            a copy without them.
        negative_share: Energy of the negatives that are set to 0, as a share of that of the positives.
        broken: Pixels that are filled from their neighbours.
    """

    width: int
    height: int
    tags: tuple[str, ...] = ()
    negative_share: float | None = None
    broken: int | None = None


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
    image, repair = repair_radiance(image)
    if repair.broken > MOST_BROKEN * width * height:
        raise AssetError(
            f"has {repair.broken} pixels that are NaN or infinite ({repair.broken / (width * height):.2%}; up to "
            f"{MOST_BROKEN:.1%} are filled from their neighbours)"
        )
    if float(image.max()) <= 0:
        raise AssetError("is black")
    if repair.negative_share > MOST_NEGATIVE:
        raise AssetError(
            f"has negative radiance with {repair.negative_share:.0%} of the energy (up to {MOST_NEGATIVE:.0%} is set "
            "to 0; more would change the light)"
        )
    # Tone-mapped photographs saved as HDR end at white: they can be used, but light a scene without contrast.
    found = {
        "clipped": float(image.max()) <= 1.0,
        "negative-radiance": repair.negative_share > 0,
        "broken-pixels": repair.broken > 0,
    }
    return EnvironmentFacts(
        width,
        height,
        tuple(tag for tag, is_so in found.items() if is_so),
        float(f"{repair.negative_share:.3g}") or None,
        repair.broken or None,
    )


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
