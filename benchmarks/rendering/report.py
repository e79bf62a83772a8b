# SPDX-License-Identifier: Apache-2.0
"""Results of a run -> docs/performance.md and its plot. Every figure on the page comes from the results."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.rendering import quality, schedule
from benchmarks.rendering.comparison import comparison, shown_seconds
from benchmarks.rendering.panel import PANEL, config

PICTURE = Path("docs/images/performance.png")
SHOWN = (1, 4, 6, 11)  # items in the plot
PAPER_VIEWS = 133_278 * 6  # groups and views of the paper's set: 3.2 million images, four to a view


def write(results: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "images").mkdir(exist_ok=True)
    plot(results, path.parent / "images" / PICTURE.name)
    path.write_text("\n\n".join(sections(results)) + "\n")
    print(f"wrote {path}")


def sections(results: Mapping[str, Any]) -> list[str]:
    return [
        "# Rendering performance",
        _run(results),
        _method(results),
        "## Seconds per view",
        comparison(results),
        f"![PSNR against CPU seconds of each image](images/{PICTURE.name})",
        "Each image of four items: circles under a parallel light, squares under a point light, pentagons and diamonds "
        "under environments. The script has two settings, joined by a line.",
        "## Quality",
        panel_table(results),
        "## More views, more lights",
        scaling(results),
        "## The whole data set",
        projection(results),
        "## How the schedule was found",
        search_table(),
    ]


def _run(results: Mapping[str, Any]) -> str:
    made = sum(found["seconds"] for (found,) in results["reference"].values())
    references = "with the references" if made else "with the references that come with the harness"
    return (
        f"Written by `make bench-render` (a run of {results['minutes']:.0f} minutes, {references}); edit the harness, "
        "not this page."
    )


def _method(results: Mapping[str, Any]) -> str:
    settings = config()
    render, camera = settings.render, settings.camera
    return (
        "A view is four images (parallel light, point light, two environments), buffers and nine shadings at "
        f"{camera.width} x {camera.height}. Seconds are CPU seconds of all threads and processes: "
        "a busy machine gives about the same. Quality is PSNR against Cycles with "
        f"{quality.SAMPLES:,} samples and Blender's default light paths, display-encoded, inside the mask, in "
        f"{quality.WINDOWS} windows of {quality.WINDOW} x {quality.WINDOW} pixels of each image, with the "
        "reference's own noise taken out (its two halves tell it). Ours is `configs/multishade.yaml`: adaptive "
        f"sampling to a noise of {render.adaptive.threshold:g}, at most {render.samples.environment} samples, the "
        f"denoiser at {render.denoise.quality}, its guides cleaned ({render.denoise.prefilter}), only "
        "the object's box. The script makes one render call for each image and each of nine white frames, the whole "
        "frame, with Blender's default denoiser."
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
        f"dB of ours against the references. {reached} of {len(values)} images reach {quality.TARGET_DB:g} dB, the "
        f"median has {statistics.median(values):.1f}, the least {min(values):.1f}.",
    ]
    if "quality" in results:
        lines += ["", asked_for(results)]
    return "\n".join(lines)


def asked_for(results: Mapping[str, Any]) -> str:
    """What `render.quality.psnr` gives, and how well it knows."""
    found = {int(number): runs[0] for number, runs in results["quality"].items()}
    off = [told - run["psnr"][field] for run in found.values() for field, told in run["estimated"].items()]
    recipes = {number: results["ours"][str(number)][0]["total"] for number in found}
    seconds = ", ".join(
        f"{run['total']:.0f} s for {PANEL[number].name} (as the recipe is: {recipes[number]:.0f})"
        for number, run in found.items()
    )
    values = [value for run in found.values() for value in run["psnr"].values()]
    return (
        f"With `render.quality.psnr={quality.TARGET_DB:g}` instead of adaptive sampling, of {len(values)} images "
        f"{sum(value >= quality.TARGET_DB for value in values)} reach that, the least has {min(values):.1f} dB; the "
        f"estimate while rendering is off by {statistics.mean(off):+.1f} dB on average, {statistics.stdev(off):.1f} "
        f"standard deviation. {seconds}."
    )


def scaling(results: Mapping[str, Any]) -> str:
    """What views and lights of one object cost together, against each alone."""
    lines = []
    for number, (found,) in results["scaling"].items():
        (few, cheap), (many, dear) = found["lights"].items()
        together, alone = found["together"], found["alone"]
        lines.append(
            f"{PANEL[int(number)].name}: {found['views']} views in one group take {together:.1f} CPU s, each "
            f"in its own {alone:.1f} ({together / alone:.2f} of it). A view with {few} lamps takes {cheap:.1f}, with "
            f"{many} {dear:.1f} ({dear / cheap * int(few) / int(many):.2f} a lamp, against the first)."
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
        "this machine's. A group of six views shares one import, which this counts six times. Blender held at most "
        f"{memory:.2f} GiB; real meshes and textures need more (`runtime.memory_gib` is the limit)."
    )


def search_table() -> str:
    """The candidates of the search at equal quality, cheapest first."""
    if not schedule.RESULTS.is_file():
        return "Not run: `make search-render`."
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
        f"({items}), from two measured settings of each image: where all images have one setting, and where each "
        "image has what it needs. If not said otherwise: light paths of at most 4 bounces, an importance map of "
        "1,024. Measured against earlier references of 12 windows of 10 x 10 pixels.",
        "",
        "| what | one setting | it is | each its own |",
        "| --- | --- | --- | --- |",
    ]
    for alike, own, candidate, wanted in sorted(rows, key=lambda row: row[0]):
        lines.append(f"| {candidate} | {shown_seconds(alike)} | {_setting(wanted)} | {shown_seconds(own)} |")
    return "\n".join(lines)


def _setting(wanted: Mapping[str, float]) -> str:
    """What `schedule.for_all` found, in words."""
    if "dB" in wanted:
        return f"{wanted['dB']:.1f} dB asked for"
    if "threshold" in wanted:
        return f"threshold {wanted['threshold']:.3f}"
    return ", ".join(f"{_count(samples)} ({kind})" for kind, samples in wanted.items())


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Seconds against dB: every image of every method, its two settings joined by a line."""
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
