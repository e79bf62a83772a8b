# SPDX-License-Identifier: Apache-2.0
"""A light that shows too little of its object -> the next one for the same image (`exposure.min_visible`)."""

import numpy as np

from multishade.config import Config
from multishade.protocol.scene import Light, View
from multishade.render import sampling
from multishade.render.assemble import light_meta
from multishade.render.blender.visibility import ATTEMPTS, RESAMPLED_KINDS, Visibility
from multishade.render.plan import PlannedGroup
from multishade.shards.meta import SampleMeta

RESAMPLED = 1000  # spawn key, apart from those of exposures and noise


def visibility(config: Config) -> Visibility | None:
    """Return what the lights of a recipe have to show; None if it does not ask."""
    least = config.exposure.min_visible
    if not least:
        return None
    return Visibility(least, lambda view, number, attempt: resampled_light(config, view, number, attempt))


def resampled_light(config: Config, view: View, number: int, attempt: int) -> Light:
    """Sample another light for an image, from the seed of its view, its number and the attempt alone.

    Args:
        config: The recipe.
        view: The view.
        number: Of the light that is replaced; its kind, field and environment stay.
        attempt: 1 for the first replacement.
    """
    key = (RESAMPLED, number, attempt)
    rng = np.random.default_rng(np.random.SeedSequence(view.seed, spawn_key=key))
    distance = float(np.linalg.norm(np.array(view.camera.camera_to_world)[:3, 3]))
    return sampling.resample_light(view.lights[number], config.lights, rng, distance)


def rendered_light(
    config: Config, group: PlannedGroup, view: View, number: int, info: SampleMeta
) -> Light | None:
    """Find the light under which a stored image was rendered.

    Args:
        config: The recipe.
        group: The group as planned.
        view: One of its views.
        number: Of the light in the view.
        info: The sample's meta.

    Returns:
        The planned light or the resampled one that the meta describes; None if neither does.
    """
    light = view.lights[number]
    candidates = [light]
    if config.exposure.min_visible and light.kind in RESAMPLED_KINDS:
        candidates += [resampled_light(config, view, number, attempt) for attempt in range(1, ATTEMPTS + 1)]
    stored = info.lights.get(light.field)
    return next((each for each in candidates if light_meta(each, group) == stored), None)
