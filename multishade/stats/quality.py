# SPDX-License-Identifier: Apache-2.0
"""PSNR of images, estimated while rendering or measured by rendering them again -> checks; a choice of images."""

from collections.abc import Iterator, Sequence

import numpy as np

from multishade.errors import ShardError
from multishade.imaging.quality import ImageQuality
from multishade.stats.check import Check, percent
from multishade.stats.gather import Statistics

SECTION = "Image quality"
LEAST_PSNR = 30.0  # dB, of the median of each kind; below, noise or lost texture is visible at once
MOST_SHORT = 0.05  # share of images that may stay below the quality that the recipe requests


def choose_images(statistics: Statistics, count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Choose images to render again, each of another sample, and of all lights in turn.

    Args:
        statistics: The data set.
        count: The largest number of images.
        seed: Of the choice.

    Returns:
        Key and field of each image.

    Raises:
        ShardError: If the samples have no input images.
    """
    samples = statistics.samples
    order = np.random.default_rng(seed).permutation(len(samples))[:count]
    fields = list(samples[0].lights)
    if not fields:
        raise ShardError(
            f"{statistics.folder}: its samples have no input images, which --psnr renders again; leave it out"
        )
    return [(samples[place].key, fields[number % len(fields)]) for number, place in enumerate(order)]


def check_quality(measured: Sequence[ImageQuality], paths: int) -> Iterator[Check]:
    """Check the measured PSNR of each kind of light against references of `paths` samples a pixel."""
    for kind in dict.fromkeys(item.kind for item in measured):
        values = [item.psnr for item in measured if item.kind == kind]
        median = float(np.median(values))
        yield Check(
            SECTION,
            f"PSNR of {kind} images against {paths:,} paths",
            f"median {median:.1f} dB, {min(values):.1f} to {max(values):.1f} ({len(values)} images)",
            f"median at least {LEAST_PSNR:g} dB",
            median >= LEAST_PSNR,
        )


def check_converged(statistics: Statistics) -> Iterator[Check]:
    """Check that images reach the quality that the recipe requests, as estimated while rendering."""
    wanted = statistics.config.render.quality.psnr
    reached = [value for sample in statistics.samples for value in sample.quality.values()]
    if wanted is None or not reached:
        return
    short = sum(value < wanted for value in reached) / len(reached)
    yield Check(
        SECTION,
        f"quality, images below {wanted:g} dB for want of samples (as estimated while rendering)",
        f"{percent(short)} of {len(reached):,}; the least {min(reached):.1f} dB",
        f"at most {MOST_SHORT:.0%} (render.samples is the most that an image gets)",
        short <= MOST_SHORT,
    )
