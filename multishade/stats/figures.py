# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set -> its figures as PNG data for a page that stands alone."""

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from multishade.imaging.quality import ImageQuality
from multishade.stats import contents, lights, surfaces, views
from multishade.stats.exposures import images_of
from multishade.stats.gather import Statistics

INK, FAINT, BLUE, ORANGE, BAND = "#20242a", "#8a919b", "#3465a4", "#d9822b", "#f3e3c8"
HUES = ("#3465a4", "#d9822b", "#4e9a06", "#a40000", "#75507b", "#c4a000", "#2e8b8b", "#8f5902")
MOST_DOTS, MOST_BARS = 4000, 40


def png_bytes(figure: Figure) -> bytes:
    """Return a figure as PNG, equal for equal figures."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()


def normals(statistics: Statistics) -> Figure:
    """Density of (nx, ny) over an even disc; cosine to the camera's ray; left and right, down and up by group."""
    figure, axes = _page(3, 3.7)
    disc = sum(sample.disc / sample.disc.sum() for sample in statistics.samples) / len(statistics.samples)
    # Of a sphere seen from afar every cell of the disc is equally likely.
    cells = disc.shape[0]
    middle = (np.arange(cells) + 0.5) / cells * 2 - 1
    inside = middle[:, None] ** 2 + middle[None, :] ** 2 < 0.98
    ratio = np.where(inside, disc * inside.sum(), np.nan)
    picture = axes[0].imshow(ratio, origin="lower", extent=(-1, 1, -1, 1), cmap="viridis", vmin=0, vmax=2)
    axes[0].add_patch(Circle((0, 0), 1, fill=False, color=FAINT))
    _name(axes[0], "where normals point (1: as often as on a sphere)", "nx (right)", "ny (up)")
    figure.colorbar(picture, ax=axes[0], shrink=0.8)
    angles = sum(sample.angles / sample.angles.sum() for sample in statistics.samples) / len(
        statistics.samples
    )
    edges = np.linspace(0, 1, len(angles) + 1)
    axes[1].stairs(angles * len(angles), edges, fill=True, color=BLUE)
    axes[1].axhline(1, color=ORANGE, lw=1.5)
    _name(axes[1], "squared cosine to the camera's ray\n(line: a sphere)", "0 edge-on, 1 facing", "density")
    for axis, (name, hue) in enumerate((("nx (right)", BLUE), ("ny (up)", ORANGE))):
        means = surfaces.by_group(
            statistics, np.array([sample.normal[axis] for sample in statistics.samples])
        )
        axes[2].hist(
            means, bins=np.linspace(-0.6, 0.6, 49).tolist(), histtype="step", lw=1.8, color=hue, label=name
        )
        axes[2].axvline(means.mean(), color=hue, lw=1, ls="--")
    axes[2].legend(frameon=False, fontsize=8)
    _name(axes[2], "mean normal of each group\n(dashed: of all)", "component", "groups")
    return figure


def light_directions(statistics: Statistics) -> Figure | None:
    """Where parallel and point lights stand, in a projection of equal areas; point lights' distance."""
    kinds = [kind for kind in ("parallel", "point") if lights.lights_of(statistics, kind)]
    if not kinds:
        return None
    figure, axes = _page(len(kinds) + ("point" in kinds), 3.7)
    lowest, azimuths = lights.region(statistics)
    for kind, panel in zip(kinds, axes, strict=False):
        directions = lights.directions_of(statistics, kind)[:MOST_DOTS]
        # Lambert: equal solid angles are equal areas, so what is drawn evenly looks even; the rim is 90 degrees off.
        flat = directions[:, :2] / np.sqrt(1 + np.maximum(directions[:, 2:], -0.999))
        panel.scatter(flat[:, 0], flat[:, 1], s=90 / max(9, np.sqrt(len(flat))), color=BLUE, alpha=0.5, lw=0)
        angle = np.linspace(0, azimuths, 181)
        rim = np.sqrt(1 - lowest)
        x, y = rim * np.cos(angle), rim * np.sin(angle)
        if azimuths < 4:
            x, y = np.append(x, x[0]), np.append(y, y[0])
        panel.plot(x, y, color=ORANGE, lw=1.5)
        panel.set_xlim(-1.15, 1.15)
        panel.set_ylim(-1.15, 1.15)
        panel.set_aspect("equal")
        _name(
            panel, f"{kind} lights seen from the object\n(inside the line: where they may be)", "right", "up"
        )
    if "point" in kinds:
        reach = [float(np.linalg.norm(offset)) for offset in lights.offsets(statistics)]
        _histogram(axes[-1], reach, statistics.config.lights.point.distance, 30)
        _name(
            axes[-1], "point lights, distance from the object\n(band: the recipe's)", "scene units", "lights"
        )
    return figure


