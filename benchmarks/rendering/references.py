# SPDX-License-Identifier: Apache-2.0
"""The references of the panel's images: kept in `references/`, rendered if they are missing (15 minutes)."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.rendering import quality
from benchmarks.rendering.bench import Bench, object_box
from benchmarks.rendering.panel import PANEL, Item, config, planned
from multishade.protocol.codec import to_json

FOLDER = Path("benchmarks/rendering/references")
SCRATCH = Path("data/bench-render")
SEEDS = 77_000, 78_000  # of the two halves
# Blender's defaults.
DEFAULTS = {
    "psnr": None,
    "denoise": False,
    "adaptive_threshold": 0.0,
    "importance_map": 2048,  # Blender takes the map's own size; the sun in a map of 1k needs more
    "max_bounces": 12,
    "diffuse_bounces": 4,
    "glossy_bounces": 4,
    "transmission_bounces": 12,
    "clamp_indirect": 10.0,
    "light_tree": True,
}


def path_of(item: Item) -> Path:
    """The path contains a hash of what is rendered and how, so that a changed panel does not use old references."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    views = planned(item, config(), SCRATCH).views
    what = [to_json(view) for view in views], item.object, item.material, DEFAULTS, quality.SETTINGS
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    return FOLDER / f"reference-{item.number:02d}-{digest[:12]}.npz"


def of(item: Item) -> dict[str, quality.Reference]:
    """Read the references of an item, by field. Raises FileNotFoundError if they have not been rendered."""
    return quality.load(path_of(item))


def make(bench: Bench, item: Item) -> float:
    """Render the item's references if they are missing; returns seconds."""
    path = path_of(item)
    if path.is_file():
        return 0.0
    started = time.perf_counter()
    quick = dict.fromkeys(bench.settings.samples, 16)
    view = bench.load(item, samples=quick, psnr=None, denoise_quality="high")
    mask = bench.mask(view)
    boxes = quality.windows(mask, item.number)
    box = object_box(mask)
    factors = [
        quality.exposure_of(bench.whole(view, number, box), mask) for number in range(len(view.lights))
    ]
    view = bench.load(item, samples=dict.fromkeys(quick, quality.SAMPLES // 2), **DEFAULTS)
    inside = np.stack([mask[top:bottom, left:right] for left, top, right, bottom in boxes])
    found = {}
    for number, light in enumerate(view.lights):
        halves = [
            np.stack([bench.image(view, number, cut, seed + i) for i, cut in enumerate(boxes)])
            for seed in SEEDS
        ]
        found[light.field] = quality.reference(boxes, (halves[0], halves[1]), inside, factors[number])
    quality.save(path, found)
    return time.perf_counter() - started


def make_all(items: tuple[Item, ...] = PANEL) -> float:
    """Render the missing references of all items; returns seconds."""
    with Bench() as bench:
        total = 0.0
        for item in items:
            total += (spent := make(bench, item))
            print(f"reference of {item.name}: {spent:.0f} s", flush=True)
    return total
