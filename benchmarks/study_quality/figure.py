# SPDX-License-Identifier: Apache-2.0
"""Findings -> the figure of docs/study-quality.md: error against the cost of a view."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.study.arms import NO_SOLVER
from benchmarks.study.findings import Cell, Findings
from benchmarks.study_quality.levels import COST, REFERENCE, STEPS, arm_name, level_of
from benchmarks.study_quality.report import TERMS, Measured, cell_of


def draw(path: Path, levels: Mapping[str, Measured], found: Findings) -> None:
    """Draw the error of each level against what a view costs, with intervals over objects."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.5, 4.6), layout="constrained")
    for kind, colour, shift in ((STEPS, "#1f6fb2", 0.985), (COST, "#c2571a", 1.015)):
        names = [name for name in levels if (arm_name(kind, name), NO_SOLVER) in found.cells]
        names += [REFERENCE] if kind == COST and REFERENCE in levels else []
        names.sort(key=lambda name: levels[name].seconds)
        cells = [cell_of(found, kind, name) for name in names]
        _line(axes, [levels[name].seconds * shift for name in names], cells, colour, TERMS[kind])
    for name, level in levels.items():
        cell = cell_of(found, STEPS, name)
        if cell is not None:
            axes.annotate(
                level_of(name).title,
                (level.seconds, cell.mean),
                xytext=(4, 9),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set_xscale("log")
    axes.set_xlabel("CPU seconds to render a view")
    axes.set_ylabel("mean angular error, degrees")
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _line(axes: Any, places: Sequence[float], cells: Sequence[Cell | None], colour: str, label: str) -> None:
    shown = [(x, cell) for x, cell in zip(places, cells, strict=True) if cell is not None]
    means = [cell.mean for _, cell in shown]
    below = [0.0 if math.isnan(cell.low) else cell.mean - cell.low for _, cell in shown]
    above = [0.0 if math.isnan(cell.high) else cell.high - cell.mean for _, cell in shown]
    axes.errorbar(
        [x for x, _ in shown],
        means,
        yerr=[below, above],
        fmt="o-",
        color=colour,
        markersize=4,
        linewidth=1,
        capsize=2,
        label=label,
    )