def exposure(statistics: Statistics) -> Figure | None:
    """Median luminance against the band, applied factors, clipped and black pixels, by kind of light."""
    images = images_of(statistics)
    if not images:
        return None
    kinds = list(dict.fromkeys(image.kind for image in images))
    figure, axes = _page(3, 3.4)
    low, high = statistics.config.exposure.median
    axes[0].axvspan(low, high, color=BAND, lw=0)
    bins = np.geomspace(0.004, 1, 45).tolist()
    medians = [np.clip([image.median for image in images if image.kind == kind], 0.004, 1) for kind in kinds]
    axes[0].hist(medians, bins=bins, stacked=True, color=HUES[: len(kinds)], label=kinds)
    axes[0].set_xscale("log")
    axes[0].legend(frameon=False, fontsize=8)
    _name(axes[0], "median luminance of the object\n(band: the recipe's)", "luminance", "images")
    factors: dict[str, list[float]] = {}
    for sample in statistics.samples:
        for field, factor in sample.exposure.items():
            kind = sample.lights[field].type if field in sample.lights else field
            factors.setdefault(kind, []).append(np.log2(factor))
    every = np.concatenate(list(factors.values()))
    stops = np.linspace(every.min() - 0.5, every.max() + 0.5, 50)
    for number, (kind, values) in enumerate(factors.items()):
        hue = HUES[number % len(HUES)]
        axes[1].hist(values, bins=stops.tolist(), histtype="step", lw=1.6, color=hue, label=kind)
    axes[1].legend(frameon=False, fontsize=8)
    _name(axes[1], "applied exposure", "stops", "images")
    places = np.arange(len(kinds))
    clipped = [np.mean([image.clipped for image in images if image.kind == kind]) for kind in kinds]
    black = [np.mean([image.black for image in images if image.kind == kind]) for kind in kinds]
    axes[2].bar(places - 0.2, np.array(clipped) * 100, 0.4, color=ORANGE, label="clipped")
    axes[2].bar(places + 0.2, np.array(black) * 100, 0.4, color=INK, label="black")
    axes[2].set_xticks(places, kinds)
    axes[2].legend(frameon=False, fontsize=8)
    _name(axes[2], "clipped and black pixels of the object", "", "%")
    return figure


def materials(statistics: Statistics) -> Figure:
    """Shares of the kinds against the recipe's, and how often each family is there."""
    groups = contents.groups_of(statistics)
    figure, axes = _page(2, 3.6, (1, 2.6))
    expected, spread = contents.expected_kinds(statistics)
    counts = Counter(group.material.kind for group in groups.values())
    places = np.arange(3)
    axes[0].bar(places, [counts[kind] for kind in contents.KINDS], 0.6, color=BLUE)
    axes[0].errorbar(places, expected, yerr=2 * spread, fmt="_", color=ORANGE, ms=24, capsize=4)
    axes[0].set_xticks(places, contents.KINDS)
    _name(axes[0], "materials (orange: the recipe's, ± 2 deviations)", "", "groups")
    families = Counter(str(group.object.family) for group in groups.values()).most_common()
    shown = families[:MOST_BARS]
    axes[1].bar(range(len(shown)), [count for _, count in shown], color=BLUE)
    axes[1].set_xticks(range(len(shown)), [name for name, _ in shown], rotation=60, ha="right", fontsize=8)
    more = f", {MOST_BARS} of {len(families)}" if len(families) > MOST_BARS else ""
    _name(axes[1], f"object families{more}", "", "groups")
    return figure


