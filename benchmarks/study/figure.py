# SPDX-License-Identifier: Apache-2.0
"""Findings -> a figure of means and differences; kept normals -> a sheet of photos, true and predicted normals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.study.arms import ARMS
from benchmarks.study.findings import Cell, Findings
from benchmarks.study.measure import Subject
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.boxes import bounding_window
from multishade.imaging import display, panels

INK, FAINT, SHOWN, OPEN = "#20242a", "#8a929c", "#1f6fb2", "#9aa3ad"
PANEL = 112  # pixels, height of one picture of the sheet


def draw(path: Path, found: Sequence[Findings]) -> None:
    """A row a benchmark. Left: each arm's mean (disc), interval over objects (bar), seeds (ticks), baselines
    (dashed). Right: planned differences, blue where they are shown.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = max(len(ARMS), *(len(one.answers) for one in found))
    figure, axes = pyplot.subplots(
        len(found), 2, figsize=(13.5, (0.9 + 0.3 * rows) * len(found)), squeeze=False, layout="constrained"
    )
    for (means, differences), one in zip(axes, found, strict=True):
        _draw_means(means, one)
        _draw_differences(differences, one)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _draw_means(axes: Any, found: Findings) -> None:
    arms = [arm for arm in ARMS if (arm.name, arm.solvers[0]) in found.cells]
    for place, arm in enumerate(arms):
        cell = found.cells[arm.name, arm.solvers[0]]
        _bar(axes, place, cell, INK)
        axes.plot(cell.by_seed, [place] * len(cell.by_seed), "|", color=SHOWN, markersize=11)
    for name, cell in found.baselines.items():
        axes.axvline(cell.mean, color=FAINT, linestyle="--", linewidth=1)
        axes.annotate(
            name,
            (cell.mean, 0.01),
            xycoords=("data", "axes fraction"),
            xytext=(-2, 0),
            textcoords="offset points",
            color=FAINT,
            fontsize=8,
            rotation=90,
            ha="right",
            va="bottom",
        )
    axes.set_yticks(range(len(arms)), [arm.title for arm in arms])
    axes.invert_yaxis()
    axes.set_xlabel("mean angular error, degrees")
    axes.set_title(f"{found.benchmark}: {found.objects} objects, seeds as ticks", fontsize=10)
    _plain(axes)


def _bar(axes: Any, place: float, cell: Cell, colour: str) -> None:
    if np.isfinite(cell.low):
        axes.plot([cell.low, cell.high], [place, place], color=colour, linewidth=1.5)
    axes.plot(cell.mean, place, "o", color=colour, markersize=6)


def _draw_differences(axes: Any, found: Findings) -> None:
    for place, answer in enumerate(found.answers):
        colour = SHOWN if answer.shown else OPEN
        if np.isfinite(answer.found.low):
            axes.plot([answer.found.low, answer.found.high], [place, place], color=colour, linewidth=1.5)
        axes.plot(answer.found.difference, place, "o", color=colour, markersize=6)
    axes.axvline(0, color=FAINT, linewidth=1)
    if not found.answers:
        return
    axes.set_yticks(range(len(found.answers)), [answer.question.asked for answer in found.answers])
    axes.invert_yaxis()
    # Differences of hundredths of a degree and of ten degrees side by side.
    axes.set_xscale("symlog", linthresh=1.0)
    ticks = (-10, -1, -0.5, 0, 0.5, 1, 10)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    differences = [answer.found for answer in found.answers]
    ends = [value for one in differences for value in (one.low, one.high, one.difference)]
    axes.set_xlim(min([-1.0, 1.3 * np.nanmin(ends)]), max([1.0, 1.3 * np.nanmax(ends)]))
    axes.set_xlabel("degrees (linear up to 1); negative: the first named is better")
    axes.set_title("planned comparisons: blue are shown", fontsize=10)
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.grid(axis="x", color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)


def sheet(path: Path, subjects: Sequence[Subject], normals: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    """A row an object: photo, true normals, each arm's. normals: arm -> the object's place -> (H, W, 3)."""
    arms = [arm for arm in ARMS if arm.name in normals]
    rows, captions = [], []
    for subject in subjects:
        target = subject.target
        window = bounding_window(target.mask, 3)
        mask = target.mask[window]
        pictures = [
            display.grey_to_rgb(subject.photos[0].pixels[window].mean(axis=2), mask),
            display.normal_to_rgb(target.true_normal[window], mask),
        ]
        texts = ["photo", "truth"]
        for arm in arms:
            made = normals[arm.name][target.relative_path]
            error = angular_error_degrees(made[target.scored], target.true_normal[target.scored])
            pictures.append(display.normal_to_rgb(made[window], mask))
            texts.append(f"{np.nanmean(error):.0f}° {arm.name}")
        rows.append([display.fit_height(picture, PANEL) for picture in pictures])
        captions.append(texts)
    display.save(path, panels.tile(rows, captions))
