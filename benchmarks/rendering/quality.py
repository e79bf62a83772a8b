# SPDX-License-Identifier: Apache-2.0
"""How images are compared: windows of a reference with 2,048 samples, and PSNR."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.config.models import Exposure
from multishade.geometry.boxes import Box
from multishade.imaging.color import linear_to_srgb, luminance
from multishade.imaging.exposure import exposure_to_median
from multishade.imaging.quality import display_error, error_to_psnr, mean_squared

Image = NDArray[np.float32]

SAMPLES = 2048
TARGET_DB = 38.0
WINDOW, WINDOWS = (
    4,
    100,
)  # a whole image of 2,048 samples takes minutes; these pixels are spread over it
UNKNOWN = 0.2  # of the display's range: a pixel in which the reference's halves differ by more is left out
SETTINGS = (SAMPLES, WINDOW, WINDOWS, UNKNOWN)
MEDIAN = 0.2  # luminance of the middle pixel after exposure: the middle of the recipe's band


@dataclasses.dataclass(frozen=True)
class Reference:
    """One image's windows. boxes: left, top, right, bottom; pixels: (N, 4, 4, 3) linear; inside: (N, 4, 4).

    noise: mean squared error of the reference itself, display-encoded. A highlight of a small light on metal is still
    noisy after 2,048 samples; without taking that out no image could reach 38 dB against it. unknown: how many pixels
    inside the mask were left out because the reference's two halves differ too much there.
    """

    boxes: tuple[Box, ...]
    pixels: Image
    inside: NDArray[np.bool_]
    exposure: float
    noise: float = 0.0
    unknown: int = 0

    def psnr(self, image: Image) -> float:
        """dB of a whole (H, W, 3) linear image against the reference: display-encoded, inside the mask."""
        cut = np.stack([image[box.window] for box in self.boxes])
        return self.psnr_of(cut)

    def psnr_of(self, cut: Image) -> float:
        """As `psnr`, of (N, 4, 4, 3): the windows alone."""
        error = self.error(cut)
        return error_to_psnr(error - self.noise, smallest_error=error / 4)

    def error(self, cut: Image) -> float:
        """Mean squared difference, display-encoded, inside the mask."""
        return display_error(cut[self.inside] * self.exposure, self.pixels[self.inside] * self.exposure)


def reference(
    boxes: tuple[Box, ...], halves: tuple[Image, Image], inside: NDArray[np.bool_], exposure: float
) -> Reference:
    """Average two renders (N, 4, 4, 3), linear, with half of the samples each and independent noise.

    Their difference measures the noise of the mean. A pixel in which only one of them has a firefly is left out.
    """
    one, other = (linear_to_srgb(np.clip(half * exposure, 0, 1)) for half in halves)
    known = inside & (np.abs(one - other).max(axis=-1) < UNKNOWN)
    noise = mean_squared((one - other)[known]) / 4
    mean = (halves[0] + halves[1]) / 2
    return Reference(boxes, mean, known, exposure, noise, int(inside.sum() - known.sum()))


def windows(mask: NDArray[np.bool_], seed: int) -> tuple[Box, ...]:
    """Boxes spread over the object, none overlapping, each at least half inside it. mask: (H, W)."""
    height, width = mask.shape
    tiles = [
        Box(x, y, x + WINDOW, y + WINDOW)
        for y in range(0, height - WINDOW + 1, WINDOW)
        for x in range(0, width - WINDOW + 1, WINDOW)
        if mask[y : y + WINDOW, x : x + WINDOW].mean() >= 0.5
    ]
    if len(tiles) < WINDOWS:
        raise ValueError(
            f"the object covers only {len(tiles)} tiles of {WINDOW} x {WINDOW}; {WINDOWS} are needed"
        )
    # One from each run of tiles in reading order: spread over the object's height.
    rng = np.random.default_rng(seed)
    return tuple(part[rng.integers(len(part))] for part in _split(tiles, WINDOWS))


def _split(tiles: list[Box], count: int) -> list[list[Box]]:
    edges = np.linspace(0, len(tiles), count + 1).astype(int)
    return [tiles[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]


def exposure_of(image: Image, mask: NDArray[np.bool_]) -> float:
    """The exposure at which images are compared, from a quick whole image."""
    return exposure_to_median(luminance(image[mask]), MEDIAN, limit=Exposure().limit)


def save(path: Path, references: dict[str, Reference]) -> None:
    arrays: dict[str, NDArray] = {}
    for name, found in references.items():
        arrays |= {
            f"{name}/boxes": np.array(found.boxes),
            f"{name}/pixels": found.pixels,
            f"{name}/inside": found.inside,
            f"{name}/exposure": np.array(found.exposure),
            f"{name}/noise": np.array(found.noise),
            f"{name}/unknown": np.array(found.unknown),
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> dict[str, Reference]:
    with np.load(path) as arrays:
        names = sorted({name.rsplit("/", 1)[0] for name in arrays.files})
        return {
            name: Reference(
                tuple(Box(*map(int, box)) for box in arrays[f"{name}/boxes"]),
                arrays[f"{name}/pixels"],
                arrays[f"{name}/inside"],
                float(arrays[f"{name}/exposure"]),
                float(arrays[f"{name}/noise"]),
                int(arrays[f"{name}/unknown"]),
            )
            for name in names
        }
