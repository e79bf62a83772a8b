# SPDX-License-Identifier: Apache-2.0
"""A light that shows too little of the object -> another one, sampled again from the place of the image alone.

Each candidate is judged by a pilot (a quarter of the size, 4 samples), exposed as the image will be.
"""

from collections.abc import Callable
from dataclasses import dataclass

from multishade.protocol.scene import Light, View

ATTEMPTS = 8  # dark metal shows little under any lamp: then the best of these is used
RESAMPLED_KINDS = ("parallel", "point", "mixed")  # an environment surrounds the object


@dataclass(frozen=True)
class Visibility:
    """What a light has to show.

    Attributes:
        least: Share of the object's pixels that have to be visible (`imaging.exposure.visible_share`).
        resample: View, number of its light, attempt from 1 -> another light of the same kind and field.
    """

    least: float
    resample: Callable[[View, int, int], Light]


def choose_light(view: View, number: int, wanted: Visibility, shown: Callable[[Light], float]) -> Light:
    """Choose the first light that shows enough of the object, or the one of all attempts that shows most.

    Args:
        view: The view.
        number: Of its light.
        wanted: What the light has to show.
        shown: Measures the share of the object that a light shows.

    Returns:
        The view's own light or a resampled one.
    """
    light = best = view.lights[number]
    if light.kind not in RESAMPLED_KINDS:
        return light
    most = -1.0
    for attempt in range(ATTEMPTS + 1):
        if attempt:
            light = wanted.resample(view, number, attempt)
        share = shown(light)
        if share >= wanted.least:
            return light
        if share > most:
            best, most = light, share
    return best
