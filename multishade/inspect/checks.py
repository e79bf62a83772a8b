# SPDX-License-Identifier: Apache-2.0
"""A sample -> the results of all checks, by name, in order."""

from collections.abc import Callable

from multishade.inspect import appearance, basis, camera, passes, physics, structure
from multishade.inspect.results import CheckResult
from multishade.shards.sample import Sample

CHECKS: dict[str, Callable[[Sample], CheckResult]] = {
    "meta": structure.check_meta,
    "camera": camera.check_camera,
    "sizes": structure.check_sizes,
    "finite": structure.check_finite,
    "mask": structure.check_mask,
    "alpha": structure.check_alpha,
    "unit normals": structure.check_unit_normals,
    "lights": physics.check_lights,
    "shading": physics.check_shading,
    "least squares": physics.check_least_squares,
    "depth": physics.check_depth,
    "exposure": physics.check_exposure,
    "appearance": appearance.check_appearance,
    "light basis": basis.check_basis,
    "passes": passes.check_passes,
}


def check_sample(sample: Sample) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Make all checks on one sample; after one of its meta, its camera or the sizes that failed, no more are made.

    Args:
        sample: A decoded sample.

    Returns:
        The messages of the checks that failed, by check, and the measures of all.
    """
    failed: dict[str, list[str]] = {}
    measures: dict[str, float] = {}
    for name, check in CHECKS.items():
        messages, measured = check(sample)
        measures |= measured
        if messages:
            failed[name] = messages
            if name in ("meta", "camera", "sizes"):
                break
    return failed, measures
