# SPDX-License-Identifier: Apache-2.0
"""Results of a run -> the measured section of docs/performance.md and its plot."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pages import replace_measured
from benchmarks.rendering import quality, schedule
from benchmarks.rendering.comparison import comparison, shown_seconds
from benchmarks.rendering.panel import PANEL, config

PICTURE = Path("docs/images/performance.png")
SHOWN = (1, 4, 6, 11)  # items in the plot
PAPER_VIEWS = 133_278 * 6  # groups and views of the paper's set: 3.2 million images, four to a view


def write(results: Mapping[str, Any], path: Path) -> None:
    """Replace the measured section of the page, and draw the plot beside it."""
    (path.parent / "images").mkdir(exist_ok=True)
    plot(results, path.parent / "images" / PICTURE.name)
    replace_measured(path, "bench-render", "\n\n".join(sections(results)))
    print(f"wrote {path}")


def sections(results: Mapping[str, Any]) -> list[str]:
    """The paragraphs and tables of the measured section."""
    return [
        "## Measurements",
        _run(results),
        _method(results),
        "### Seconds per view",
        comparison(results),
        f"![PSNR against CPU seconds of each image](images/{PICTURE.name})",
        "Each image of four items: circles under a parallel light, squares under a point light, pentagons and diamonds "
        "under environments. The script has two settings, joined by a line.",
        "### Quality",
        panel_table(results),
        "### More views, more lights",
        scaling(results),
        "### The whole data set",
        projection(results),
        "### Search for the sampling settings",
        search_table(),
    ]


def _run(results: Mapping[str, Any]) -> str:
    seconds = sum(found["seconds"] for (found,) in results["reference"].values())
    references = "rendered in the same run" if seconds else "that come with the harness"
    return (
        f"This section is written by `make bench-render` (a run of {results['minutes']:.0f} minutes, with the "
        f"references {references}); edit `benchmarks/rendering`, not this section."
    )


def _method(results: Mapping[str, Any]) -> str:
    settings = config()
    render, camera = settings.render, settings.camera
    return (
        "A view is four images (parallel light, point light, two environments), buffers and nine shadings at "
        f"{camera.width} x {camera.height}. Seconds are CPU seconds of all threads and processes: "
        "other work on the machine changes them little. Quality is the PSNR against Cycles with "
        f"{quality.SAMPLES:,} samples and Blender's default light paths, display-encoded, inside the mask, in "
        f"{quality.WINDOWS} windows of {quality.WINDOW} x {quality.WINDOW} pixels of each image; the reference's own "
        "noise, estimated from its two halves, is subtracted. Ours is `configs/multishade-fine.yaml`: adaptive "
        "sampling "
        f"with a noise threshold of {render.adaptive.threshold:g}, at most {render.samples.environment} samples, "
        f"denoiser quality {render.denoise.quality} with prefiltered guides ({render.denoise.prefilter}), only the "
        "object's box. The script makes one render call for each image and each of nine white frames, the whole frame, "
        "with Blender's default denoiser."
    )


def panel_table(results: Mapping[str, Any]) -> str:
    fields = ("image_parallel", "image_point", "image_env0", "image_env1")
    lines = ["| object, material | parallel | point | environments |", "| --- | --- | --- | --- |"]
    for number, item in enumerate(PANEL):
        found = results["ours"][str(number)][0]
        decibels = [f"{found['psnr'][field]:.1f}" for field in fields]
        lines.append(f"| {item.name} | {decibels[0]} | {decibels[1]} | {decibels[2]}, {decibels[3]} |")
    values = [v for (found,) in results["ours"].values() for v in found["psnr"].values()]
    reached = sum(v >= quality.TARGET_DB for v in values)
    lines += [
        "",
        f"PSNR of our images against the references, in dB. {reached} of {len(values)} images reach "
        f"{quality.TARGET_DB:g} dB; the median is {statistics.median(values):.1f}, the minimum {min(values):.1f}.",
    ]
    if "quality" in results:
        lines += ["", asked_for(results)]
    return "\n".join(lines)


def asked_for(results: Mapping[str, Any]) -> str:
    """The quality with `render.quality.psnr`, and the error of its estimate."""
    found = {int(number): runs[0] for number, runs in results["quality"].items()}
    off = [
        estimate - run["psnr"][field]
        for run in found.values()
        for field, estimate in run["estimated"].items()
    ]
    recipes = {number: results["ours"][str(number)][0]["total"] for number in found}
    seconds = ", ".join(
        f"{run['total']:.0f} s for {PANEL[number].name} (the recipe: {recipes[number]:.0f})"
        for number, run in found.items()
    )
    values = [value for run in found.values() for value in run["psnr"].values()]
    return (
        f"With `render.quality.psnr={quality.TARGET_DB:g}` instead of adaptive sampling, "
        f"{sum(value >= quality.TARGET_DB for value in values)} of {len(values)} images reach this; the minimum is "
        f"{min(values):.1f} dB. The estimate while rendering is off by {statistics.mean(off):+.1f} dB on average, with "
        f"a standard deviation of {statistics.stdev(off):.1f} dB. The time is {seconds}."
    )


def scaling(results: Mapping[str, Any]) -> str:
    """The cost of several views or lights of one object, in relation to each alone."""
    lines = []
    for number, (found,) in results["scaling"].items():
        (few, cheap), (many, dear) = found["lights"].items()
        together, alone = found["together"], found["alone"]
        lines.append(
            f"{PANEL[int(number)].name}: {found['views']} views in one group take {together:.1f} CPU s, in "
            f"groups of their own {alone:.1f} (ratio {together / alone:.2f}). A view with {few} lamps takes "
            f"{cheap:.1f}, with {many} lamps {dear:.1f} (ratio per lamp {dear / cheap * int(few) / int(many):.2f})."
        )
    return "\n".join(lines)


def projection(results: Mapping[str, Any]) -> str:
    found = [item for (item,) in results["ours"].values()]
    per_view = statistics.mean(item["total"] for item in found)
    memory = max(item["memory"] for item in found) / 2**30
    hours = per_view * PAPER_VIEWS / 3600
    return (
        f"{PAPER_VIEWS:,} views ({4 * PAPER_VIEWS:,} images) at {per_view:.1f} s are {hours:,.0f} core-hours, "
        f"{hours / 24 / 1000:.1f} days on 1,000 cores, if objects cost what the panel's do and cores are as fast as "
        "this machine's. The six views of a group share one import, which is counted six times here. Blender used at "
        f"most {memory:.2f} GiB; real meshes and textures need more (`runtime.memory_gib` is the limit)."
    )


def search_table() -> str:
    """The candidates of the search at equal quality, cheapest first."""
    if not schedule.RESULTS.is_file():
        return "Not measured yet: run `make search-render`."
    trials = [schedule.Trial(**line) for line in json.loads(schedule.RESULTS.read_text())]
    rows = []
    for candidate in {trial.candidate: None for trial in trials}:
        found = [trial for trial in trials if trial.candidate == candidate]
        rows.append(
            (schedule.all_alike(found), schedule.each_its_own(found), candidate, schedule.for_all(found))
        )
    items = ", ".join(PANEL[number].name for number in sorted({trial.item for trial in trials}))
    lines = [
        f"`make search-render`: CPU seconds of the images of a view at {quality.TARGET_DB:g} dB, mean over items "
        f"({items}), interpolated from two measured settings of each image: with one setting for all images, and "
        "with the setting that each image needs. Unless stated otherwise: light paths of at most 4 bounces, an "
        "importance map of 1,024. Measured against earlier references of 12 windows of 10 x 10 pixels.",
        "",
        "| candidate | one setting for all | the setting | one per image |",
        "| --- | --- | --- | --- |",
    ]
    for alike, own, candidate, wanted in sorted(rows, key=lambda row: row[0]):
        lines.append(f"| {candidate} | {shown_seconds(alike)} | {_setting(wanted)} | {shown_seconds(own)} |")
    return "\n".join(lines)


def _setting(wanted: Mapping[str, float]) -> str:
    """The settings of `schedule.for_all` as text."""
    if "dB" in wanted:
        return f"{wanted['dB']:.1f} dB as the target"
    if "threshold" in wanted:
        return f"threshold {wanted['threshold']:.3f}"
    return ", ".join(f"{_count(samples)} ({kind})" for kind, samples in wanted.items())


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Plot seconds against dB: every image of every method, its two settings joined by a line."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, NullLocator

    figure, panels = plt.subplots(
        1, len(SHOWN), figsize=(11, 3.4), dpi=110, sharey=True, layout="constrained"
    )
    for axes, number in zip(panels, SHOWN, strict=True):
        runs = {"ours": results["ours"][str(number)], "script": results["straightforward"][str(number)]}
        for colour, (name, found) in enumerate(runs.items()):
            for place, field in enumerate(found[0]["images"]):
                axes.plot(
                    [run["images"][field] for run in found],
                    [run["psnr"][field] for run in found],
                    marker="ospd"[place],
                    color=f"C{colour}",
                    label=name if place == 0 else None,
                    markersize=4,
                    linewidth=1,
                )
        axes.axhline(quality.TARGET_DB, color="0.6", linewidth=0.8, zorder=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100, 200, 500]))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(PANEL[number].name, fontsize=9)
        axes.set_xlabel("CPU seconds per image")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("PSNR, dB")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def _count(samples: float) -> str:
    return f"{samples:.0f}" if samples <= schedule.MOST else f"over {schedule.MOST:,}"
