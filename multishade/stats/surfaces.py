# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set -> checks of its normals, and of how much of them the lights of the sequence reach."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multishade.stats.check import FEWEST_GROUPS, P_LEAST, Check, between, mean_interval, mean_p, percent
from multishade.stats.gather import Statistics

Float64 = NDArray[np.float64]
NORMALS, SHADING = "Normals", "Shading sequence"
# Imbalance of a mean component and of a share of pixels that is accepted whatever its p-value: too small to matter for
# a network.
LEAST_BIAS = 0.02
# For objects that are upright or unrotated, whose sides may differ.
AUTHORED_BIAS, UPRIGHT_BIAS = 0.05, 0.25
# The visible normals of a convex body in random rotation have density cos(t) sin(t), mean cosine 2/3; folds and grooves
# hide grazing angles, flat plates and bump show more of them.
FACING = (0.55, 0.85)
TURNED_AWAY = 0.02
LEAST_LIT, SOLVABLE = 0.2, 0.95


def check_normals(statistics: Statistics) -> Iterator[Check]:
    """Check the balance of normals. Groups are independent, pixels and views are not: means of groups are tested."""
    turned = statistics.config.objects.rotation == "full"
    sides = (("left", "right", 0, "left"), ("down", "up", 1, "down"))
    for low, high, axis, name in sides:
        means = by_group(statistics, np.array([sample.normal[axis] for sample in statistics.samples]))
        shares = by_group(statistics, np.array([getattr(sample, name) for sample in statistics.samples]))
        p = min(1.0, 2 * min(mean_p(means, 0.0), mean_p(shares, 0.5)))
        bias = max(abs(float(means.mean())), abs(float(shares.mean()) - 0.5))
        bound = LEAST_BIAS if turned else AUTHORED_BIAS if axis == 0 else UPRIGHT_BIAS
        yield Check(
            NORMALS,
            f"normals, {low} and {high}",
            f"{percent(float(shares.mean()))} of the pixels point {low}, {percent(1 - float(shares.mean()))} {high}; "
            f"mean n{'xy'[axis]} {means.mean():+.3f} ({len(means)} groups, p {p:.2g})",
            f"even: off by at most {bound:g}, or p at least {P_LEAST:g}" + _few(means),
            bias <= bound or p >= P_LEAST,
        )
    if turned:
        second = [
            by_group(statistics, np.array([sample.second[i] for sample in statistics.samples]))
            for i in (0, 1)
        ]
        p = min(1.0, 2 * min(mean_p(values, 0.0) for values in second))
        strength = float(np.hypot(second[0].mean(), second[1].mean()))
        yield Check(
            NORMALS,
            "normals, no preferred axis in the image",
            f"elongation {strength:.3f} (means of nx² - ny² and 2 nx ny; p {p:.2g})",
            f"at most {LEAST_BIAS:g}, or p at least {P_LEAST:g}" + _few(second[0]),
            strength <= LEAST_BIAS or p >= P_LEAST,
        )
    cosines = by_group(statistics, np.array([sample.facing for sample in statistics.samples]))
    facing, (low_cosine, high_cosine) = float(cosines.mean()), mean_interval(cosines)
    yield Check(
        NORMALS,
        "normals, mean cosine to the camera's ray",
        f"{facing:.3f}" + (f" ({low_cosine:.3f} to {high_cosine:.3f})" if len(cosines) > 1 else ""),
        f"{FACING[0]:g} to {FACING[1]:g} (a sphere, and any convex body turned at random: 0.667)",
        low_cosine <= FACING[1] and high_cosine >= FACING[0],
    )
    aways = by_group(statistics, np.array([sample.turned_away for sample in statistics.samples]))
    away = mean_interval(aways)
    yield Check(
        NORMALS,
        "normals, turned away from the camera",
        f"{percent(float(aways.mean()))} of the pixels ({between(away)})",
        f"at most {TURNED_AWAY:.0%}",
        away[0] <= TURNED_AWAY,
    )


def check_shading(statistics: Statistics) -> Iterator[Check]:
    """Check how much of the objects the lights of the shading sequence reach."""
    lit = lit_shares(statistics)
    darkest = _lit_interval(statistics, int(lit.argmin()))
    yield Check(
        SHADING,
        "shading, share of the object lit under a light",
        f"{percent(float(lit.min()))} (light {lit.argmin()}; {between(darkest)}) to "
        f"{percent(float(lit.max()))} (light {lit.argmax()})",
        f"at least {LEAST_LIT:.0%} under each",
        darkest[1] >= LEAST_LIT,
    )
    solvable = by_group(statistics, np.array([sample.solvable for sample in statistics.samples]))
    reached = mean_interval(solvable)
    yield Check(
        SHADING,
        "shading, pixels that three lights or more reach",
        f"{percent(float(solvable.mean()))} ({between(reached)})",
        f"at least {SOLVABLE:.0%}",
        reached[1] >= SOLVABLE,
    )
    planned = statistics.config.shading.count
    counts = {len(sample.directions) for sample in statistics.samples}
    yield Check(
        SHADING, "shading, lights", ", ".join(map(str, sorted(counts))), f"{planned}", counts == {planned}
    )


def lit_shares(statistics: Statistics) -> Float64:
    """Return the mean share of the object that each light reaches, (K,): with cast shadows if they are stored."""
    stored = [sample.stored_lit for sample in statistics.samples if sample.stored_lit is not None]
    return np.mean(stored or [sample.lit for sample in statistics.samples], axis=0)


def _lit_interval(statistics: Statistics, light: int) -> tuple[float, float]:
    """The interval of `lit_shares` of one light."""
    shares: dict[str, list[float]] = {}
    for sample in statistics.samples:
        lit = sample.lit if sample.stored_lit is None else sample.stored_lit
        shares.setdefault(sample.group, []).append(float(lit[light]))
    return mean_interval([np.mean(values) for values in shares.values()])


def by_group(statistics: Statistics, values: Float64) -> Float64:
    """Average values (samples,) over the views of each group: (groups,)."""
    _, places = np.unique([sample.group for sample in statistics.samples], return_inverse=True)
    return np.bincount(places, values) / np.bincount(places)


def _few(values: Float64) -> str:
    return f" (not tested with fewer than {FEWEST_GROUPS} groups)" if len(values) < FEWEST_GROUPS else ""
