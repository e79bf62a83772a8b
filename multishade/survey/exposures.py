# SPDX-License-Identifier: Apache-2.0
"""A survey -> checks of how its images are exposed: band of the median, clipped and black pixels."""

from collections.abc import Iterator

import numpy as np

from multishade.survey.check import Check, percent
from multishade.survey.gather import Survey
from multishade.survey.measure import BLACK, ImageFigures

SECTION = "Exposure"
TOLERANCE = 0.05  # of the band's ends and the highlight's limit: what lossy files and coverage change
ASTRAY = 0.01  # share of images that may lie beyond
MOST_LIMITED = 0.5  # share of images that may be dark because of their highlights
STRONG, MOST_STRONG, MOST_FACTOR = 64.0, 0.01, 1000.0
MOST_BLACK = 0.35  # mean share of the object's pixels that no light reaches


def check_exposure(survey: Survey) -> Iterator[Check]:
    images = images_of(survey)
    if not images:
        return
    settings = survey.config.exposure
    low, high = settings.median
    limited = [image for image in images if image.median < low * (1 - TOLERANCE) and _at_limit(image, survey)]
    astray = [
        image
        for image in images
        if image not in limited and not low * (1 - TOLERANCE) <= image.median <= high * (1 + TOLERANCE)
    ]
    medians = np.array([image.median for image in images])
    yield Check(
        SECTION,
        "exposure, median luminance inside the mask",
        f"{percent(len(astray) / len(images))} of {len(images)} images neither in the band nor held down by their "
        f"highlights; median of all {np.median(medians):.3f}",
        f"at most {ASTRAY:.0%}; band {low:g} to {high:g}",
        len(astray) <= ASTRAY * len(images),
    )
    yield Check(
        SECTION,
        "exposure, images below the band because of highlights",
        percent(len(limited) / len(images)),
        f"at most {MOST_LIMITED:.0%}",
        len(limited) <= MOST_LIMITED * len(images),
    )
    share = 1 - settings.highlight_percentile / 100
    blown = [image for image in images if settings.highlight <= 1 and image.clipped > share + ASTRAY]
    yield Check(
        SECTION,
        "exposure, clipped pixels",
        f"{percent(float(np.mean([image.clipped for image in images])))} of the object on average; "
        f"{percent(len(blown) / len(images))} of the images have more than {percent(share + ASTRAY)}",
        f"at most {ASTRAY:.0%} of the images",
        len(blown) <= ASTRAY * len(images),
    )
    black = float(np.mean([image.black for image in images]))
    yield Check(
        SECTION,
        f"exposure, black pixels (luminance below {BLACK:g})",
        f"{percent(black)} of the object on average",
        f"at most {MOST_BLACK:.0%}",
        black <= MOST_BLACK,
    )
    factors = np.array([factor for sample in survey.samples for factor in sample.exposure.values()])
    strong = float(np.mean(factors > STRONG))
    few = max(MOST_STRONG, 2.5 / len(factors))  # in a small set two say nothing yet
    yield Check(
        SECTION,
        "exposure, applied factors",
        f"{factors.min():.3g} to {factors.max():.3g}, median {np.median(factors):.3g}; "
        f"{percent(strong)} above {STRONG:g}",
        f"above 0, at most {MOST_FACTOR:,.0f} (beyond that an image is amplified noise), {percent(few)} above "
        f"{STRONG:g}",
        bool((factors > 0).all() and factors.max() <= MOST_FACTOR and strong <= few),
    )


def images_of(survey: Survey) -> list[ImageFigures]:
    """Of the samples that were looked at closely."""
    return [image for sample in survey.samples for image in sample.images]


def _at_limit(image: ImageFigures, survey: Survey) -> bool:
    limit = survey.config.exposure.highlight
    return abs(image.bright - limit) <= TOLERANCE * limit
