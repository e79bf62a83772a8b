# SPDX-License-Identifier: Apache-2.0
"""A summary (`report.summarise`) -> the text that `multishade inspect` prints."""

from typing import Any

from multishade.inspect.checks import CHECKS
from multishade.inspect.report import SHARD_CHECKS

SHOWN_FINDINGS = 12  # per check; --json has all of them
SHOWN_NAMES = 6
_SHARD_CHECK_TEXTS = {
    "readable": "Every file of every sample can be decoded.",
    "files": "Every sample has the same files in the same order; no key occurs twice.",
    "types": "No name in meta.json has values of two types, such as null in one sample and a text in another.",
    "hashes": "Length, samples and sha256 are those of the marker.",
}


def render_text(summary: dict[str, Any]) -> str:
    """Format a summary: counts, contents, ranges, checks with their findings, and whether all is sound.

    Args:
        summary: From `multishade.inspect.report.summarise`.

    Returns:
        Lines of plain text.
    """
    parts = [_heading(summary), _contents(summary), _files(summary), _figures(summary), _checks(summary)]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _heading(summary: dict[str, Any]) -> list[str]:
    shards, samples, groups = len(summary["shards"]), summary["samples"], summary["groups"]
    lines = [
        f"{_number(shards, 'shard')}, {_number(groups, 'group')}, {_number(samples, 'sample')}, "
        f"{_size(summary['bytes'])} ({_size(summary['bytes'] / max(1, samples))} a sample)"
    ]
    unmarked = [shard["path"] for shard in summary["shards"] if not shard["marker"]]
    if unmarked:
        lines.append(f"no marker beside {_list(unmarked)}: hashes were not compared")
    failed = sum(shard["failed_groups"] for shard in summary["shards"])
    if failed:
        lines.append(
            f"{_number(failed, 'group')} could not be rendered and is left out; the markers state the reasons"
        )
    return lines


def _contents(summary: dict[str, Any]) -> list[str]:
    rows = [
        ("objects", f"{summary['objects']}: {_tally(summary['families'])}"),
        ("materials", _tally(summary["materials"])),
        ("cameras", _tally(summary["cameras"])),
        ("lights", _tally(summary["lights"])),
        ("environments", _tally(summary["environments"])),
        ("shading", _tally(summary["shading"])),
        ("rendered by", _tally(summary["renderers"])),
    ]
    return [f"{name:<15}{text}" for name, text in rows if text]


def _files(summary: dict[str, Any]) -> list[str]:
    if not summary["files"]:
        return []
    files = _joined(summary["files"])
    whole = sum(files.values())
    width = max(len(name) for name in files) + 2
    lines = [
        f"{'file':<{width}}{'a sample':>10}{'share':>8}   luminance on the object: median (least to most), 99 %"
    ]
    for name, size in files.items():
        field = "shading" if name.startswith("light_") else name.split(".")[0]
        median, high = (summary["measures"].get(f"{field}_{which}") for which in ("median", "p99"))
        luminance = ""
        if median and high:
            luminance = f"   {median['median']:.3f} ({median['min']:.3f} to {median['max']:.3f}), {high['median']:.2f}"
        lines.append(f"{name:<{width}}{_size(size):>10}{size / whole:>8.1%}{luminance}")
    return lines


def _joined(files: dict[str, float]) -> dict[str, float]:
    """The files of a photometric sequence in PNG as one entry, "light_00.png ... light_95.png"."""
    lights = [name for name in files if name.startswith("light_")]
    joined: dict[str, float] = {}
    for name, size in files.items():
        shown = f"{lights[0]} ... {lights[-1]}" if name in lights else name
        joined[shown] = joined.get(shown, 0.0) + size
    return joined


def _figures(summary: dict[str, Any]) -> list[str]:
    rows = [
        ("object_share", "object covers", lambda m: f"{m['min']:.1%} to {m['max']:.1%} of the frame"),
        (
            "least_squares_degrees",
            "least squares",
            lambda m: f"gives the normal back to {m['mean']:.3f} degrees (mean), worst sample {m['max']:.3f}",
        ),
        ("determined_share", "", lambda m: f"determined on {m['mean']:.1%} of the object"),
        ("shading_error", "shading", lambda m: f"max(0, n . l) to {m['max']:.1e}"),
        ("shadowed_share", "cast shadows", lambda m: f"on {m['mean']:.1%} of what would be lit"),
        (
            "light_basis_fit",
            "light basis",
            lambda m: f"follows max(0, n . l) with correlation {m['median']:.2f}, least {m['min']:.2f}",
        ),
        (
            "depth_degrees",
            "depth",
            lambda m: f"slope {m['median']:.2f} degrees off the normal (median), worst sample {m['max']:.2f}",
        ),
        ("normal_length_error", "normals", lambda m: f"unit length to {m['max']:.1e}"),
    ]
    measures = summary["measures"]
    lines = [f"{label:<15}{text(measures[name])}" for name, label, text in rows if name in measures]
    return lines + _nearly_black(summary["nearly_black"])


def _nearly_black(images: list[dict[str, Any]]) -> list[str]:
    if not images:
        return []
    darkest = sorted(images, key=lambda image: image["median"])
    names = _list([f"{image['key']} {image['image']} ({image['median']:.1g})" for image in darkest])
    return [f"{'nearly black':<15}{_number(len(images), 'image')}, by their median luminance: {names}"]


def _checks(summary: dict[str, Any]) -> list[str]:
    texts = _SHARD_CHECK_TEXTS | {name: str(check.__doc__).splitlines()[0] for name, check in CHECKS.items()}
    lines = []
    for name in (*SHARD_CHECKS, *CHECKS):
        found = [finding for finding in summary["findings"] if finding["check"] == name]
        lines.append(f"{'FAIL' if found else 'ok':<6}{name:<15}{texts[name]}")
        for finding in found[:SHOWN_FINDINGS]:
            lines.append(
                f"{'':<9}{finding['shard']}{' ' * bool(finding['key'])}{finding['key']}: {finding['message']}"
            )
        if len(found) > SHOWN_FINDINGS:
            lines.append(f"{'':<9}and {len(found) - SHOWN_FINDINGS} more (--json has them all)")
    count = len(summary["findings"])
    lines += ["", "sound" if summary["sound"] else f"not sound: {_number(count, 'finding')}"]
    return lines


def _tally(counts: dict[str, int]) -> str:
    shown = [f"{name} ({count})" for name, count in list(counts.items())[:SHOWN_NAMES]]
    return ", ".join(shown) + (f" and {len(counts) - SHOWN_NAMES} more" if len(counts) > SHOWN_NAMES else "")


def _list(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")
