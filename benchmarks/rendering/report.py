# SPDX-License-Identifier: Apache-2.0
"""Results of a run -> docs/performance.md and its plot. Every figure on the page comes from the results."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rendering import quality, schedule
from benchmarks.rendering.panel import PANEL, config

PICTURE = Path("docs/images/performance.png")
NAMES = {"ours": "ours", "straightforward": "straightforward script", "blenderproc": "BlenderProc 2.8"}
MOST_SECONDS = 5000  # of a view; what is beyond was extrapolated too far to mean anything
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
        "Each line is one image with a method's two settings: circles under a parallel light, squares under a point "
        "light, pentagons and diamonds under environments.",
        "## The panel",
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
    peer = (
        " BlenderProc runs Blender 4.2, whose bump node differs, so that its images cannot be held against the same "
        "reference; it is taken to reach what the script reaches with as many samples."
        if "blenderproc" in results
        else " BlenderProc was not there in this run (MULTISHADE_BLENDERPROC)."
    )
    return (
        "A view is four images (parallel light, point light, two environments), buffers and nine shadings at "
        f"{camera.width} x {camera.height}. Seconds are CPU seconds of all threads and processes: "
        "a busy machine gives about the same. Quality is PSNR against Cycles with "
        f"{quality.SAMPLES:,} samples and Blender's default light paths, display-encoded, inside the mask, in "
        f"{quality.WINDOWS} windows of {quality.WINDOW} x {quality.WINDOW} pixels of each image, with the "
        "reference's own noise taken out (a second render tells it). Ours is `configs/multishade.yaml`: adaptive "
        f"sampling to a noise of {render.adaptive.threshold:g}, at most {render.samples.environment} samples, the "
        f"denoiser at {render.denoise.quality}, its guides cleaned ({render.denoise.prefilter}), only the "
        f"object's box.{peer}"
    )


def at_equal_quality(results: Mapping[str, Any], name: str, number: str) -> float:
    """CPU seconds of a whole view of one item, each image at 38 dB."""
    first, second = both(results, name, number)
    images = sum(
        schedule.seconds_at(
            quality.TARGET_DB,
            (first["images"][field], first["psnr"][field]),
            (second["images"][field], second["psnr"][field]),
        )
        for field in first["images"]
    )
    return images + first["total"] - sum(first["images"].values())


def both(results: Mapping[str, Any], name: str, number: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cheap and the dear setting of a method on one item.

    BlenderProc runs Blender 4.2, whose bumps are others: its images differ from the reference however many samples they
    have. It is given the quality that the script reaches with the same samples.
    """
    if name == "ours":
        return results["dial"][number][0], results["ours"][number][0]
    first, second = results[name][number]
    if name == "blenderproc":
        script = results["straightforward"][number]
        first, second = (
            {**mine, "psnr": theirs["psnr"]} for mine, theirs in zip((first, second), script, strict=True)
        )
    return first, second


def comparison(results: Mapping[str, Any]) -> str:
    """Seconds at equal quality of each item by each method, and the ratios."""
    names = ["ours", *results["peers"]]
    lines = [
        f"CPU seconds of a view whose images all have {quality.TARGET_DB:g} dB, from two measured settings of each "
        "method. First with one setting for all images, as a run has it that cannot know beforehand what an image "
        "needs: samples by kind of light for the others, a threshold of noise for ours.",
        "",
        "| method | setting | CPU s a view | times ours |",
        "| --- | --- | --- | --- |",
    ]
    alike = {name: one_setting(results, name) for name in names}
    for name, (setting, seconds) in alike.items():
        lines.append(
            f"| {NAMES[name]} | {setting} | {_seconds(seconds)} | {seconds / alike['ours'][1]:.1f} |"
        )
    lines += [
        "",
        f"Then as if it were known of each image what it needs (a method's cheaper setting, {_cheap(results)}, is the "
        "least that is counted):",
        "",
        "| item | " + " | ".join(NAMES[name] for name in names) + " | times ours |",
        "| --- |" + " --- |" * (len(names) + 1),
    ]
    totals = dict.fromkeys(names, 0.0)
    for number in map(str, results["items"]):
        seconds = {name: at_equal_quality(results, name, number) for name in names}
        if max(seconds.values()) <= MOST_SECONDS:
            for name in names:
                totals[name] += seconds[name]
        lines.append(f"| {PANEL[int(number)].name} | {_row(seconds, names)} |")
    lines.append(f"| together | {_row(totals, names)} |")
    whole = [found[0] for found in results["ours"].values()]
    total, limit = sum(item["total"] for item in whole), sum(item["limit"] for item in whole)
    lines += [
        "",
        f"As the recipe is set, ours takes {total / len(whole):.1f} CPU s a view over all {len(whole)} items, "
        f"{limit / len(whole):.1f} s of it in the render calls of its images, the limit: {total / limit - 1:.1%} more "
        "than that.",
    ]
    return "\n".join(lines)


