# SPDX-License-Identifier: Apache-2.0
"""The checks of a sample, by name, in the order they are made."""

from collections.abc import Callable

from multishade.inspect import basis, physics, structure
from multishade.inspect.findings import Outcome
from multishade.shards.sample import Sample

CHECKS: dict[str, Callable[[Sample], Outcome]] = {
    "meta": structure.check_meta,
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
    "light basis": basis.check_basis,
}


def check_sample(sample: Sample) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Every check of CHECKS on one sample -> the messages by check (only those that failed), and all
    measures.

    Where meta or the arrays' sizes are wrong, the later checks have nothing to stand on and are left out.
    """
    failed: dict[str, list[str]] = {}
    measures: dict[str, float] = {}
    for name, check in CHECKS.items():
        messages, found = check(sample)
        measures |= found
        if messages:
            failed[name] = messages
            if name in ("meta", "sizes"):
                break
    return failed, measures
