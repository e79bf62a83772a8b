# SPDX-License-Identifier: Apache-2.0
"""What a rendered mesh file shows: a whole ball, a colour, a checkered texture."""

from collections.abc import Callable

import numpy as np

from multishade.geometry.angles import angular_error_degrees
from multishade.protocol.scene import Light
from multishade.render.blender import RenderedView
from tests.render.test_truth import analytic_sphere, rim
from tests.support.scenes import OBLIQUE, camera

SEEN_BY = camera("orthographic", OBLIQUE)
LAMP = (Light("image_parallel", "parallel", direction=(0.0, 0.0, 1.0), strength=3.0),)
Show = Callable[..., RenderedView]


def is_ball(rendered: RenderedView, largest_degrees: float = 30.0) -> None:
    """A whole ball fills the frame's sphere, and every normal is the sphere's."""
    hit, normal, _ = analytic_sphere(SEEN_BY)
    both = hit & rendered.mask
    assert both.sum() > 0.95 * hit.sum() and not (rendered.mask & ~hit & ~rim(hit)).any()
    assert angular_error_degrees(rendered.normal[both], normal[both]).max() < largest_degrees
    assert angular_error_degrees(rendered.normal[both], normal[both]).mean() < 3
    assert (rendered.alpha > 0.5)[both & ~rim(rendered.mask)].all()


def colour(rendered: RenderedView) -> np.ndarray:
    """The mean colour of the middle of the image, brightest channel 1."""
    pixels = rendered.images["image_parallel"][rendered.mask & ~rim(rendered.mask)]
    mean = pixels.mean(axis=0)
    return np.asarray(mean / mean.max())


def is_checkered(rendered: RenderedView) -> None:
    """Red and blue both show."""
    pixels = rendered.images["image_parallel"][rendered.mask & ~rim(rendered.mask)]
    red, blue = pixels[:, 0] > 3 * pixels[:, 2], pixels[:, 2] > 3 * pixels[:, 0]
    assert red.mean() > 0.2 and blue.mean() > 0.2