def framing(statistics: Statistics) -> Figure:
    """Mask areas, camera distances, view directions, depth ranges."""
    deep = [sample.depth for sample in statistics.samples if sample.depth is not None]
    figure, axes = _page(3 + bool(deep), 3.2)
    areas = [sample.area * 100 for sample in statistics.samples]
    _histogram(axes[0], areas, (views.AREAS[0] * 100, views.AREAS[1] * 100), 40)
    _name(axes[0], "object's share of the frame\n(band: for the median)", "%", "samples")
    _histogram(
        axes[1], [sample.distance for sample in statistics.samples], statistics.config.camera.distance, 30
    )
    _name(axes[1], "camera's distance\n(band: the recipe's)", "scene units", "samples")
    back = np.array([sample.camera_to_world[:3, 2] for sample in statistics.samples])[:MOST_DOTS]
    # Lambert's cylinder: longitude across, sine of the latitude up, equal areas.
    axes[2].scatter(
        np.degrees(np.arctan2(back[:, 0], -back[:, 1])), back[:, 2], s=4, color=BLUE, alpha=0.5, lw=0
    )
    axes[2].set_xlim(-180, 180)
    axes[2].set_ylim(-1.05, 1.05)
    _name(axes[2], "where cameras stand\n(equal areas)", "longitude from the front, °", "height (sine)")
    if deep:
        _histogram(axes[3], [far - near for near, far in deep], (0, 1), 30)
        _name(axes[3], "depth of the object\n(band: the bounding sphere)", "scene units", "samples")
    return figure


def shading(statistics: Statistics) -> Figure:
    """How much of the object each light of the sequence reaches."""
    figure, axes = _page(1, 2.8)
    lit = surfaces.lit_shares(statistics) * 100
    axes[0].bar(range(len(lit)), lit, color=BLUE)
    axes[0].axhline(surfaces.LEAST_LIT * 100, color=ORANGE, lw=1.5)
    axes[0].set_ylim(0, 100)
    axes[0].set_xticks(range(0, len(lit), max(1, len(lit) // 16)))
    _name(axes[0], "lit share of the object under each light (line: the least expected)", "light", "%")
    return figure


def quality(found: Sequence[ImageQuality], least: float) -> Figure:
    """PSNR of single images by kind of light."""
    figure, axes = _page(1, 3.0)
    kinds = list(dict.fromkeys(item.kind for item in found))
    for number, kind in enumerate(kinds):
        values = sorted(item.psnr for item in found if item.kind == kind)
        across = number + np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else [number]
        axes[0].scatter(across, values, color=HUES[number % len(HUES)], s=30)
    axes[0].axhline(least, color=ORANGE, lw=1.5)
    axes[0].set_xticks(range(len(kinds)), kinds)
    axes[0].set_xlim(-0.6, len(kinds) - 0.4)
    _name(axes[0], "PSNR against the reference (line: the least expected of the median)", "", "dB")
    return figure


def _page(panels: int, height: float, widths: Sequence[float] | None = None) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(11, height), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False, width_ratios=widths)[0]
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(colors=INK, labelsize=8)
    return figure, list(axes)


def _name(panel: Axes, title: str, x: str, y: str) -> None:
    panel.set_title(title, fontsize=9.5, color=INK)
    panel.set_xlabel(x, fontsize=8.5, color=INK)
    panel.set_ylabel(y, fontsize=8.5, color=INK)


def _histogram(panel: Axes, values: Sequence[float], band: tuple[float, float], bins: int) -> None:
    """Counts over a range that shows both the values and the band."""
    found: NDArray[np.float64] = np.asarray(values, np.float64)
    low, high = min(found.min(), band[0]), max(found.max(), band[1])
    margin: Any = (high - low) * 0.04 or 0.5
    panel.axvspan(*band, color=BAND, lw=0)
    panel.hist(found, bins=np.linspace(low - margin, high + margin, bins), color=BLUE)