def one_setting(results: Mapping[str, Any], name: str) -> tuple[str, float]:
    """The setting in words, and CPU seconds of a view, mean over the items, when all images have it."""
    found, rest = [], []
    for number in results["items"]:
        pair = both(results, name, str(number))
        rest.append(pair[0]["total"] - sum(pair[0]["images"].values()))
        for setting, measured in zip(results["settings"][name], pair, strict=True):
            found += [
                schedule.Trial(name, number, field, _kind(field), setting, seconds, measured["psnr"][field])
                for field, seconds in measured["images"].items()
            ]
    wanted = schedule.for_all(found)
    if name == "ours":
        words = f"threshold {wanted['threshold']:.3f}"
    else:
        words = ", ".join(f"{_count(samples)} ({kind})" for kind, samples in wanted.items())
    return words, schedule.all_alike(found) + statistics.mean(rest)


def _kind(field: str) -> str:
    return "environment" if field.startswith("image_env") else field.removeprefix("image_")


def _cheap(results: Mapping[str, Any]) -> str:
    threshold = results["settings"]["ours"][0]
    samples = "".join(f", {results['settings'][name][0]} samples" for name in results["peers"][:1])
    return f"threshold {threshold:g}{samples}"


def _row(seconds: Mapping[str, float], names: Sequence[str]) -> str:
    """Ours, the others, and the others in relation to ours."""
    ratios = ", ".join(_times(seconds[name], seconds["ours"]) for name in names[1:])
    return " | ".join([*(_seconds(seconds[name]) for name in names), ratios])


def _times(seconds: float, ours: float) -> str:
    return f"{seconds / ours:.1f}" if max(seconds, ours) <= MOST_SECONDS else "?"


def panel_table(results: Mapping[str, Any]) -> str:
    fields = ("image_parallel", "image_point", "image_env0", "image_env1")
    lines = [
        "| object, material | shows | CPU s | dB: parallel | point | environments |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for number, item in enumerate(PANEL):
        found = results["ours"][str(number)][0]
        decibels = [f"{found['psnr'][field]:.1f}" for field in fields]
        lines.append(
            f"| {item.name} | {item.shows} | {found['total']:.1f} | {decibels[0]} | {decibels[1]} | "
            f"{decibels[2]}, {decibels[3]} |"
        )
    values = [v for (found,) in results["ours"].values() for v in found["psnr"].values()]
    reached = sum(v >= quality.TARGET_DB for v in values)
    lines += [
        "",
        f"{reached} of {len(values)} images reach {quality.TARGET_DB:g} dB; the least has {min(values):.1f}.",
    ]
    return "\n".join(lines)


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
        f"({items}), from two measured settings of each image: where all images have one setting, and where each image "
        "has what it needs. If not said otherwise: light paths of at most 4 bounces, an importance map of 1,024.",
        "",
        "| what | one setting | it is | each its own |",
        "| --- | --- | --- | --- |",
    ]
    for alike, own, candidate, wanted in sorted(rows, key=lambda row: row[0]):
        if "threshold" in wanted:
            words = f"threshold {wanted['threshold']:.3f}"
        else:
            words = ", ".join(f"{_count(samples)} ({kind})" for kind, samples in wanted.items())
        lines.append(f"| {candidate} | {_seconds(alike)} | {words} | {_seconds(own)} |")
    return "\n".join(lines)


def _seconds(value: float) -> str:
    return f"{value:.0f}" if value <= MOST_SECONDS else f"over {MOST_SECONDS:,}"


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Seconds against dB: every image of every method, its two settings joined by a line."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, NullLocator

    names = ["ours", *results["peers"]]
    figure, panels = plt.subplots(
        1, len(results["items"]), figsize=(10, 3.6), dpi=110, sharey=True, layout="constrained"
    )
    for axes, number in zip(panels, results["items"], strict=True):
        for colour, name in enumerate(names):
            first, second = both(results, name, str(number))
            for place, field in enumerate(first["images"]):
                axes.plot(
                    [first["images"][field], second["images"][field]],
                    [first["psnr"][field], second["psnr"][field]],
                    marker="ospd"[place],
                    color=f"C{colour}",
                    label=NAMES[name] if place == 0 else None,
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
