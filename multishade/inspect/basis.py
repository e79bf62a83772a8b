# SPDX-License-Identifier: Apache-2.0
"""A decoded sample -> checks of its light basis: directions, dark images, images under other lights than stated."""

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.color import luminance
from multishade.inspect.results import CheckResult, numbers
from multishade.photometry.shading import lambert
from multishade.shards.sample import Sample

UNIT_TOLERANCE = 1e-4
BLACK = 1e-3  # of the brightest frame's mean
BLACK_SHARE = 0.5  # of the images; a thin plate may face away from some lights
# Images vary with their light as shading does, less so for shiny materials; assuming a mistake must fit better by this.
MISTAKE_MARGIN = 0.1


def check_basis(sample: Sample) -> CheckResult:
    """Each image of a light basis is lit by its own light from the stated direction."""
    images, info = sample.light_basis, sample.info
    if images is None or info.light_basis is None:
        return CheckResult([] if images is None else ["light basis: its lights are missing from meta"], {})
    directions = np.asarray(info.light_basis.directions, np.float64)
    length = np.linalg.norm(directions, axis=1)
    messages = []
    if len(wrong := np.flatnonzero(np.abs(length - 1) > UNIT_TOLERANCE)):
        messages.append(
            f"light basis: light {numbers(wrong)}: direction has length {length[wrong[0]]:.4g}, not 1"
        )
    if len(behind := np.flatnonzero(directions[:, 2] <= 0)):
        messages.append(f"light basis: light {numbers(behind)} shines from behind the object")
    if "light_basis" not in info.exposure:
        messages.append("exposure: light_basis has none")
    light = luminance(images[:, sample.mask])
    means = light.mean(axis=1)
    if len(dark := np.flatnonzero(means <= BLACK * means.max(initial=0))) > BLACK_SHARE * len(means):
        messages.append(f"light basis: image {numbers(dark)} is black")
    fit = _fit(sample, light, directions)
    mistakes = {"x flipped": [-1, 1, 1], "y flipped": [1, -1, 1], "x and y flipped": [-1, -1, 1]}
    better = {name: _fit(sample, light, directions * sign) for name, sign in mistakes.items()}
    worst = max(better, key=lambda name: better[name])
    if better[worst] > fit + MISTAKE_MARGIN:
        messages.append(
            f"light basis: its images fit their lights with {worst} (correlation {better[worst]:.2f}) better than as "
            f"they are ({fit:.2f})"
        )
    high = {
        "light_basis_p99": float(np.percentile(light, 99)),
        "light_basis_median": float(np.median(light)),
    }
    return CheckResult(messages, {"light_basis_fit": fit, **high})


def _fit(sample: Sample, light: NDArray[np.floating], directions: NDArray[np.float64]) -> float:
    """Correlation over the lights, averaged over pixels, between what a pixel shows and max(0, n . l)."""
    expected = lambert(sample.normal, directions)[:, sample.mask]
    shown, cosine = light - light.mean(axis=0), expected - expected.mean(axis=0)
    scale = np.linalg.norm(shown, axis=0) * np.linalg.norm(cosine, axis=0)
    return float(np.mean(np.einsum("kn,kn->n", shown, cosine) / np.maximum(scale, 1e-12)))
