# SPDX-License-Identifier: Apache-2.0
"""Results of a run -> seconds at equal quality: ours, and those of a script with the same samples for all images."""

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.rendering import schedule
from benchmarks.rendering.panel import PANEL

MOST_SECONDS = 5000  # of a view; beyond that the extrapolation is meaningless


def comparison(results: Mapping[str, Any]) -> str:
    """Write the table of seconds at equal quality, ours and the script's, and the ratios."""
    least, wanted = worst(results), script_samples(results)
    lamps = ", ".join(
        f"{samples:.0f} for a {kind} light" for kind, samples in wanted.items() if kind != "environment"
    )
    lines = [
        f"CPU seconds of a view at equal quality. The lowest PSNR of our images is {least:.1f} dB. The script has no "
        "information about its images beforehand, so all images of a kind get the samples with which the worst one "
        f"reaches this: {lamps}, {wanted['environment']:.0f} for an environment, interpolated from its two measured "
        f"settings ({results['samples'][0]} and {results['samples'][1]} samples). In the last two columns every image "
        "of the script gets exactly the samples with which it has the PSNR of ours.",
        "",
        "| object, material | shows | ours | script | times ours | script, ideal samples | times ours |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    ours, alike, own = (
        [of(results, number) for number in range(len(PANEL))] for of in (seconds, alike_seconds, own_seconds)
    )
    for item, mine, same, known in zip(PANEL, ours, alike, own, strict=True):
        lines.append(f"| {item.name} | {item.shows} | {_row(mine, same, known)} |")
    means = [statistics.mean(values) for values in (ours, alike, own)]
    lines.append(f"| **mean** | | {_row(*means)} |")
    limit = statistics.mean(found["limit"] for (found,) in results["ours"].values())
    lines += [
        "",
        f"Of our seconds, {limit:.1f} are spent inside the render calls for images and buffers, which is the limit; "
        f"everything else adds {means[0] / limit - 1:.1%}.",
    ]
    if "blenderproc" in results:
        ((number, pair),) = results["blenderproc"].items()
        theirs = [found["total"] - sum(found["images"].values()) for found in pair[:1]]
        script = results["straightforward"][number]
        ratios = [
            sum(a["images"].values()) / sum(b["images"].values()) for a, b in zip(pair, script, strict=True)
        ]
        rest = script[0]["total"] - sum(script[0]["images"].values())
        lines += [
            "",
            f"BlenderProc 2.8 with its documented calls, on {PANEL[int(number)].name}: its four images take "
            f"{ratios[0]:.2f} and {ratios[1]:.2f} times the script's seconds at {results['samples'][0]} and "
            f"{results['samples'][1]} samples, everything else (mostly nine shadings) {theirs[0]:.0f} s, "
            f"the script's {rest:.0f} s. It runs Blender 4.2, whose bump node differs, so its images cannot be "
            "compared with the same references; at equal samples they are assumed to be as good as the script's.",
        ]
    else:
        lines += ["", "BlenderProc was not available in this run (MULTISHADE_BLENDERPROC)."]
    return "\n".join(lines)


def worst(results: Mapping[str, Any]) -> float:
    """The lowest PSNR of our images, dB."""
    return min(value for (found,) in results["ours"].values() for value in found["psnr"].values())


def script_samples(results: Mapping[str, Any]) -> dict[str, float]:
    """Kind of light -> the samples with which all of the script's images have the PSNR of our worst."""
    few, many = results["samples"]
    wanted: dict[str, float] = {}
    for cheap, dear in results["straightforward"].values():
        for field in cheap["images"]:
            pair = (few, cheap["psnr"][field]), (many, dear["psnr"][field])
            needed = schedule.seconds_at(worst(results), *pair)
            wanted[_kind(field)] = max(wanted.get(_kind(field), 0.0), needed)
    return wanted


def seconds(results: Mapping[str, Any], number: int) -> float:
    """Our seconds of a whole view."""
    return results["ours"][str(number)][0]["total"]


def alike_seconds(results: Mapping[str, Any], number: int) -> float:
    """The script's seconds if all images of a kind have the samples of `script_samples`."""
    few, many = results["samples"]
    cheap, dear = results["straightforward"][str(number)]
    total = cheap["total"] - sum(cheap["images"].values())
    for field, spent in cheap["images"].items():
        each = (dear["images"][field] - spent) / (many - few)
        total += spent + each * (script_samples(results)[_kind(field)] - few)
    return total


def own_seconds(results: Mapping[str, Any], number: int) -> float:
    """The script's seconds if each image has the samples that give it our image's PSNR."""
    cheap, dear = results["straightforward"][str(number)]
    mine = results["ours"][str(number)][0]["psnr"]
    total = cheap["total"] - sum(cheap["images"].values())
    for field, spent in cheap["images"].items():
        pair = (spent, cheap["psnr"][field]), (dear["images"][field], dear["psnr"][field])
        total += schedule.seconds_at(mine[field], *pair)
    return total


def _kind(field: str) -> str:
    return "environment" if field.startswith("image_env") else field.removeprefix("image_")


def _row(ours: float, alike: float, own: float) -> str:
    return f"{ours:.0f} | {shown_seconds(alike)} | {alike / ours:.1f} | {shown_seconds(own)} | {_times(own, ours)}"


def _times(seconds: float, ours: float) -> str:
    return f"{seconds / ours:.1f}" if seconds <= MOST_SECONDS else "?"


def shown_seconds(value: float) -> str:
    """CPU seconds as text."""
    return f"{value:.0f}" if value <= MOST_SECONDS else f"over {MOST_SECONDS:,}"
