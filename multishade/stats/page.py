# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set and their checks -> one page that needs no other file, and the same figures as JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Picture

from multishade.imaging.quality import ImageQuality
from multishade.report import document
from multishade.report.document import Block, Caution, Figure, Heading, Paragraph, Table
from multishade.report.html import data_url
from multishade.report.sheet import draw_sheet
from multishade.shards.locate import find_shards
from multishade.stats import contents, exposures, figures, lights, surfaces, views
from multishade.stats.check import Check
from multishade.stats.exposures import images_of
from multishade.stats.gather import Statistics
from multishade.stats.quality import LEAST_PSNR, SECTION
from multishade.storage.store import open_store

SHOWN_SAMPLES = 4
CAPTIONS = {
    surfaces.NORMALS: "Camera's frame: x right, y up, z toward the camera. Every sample counts the same.",
    lights.SECTION: "A dot is the light of one image. Equal areas are equal solid angles; at radius 1 it is 90° off.",
    exposures.SECTION: "Images as they are stored. Those left of the band are limited by their highlights.",
    contents.MATERIALS: "A group is one object in one material, seen from several views.",
    views.FRAMING: "Lengths in scene units: the object's bounding sphere has radius 0.5.",
    surfaces.SHADING: "From the stored normal and, if the sequence is stored with shadows, from the sequence itself.",
    SECTION: "Display-encoded (sRGB), inside the mask, against the same scene with many paths and no denoiser.",
}


def write_page(
    out: Path,
    statistics: Statistics,
    checks: Sequence[Check],
    quality: Sequence[ImageQuality],
    note: str = "",
) -> None:
    """Write `stats.html`, `stats.json` and `samples.png` into `out`. note: why checks of the manifests are missing."""
    out.mkdir(parents=True, exist_ok=True)
    title = f"Statistics of {statistics.folder}"
    html = document.to_html(
        title, [_thumbnails(out / "samples.png", statistics), *blocks(statistics, checks, quality, note)]
    )
    (out / "stats.html").write_text(html, encoding="utf-8")
    content = json.dumps(as_json(statistics, checks, quality, note), indent=2, ensure_ascii=False)
    (out / "stats.json").write_text(content + "\n", encoding="utf-8")


def _thumbnails(path: Path, statistics: Statistics) -> Figure:
    """Some samples as pictures, which the page contains."""
    shards = find_shards([open_store(statistics.folder).url])
    chosen = shards[:: -(-len(shards) // SHOWN_SAMPLES)]
    shown = draw_sheet(path, chosen, SHOWN_SAMPLES)
    return Figure(data_url(path.read_bytes(), "image/png"), f"{shown} of {statistics.total:,} samples.")


def blocks(
    statistics: Statistics, checks: Sequence[Check], quality: Sequence[ImageQuality], note: str = ""
) -> list[Block]:
    """Return the page: suspect checks first, then the checks and the figure of each section."""
    suspect = [check for check in checks if not check.ok]
    parts: list[Block] = [
        Paragraph(
            f"{len(statistics.samples):,} of {statistics.total:,} samples in {statistics.shards:,} shards; "
            f"images and depth of {sum(sample.depth is not None for sample in statistics.samples):,}. "
            f"{len(checks) - len(suspect)} of {len(checks)} checks are ok."
        )
    ]
    parts += [Caution(f"{check.what}: {check.measured}. Expected: {check.expected}.") for check in suspect]
    if note:
        parts.append(Caution(f"Not compared with the manifests: {note}"))
    pictures = figures_of(statistics)
    pictures[SECTION] = figures.quality(quality, LEAST_PSNR) if quality else None
    for section in dict.fromkeys(check.section for check in checks):
        parts.append(Heading(section))
        rows = [
            ["ok" if check.ok else "SUSPECT", check.what, check.measured, check.expected]
            for check in checks
            if check.section == section
        ]
        parts.append(Table(("", "what", "measured", "expected"), rows, text_columns=4, wrap=True))
        picture = pictures.get(section)
        if picture is not None:
            parts.append(Figure(data_url(figures.png_bytes(picture), "image/png"), CAPTIONS[section]))
    return parts


def figures_of(statistics: Statistics) -> dict[str, Picture | None]:
    """Return the figure of each section; None if the samples that were read do not give one."""
    return {
        contents.MATERIALS: figures.materials(statistics),
        views.FRAMING: figures.framing(statistics),
        surfaces.NORMALS: figures.normals(statistics),
        lights.SECTION: figures.light_directions(statistics),
        exposures.SECTION: figures.exposure(statistics),
        surfaces.SHADING: figures.shading(statistics),
    }


def as_json(
    statistics: Statistics, checks: Sequence[Check], quality: Sequence[ImageQuality], note: str = ""
) -> dict[str, Any]:
    """Return the content of the page and the numbers behind its figures."""
    groups = contents.groups_of(statistics)
    images = images_of(statistics)
    kinds = list(dict.fromkeys(image.kind for image in images))
    samples = statistics.samples
    return {
        "name": statistics.config.name,
        "shards": statistics.shards,
        "samples": statistics.total,
        "samples_read": len(samples),
        "note": note,
        "suspect": sum(not check.ok for check in checks),
        "checks": [asdict(check) for check in checks],
        "objects": _tally(str(group.object.family) for group in groups.values()),
        "materials": _tally(group.material.kind for group in groups.values()),
        "normal_mean": np.mean([sample.normal for sample in samples], axis=0).round(5).tolist(),
        "normal_disc": np.sum([sample.disc for sample in samples], axis=0).tolist(),
        "normal_squared_cosine": np.sum([sample.angles for sample in samples], axis=0).tolist(),
        "light_directions": {
            kind: lights.directions_of(statistics, kind).round(5).tolist()
            for kind in ("parallel", "point")
            if lights.lights_of(statistics, kind)
        },
        "exposure": {
            kind: {
                name: [round(getattr(image, name), 5) for image in images if image.kind == kind]
                for name in ("median", "bright", "clipped", "black")
            }
            for kind in kinds
        },
        "mask_share": [round(sample.area, 5) for sample in samples],
        "camera_distance": [round(sample.distance, 5) for sample in samples],
        "depth_range": [sample.depth for sample in samples if sample.depth is not None],
        "lit_share": surfaces.lit_shares(statistics).round(5).tolist(),
        "psnr": [asdict(item) for item in quality],
    }


def _tally(names: Any) -> dict[str, int]:
    return dict(Counter(names).most_common())
