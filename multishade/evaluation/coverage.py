# SPDX-License-Identifier: Apache-2.0
"""Simulated benchmarks -> how often a 95 % interval of `statistics` holds the truth; `python -m` prints the table."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from multishade.evaluation.statistics import widened_level

OBJECTS = (6, 10, 20, 50, 100)
SIMULATIONS, RESAMPLES = 4000, 1999

Sampler = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]
# Paired differences of several shapes: (sampler, true mean).
DIFFERENCES: dict[str, tuple[Sampler, float]] = {
    "normal": (lambda rng, shape: rng.normal(0.4, 1.3, shape), 0.4),
    "skewed (gamma, shape 2)": (lambda rng, shape: rng.gamma(2.0, 1.0, shape), 2.0),
    "heavy tails (t, 4)": (lambda rng, shape: rng.standard_t(4, shape), 0.0),
}


def coverage(
    sample: NDArray[np.floating], truth: float, rng: np.random.Generator, widened: bool, resamples: int
) -> float:
    """Share of the rows of `sample` (simulations, objects) whose 95 % BCa interval of the mean holds `truth`."""
    from scipy import stats

    level = widened_level(0.95, sample.shape[1]) if widened else 0.95
    hits = 0
    # In parts, since scipy keeps every resample of every row.
    for part in np.array_split(sample, -(-sample.size * resamples // 4_000_000)):
        interval = stats.bootstrap(
            (part,), np.mean, axis=-1, method="BCa", confidence_level=level, n_resamples=resamples, rng=rng
        ).confidence_interval
        hits += int(((interval.low <= truth) & (truth <= interval.high)).sum())
    return hits / len(sample)


def main() -> None:
    print("| differences | interval | " + " | ".join(f"n = {objects}" for objects in OBJECTS) + " |")
    print("| --- | --- |" + " ---: |" * len(OBJECTS))
    for name, (sample, truth) in DIFFERENCES.items():
        for widened in (False, True):
            shares = [
                coverage(
                    sample(np.random.default_rng(objects), (SIMULATIONS, objects)),
                    truth,
                    np.random.default_rng(1),
                    widened,
                    RESAMPLES,
                )
                for objects in OBJECTS
            ]
            label = "BCa, widened" if widened else "BCa"
            print(f"| {name} | {label} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")


if __name__ == "__main__":
    main()
