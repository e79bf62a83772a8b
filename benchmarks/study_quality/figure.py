# SPDX-License-Identifier: Apache-2.0
"""Findings -> the figure of docs/study-quality.md: differences from the reference against the cost of a view."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.study.findings import Findings
from benchmarks.study_quality.levels import COST, MARGIN, REFERENCE, STEPS, level_of
from benchmarks.study_quality.report import TERMS, Measured

TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
COLOURS = {STEPS: "#1f6fb2", COST: "#c2571a"}


def draw(path: Path, levels: Mapping[str, Measured], found: Findings) -> None:
    """Draw each difference (disc) with its interval over objects (bar) and its seeds (crosses), and the margin."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.5, 4.8), layout="constrained")
    for kind, shift in ((STEPS, 0.98), (COST, 1.02)):
        answers = [one for one in found.answers if one.question.other[0].startswith(f"{kind}-")]
        places = [levels[one.question.other[0].partition("-")[2]].seconds * shift for one in answers]
        middles = [one.found.difference for one in answers]
        ends = [
            [max(0.0, one.found.difference - one.found.low) for one in answers],
            [max(0.0, one.found.high - one.found.difference) for one in answers],
        ]
        axes.errorbar(
            places,
            middles,
            yerr=ends,
            fmt="o",
            color=COLOURS[kind],
            markersize=5,
            capsize=2,
            label=TERMS[kind],
        )
        for place, one in zip(places, answers, strict=True):
            axes.plot([place] * len(one.by_seed), one.by_seed, "x", color=COLOURS[kind], markersize=5)
    axes.axhline(0, color="#8a929c", linewidth=1)
    axes.axhline(MARGIN, color="#8a929c", linewidth=1, linestyle="--", label=f"margin, {MARGIN:g}°")
    # Names above the frame, in two heights, since cheap qualities cost nearly the same.
    names = sorted(levels, key=lambda name: levels[name].seconds)
    for number, name in enumerate(names):
        title = level_of(name).title + (" (reference)" if name == REFERENCE else "")
        axes.annotate(
            title,
            (levels[name].seconds, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 + 13 * (number % 3)),
            textcoords="offset points",
            fontsize=8,
            ha="center",
        )
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in TICKS if low <= tick <= high])
    axes.set_xticklabels([f"{tick:g}" for tick in TICKS if low <= tick <= high])
    axes.minorticks_off()
    axes.set_xlabel("CPU seconds to render a view")
    axes.set_ylabel("difference from the reference, degrees")
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
