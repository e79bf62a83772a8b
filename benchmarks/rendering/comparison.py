# SPDX-License-Identifier: Apache-2.0
"""Results of a run -> seconds at equal quality: ours, and those of a script that knows nothing of its images."""

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.rendering import schedule
from benchmarks.rendering.panel import PANEL

MOST_SECONDS = 5000  # of a view; what is beyond was extrapolated too far to mean anything


def comparison(results: Mapping[str, Any]) -> str:
    """Seconds at equal quality of each item, ours and the script's, and the ratios."""
    least, wanted = worst(results), script_samples(results)
    said = ", ".join(
        f"{samples:.0f} for a {kind} light" for kind, samples in wanted.items() if kind != "environment"
    )
    lines = [
        f"CPU seconds of a view at equal quality. No image of ours has less than {least:.1f} dB. A script knows "
        "nothing of its images beforehand, and has to give each the samples with which the worst is as good: "
        f"{said}, {wanted['environment']:.0f} for an environment, from its two measured settings "
        f"({results['samples'][0]} and {results['samples'][1]} samples). In the last columns it is as if it knew of "
        "each image what gives the dB that ours has.",
        "",
        "| object, material | shows | ours | script | times ours | script, if it knew | times ours |",
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
        f"Of ours, {limit:.1f} s are inside the render calls of its images and buffers, the limit: all else is "
        f"{means[0] / limit - 1:.1%} of that.",
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
            f"{results['samples'][1]} samples, all else (nine shadings, mostly) {theirs[0]:.0f} s, the "
            f"script's {rest:.0f} s. It runs Blender 4.2, whose bump node differs, so that its images cannot be held "
            "against the same reference; with as many samples they are taken to be as good as the script's.",
        ]
    else:
        lines += ["", "BlenderProc was not there in this run (MULTISHADE_BLENDERPROC)."]
    return "\n".join(lines)


def worst(results: Mapping[str, Any]) -> float:
    """The least dB of any image of ours."""
    return min(value for (found,) in results["ours"].values() for value in found["psnr"].values())


def script_samples(results: Mapping[str, Any]) -> dict[str, float]:
    """Kind of light -> the samples with which all of the script's images have the dB of our worst."""
    few, many = results["samples"]
    wanted: dict[str, float] = {}
    for cheap, dear in results["straightforward"].values():
        for field in cheap["images"]:
            pair = (few, cheap["psnr"][field]), (many, dear["psnr"][field])
            needed = schedule.seconds_at(worst(results), *pair)
            wanted[_kind(field)] = max(wanted.get(_kind(field), 0.0), needed)
    return wanted


def seconds(results: Mapping[str, Any], number: int) -> float:
    """Ours, of a whole view."""
    return results["ours"][str(number)][0]["total"]


def alike_seconds(results: Mapping[str, Any], number: int) -> float:
    """The script's, where all images of a kind have the samples of `script_samples`."""
    few, many = results["samples"]
    cheap, dear = results["straightforward"][str(number)]
    total = cheap["total"] - sum(cheap["images"].values())
    for field, spent in cheap["images"].items():
        each = (dear["images"][field] - spent) / (many - few)
        total += spent + each * (script_samples(results)[_kind(field)] - few)
    return total


def own_seconds(results: Mapping[str, Any], number: int) -> float:
    """The script's, where each image has the samples that give it our image's dB."""
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
    """CPU seconds in words."""
    return f"{value:.0f}" if value <= MOST_SECONDS else f"over {MOST_SECONDS:,}"
