# SPDX-License-Identifier: Apache-2.0
"""An inspection -> one HTML page that needs no other file: summary, checks, distributions, and a gallery of samples."""

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from multishade.errors import MultiShadeError, OutputError
from multishade.imaging.display import Picture, fit_height
from multishade.inspect.run import Inspection
from multishade.inspect.text import render_text
from multishade.report.drawable import is_drawable
from multishade.report.html import (
    data_url,
    inline_modules,
    render_template,
    script_data,
    source_hash,
    static_text,
)
from multishade.report.legend import normal_ball
from multishade.report.pictures import crop_of, facts_of, large_view, normal_bytes, png, replay_command
from multishade.report.sheet import spread
from multishade.shards.dataset import Dataset
from multishade.shards.layout import RECORD_NAME
from multishade.shards.sample import Sample
from multishade.storage.local import write_text
from multishade.storage.store import open_file

MOST_SAMPLES = 200
MODULES = (
    *("relight/shading.js", "relight/picture.js", "relight/light_pad.js"),
    *("relit.js", "sample.js", "dialog.js", "inspection.js"),
)
# Up to this number of samples: pixels a side of pictures, frames and normals, so that a page stays below 20 MB.
SIDES = ((12, 384, 160, 256), (40, 256, 112, 160), (MOST_SAMPLES, 160, 72, 80))
QUALITY = 80  # of WebP
BINS, PLOT_HEIGHT = 24, 60
PLOTS = {
    "object_share": "object's share of the frame",
    "least_squares_degrees": "least squares against the normal, degrees",
    "depth_degrees": "slope of the depth against the normal, degrees",
    "shading_error": "error of the shading",
    "normal_length_error": "error of the normal's length",
}


def write_page(path: Path, inspection: Inspection, places: Sequence[str], rows: int = MOST_SAMPLES) -> int:
    """Write the page.

    Args:
        path: The HTML file.
        inspection: Of the shards.
        places: The tars that were inspected.
        rows: Samples in the gallery at most; those with findings come first. More than `MOST_SAMPLES` are not shown.

    Returns:
        The number of samples in the gallery.

    Raises:
        OutputError: If the file cannot be written.
    """
    summary = inspection.summary
    reasons: dict[str, list[str]] = {}
    for finding in summary["findings"]:
        reasons.setdefault(finding["key"], []).append(finding["message"])
    samples = _gallery(places, min(rows, MOST_SAMPLES), reasons)
    style = static_text("sample.css") + static_text("inspection.css")
    script = inline_modules(*MODULES)
    names = [open_file(place).name for place in places]
    count = len(summary["findings"])
    html = render_template(
        "inspection.html",
        title=names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}",
        sound=inspection.sound,
        verdict="Sound: all checks passed." if inspection.sound else f"Not sound: {count} findings.",
        text=render_text(summary),
        plots=_plots(inspection),
        shown=f"{len(samples)} of {summary['samples']:,} samples",
        ball=data_url(png(np.asarray(normal_ball(64))), "image/png"),
        data=script_data(samples),
        style=style,
        script=script,
        style_hash=source_hash(style),
        script_hash=source_hash(script),
    )
    write_text(path, html, OutputError)
    return len(samples)


def _gallery(places: Sequence[str], rows: int, reasons: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """What the page needs of each sample; samples that cannot be drawn are left out, the checks name them."""
    found = []
    entries: list[tuple[str, str]] = []
    sets: dict[str, Dataset] = {}
    for place in places:
        try:
            sets[place] = Dataset(place)
            entries += [(place, key) for key in sets[place]]
        except MultiShadeError:
            continue
    chosen = spread(entries, rows, set(reasons))
    sides = next(each[1:] for each in SIDES if len(chosen) <= each[0])
    for place, key in chosen:
        try:
            sample = sets[place][key]
        except MultiShadeError:
            continue
        if not is_drawable(sample):
            continue
        folder = sets[place].shards[0].store
        command = replay_command(folder.url, key) if folder.exists(RECORD_NAME) else None
        found.append(_entry(sample, sides, command, list(reasons.get(key, ()))))
    return found


def _entry(
    sample: Sample, sides: tuple[int, int, int], command: str | None, findings: list[str]
) -> dict[str, Any]:
    view = large_view(sample)
    side, normals = normal_bytes(view, sides[2])
    return {
        "key": sample.key,
        "title": sample.info.object.id,
        "findings": findings,
        "pictures": [
            {"id": str(i), "name": tile.name, "note": tile.note, "url": _webp(tile.picture, sides[0])}
            for i, tile in enumerate(view.pictures)
        ],
        "frames": [{"note": tile.note, "url": _webp(tile.picture, sides[1])} for tile in view.frames],
        "facts": facts_of(sample) + [("finding", finding) for finding in findings],
        "meta": sample.meta,
        "command": command,
        "packed": {"side": side, "data": base64.b64encode(zlib.compress(normals, 9)).decode()},
        "box": crop_of(sample),
    }


def _webp(picture: Picture, side: int) -> str:
    shown = fit_height(picture, side) if picture.shape[0] > side else picture
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(stream, "webp", quality=QUALITY, method=4)
    return data_url(stream.getvalue(), "image/webp")


def _plots(inspection: Inspection) -> list[dict[str, Any]]:
    """Histograms of the measures, and counts of what is there, as bars."""
    measures = [sample.measures for report in inspection.reports for sample in report.samples]
    plots = []
    for name, title in PLOTS.items():
        values = np.array([found[name] for found in measures if name in found])
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        counts = np.histogram(values, BINS)[0]
        note = f"{values.min():.3g} to {values.max():.3g}, median {np.median(values):.3g}"
        plots.append({"name": title, "note": note, "bars": _heights(counts.tolist())})
    for name in ("families", "materials", "lights", "environments"):
        tally = list(inspection.summary[name].items())
        if tally:
            note = ", ".join(f"{value} {count}" for value, count in tally[:6])
            more = f" and {len(tally) - 6} more" if len(tally) > 6 else ""
            plots.append({"name": name, "note": note + more, "bars": _heights([n for _, n in tally[:BINS]])})
    return plots


def _heights(counts: Sequence[int]) -> list[float]:
    most = max(1, *counts)
    return [round(PLOT_HEIGHT * count / most, 2) for count in counts]
