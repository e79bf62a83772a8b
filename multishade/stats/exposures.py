# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set -> checks of its exposures: band of the median, clipped and black pixels, factors."""

from collections.abc import Iterator, Sequence

import numpy as np

from multishade.imaging.exposure import VISIBLE_LUMINANCE, is_nearly_black
from multishade.stats.check import Check, percent, share_interval
from multishade.stats.gather import Statistics
from multishade.stats.measure import BLACK, ImageFigures

SECTION = "Exposure"
TOLERANCE = 0.05  # of the band's ends and the limit of highlights: the effect of lossy files and coverage
ASTRAY = 0.01  # share of images that may lie beyond
MOST_LIMITED = 0.5  # share of images that may be dark because of their highlights
MOST_UNLIT = 0.05  # share of images that need more than the factor's limit, as polished metal may
MOST_NEARLY_BLACK = (
    0.25  # share of images in which less than half of the object can be seen: dark metal under a lamp
)
SHOWN_IMAGES = 3
MOST_BLACK = 0.35  # mean share of the object's pixels that no light reaches


def _at_most(count: int, images: Sequence[ImageFigures], groups: int, bound: float) -> bool:
    """Whether the share of images may be `bound` or less."""
    return share_interval(count / len(images), groups)[0] <= bound


def check_exposure(statistics: Statistics) -> Iterator[Check]:
    """Check medians, clipped and black pixels, and applied factors."""
    images = images_of(statistics)
    if not images:
        return
    settings = statistics.config.exposure
    groups = len({sample.group for sample in statistics.samples if sample.images})
    low, high = settings.median
    unlit = [image for image in images if image.factor >= settings.limit * (1 - TOLERANCE)]
    limited = [
        image
        for image in images
        if image.median < low * (1 - TOLERANCE) and (_at_limit(image, statistics) or image in unlit)
    ]
    astray = [
        image
        for image in images
        if image not in limited and not low * (1 - TOLERANCE) <= image.median <= high * (1 + TOLERANCE)
    ]
    medians = np.array([image.median for image in images])
    yield Check(
        SECTION,
        "exposure, median luminance inside the mask",
        f"{percent(len(astray) / len(images))} of {len(images)} images neither in the band nor limited by their "
        f"highlights; median of all {np.median(medians):.3f}",
        f"at most {ASTRAY:.0%}; band {low:g} to {high:g}",
        _at_most(len(astray), images, groups, ASTRAY),
    )
    yield Check(
        SECTION,
        "exposure, images below the band because of highlights or for lack of light",
        percent(len(limited) / len(images)),
        f"at most {MOST_LIMITED:.0%}",
        _at_most(len(limited), images, groups, MOST_LIMITED),
    )
    share = 1 - settings.highlight_percentile / 100
    blown = [image for image in images if settings.highlight <= 1 and image.clipped > share + ASTRAY]
    yield Check(
        SECTION,
        "exposure, clipped pixels",
        f"{percent(float(np.mean([image.clipped for image in images])))} of the object on average; "
        f"{percent(len(blown) / len(images))} of the images have more than {percent(share + ASTRAY)}",
        f"at most {ASTRAY:.0%} of the images",
        _at_most(len(blown), images, groups, ASTRAY),
    )
    black = float(np.mean([image.black for image in images]))
    yield Check(
        SECTION,
        f"exposure, black pixels (luminance below {BLACK:g})",
        f"{percent(black)} of the object on average",
        f"at most {MOST_BLACK:.0%}",
        black <= MOST_BLACK,
    )
    dark = sorted(
        (image.median, f"{sample.key} {image.field} ({image.median:.1g})")
        for sample in statistics.samples
        for image in sample.images
        if is_nearly_black(image.median)
    )
    names = ", ".join(name for _, name in dark[:SHOWN_IMAGES])
    more = f" and {len(dark) - SHOWN_IMAGES} more" if len(dark) > SHOWN_IMAGES else ""
    few = max(MOST_NEARLY_BLACK * len(images), 2.5)  # two in a small set mean nothing
    yield Check(
        SECTION,
        f"exposure, nearly black images (median luminance below {VISIBLE_LUMINANCE:g})",
        f"{len(dark)} of {len(images)}{f': {names}{more}' if dark else ''}",
        f"at most {percent(few / len(images))} of the images",
        len(dark) <= few,
    )
    factors = np.array([factor for sample in statistics.samples for factor in sample.exposure.values()])
    few = max(MOST_UNLIT * len(images), 2.5)  # two in a small set mean nothing
    yield Check(
        SECTION,
        "exposure, applied factors",
        f"{factors.min():.3g} to {factors.max():.3g}, median {np.median(factors):.3g}; "
        f"{percent(len(unlit) / len(images))} of the images at the limit",
        f"above 0, at most {settings.limit:g}, {percent(few / len(images))} at the limit (hardly lit)",
        bool((factors > 0).all() and factors.max() <= settings.limit * (1 + TOLERANCE) and len(unlit) <= few),
    )


def images_of(statistics: Statistics) -> list[ImageFigures]:
    """Return the images of the samples whose images were decoded."""
    return [image for sample in statistics.samples for image in sample.images]


def _at_limit(image: ImageFigures, statistics: Statistics) -> bool:
    limit = statistics.config.exposure.highlight
    return abs(image.bright - limit) <= TOLERANCE * limit
