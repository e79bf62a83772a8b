# SPDX-License-Identifier: Apache-2.0
"""Images of a data set rendered again with many paths and no denoiser -> how far the stored ones are from them."""

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from multishade.config import Config
from multishade.config.models import Adaptive, Quality
from multishade.errors import ShardError
from multishade.imaging.quality import psnr
from multishade.protocol import scene
from multishade.render.assemble import light_meta
from multishade.render.blender import render_views
from multishade.render.plan import Plan
from multishade.render.replay import plan_of, planned_view
from multishade.render.scenes import scene_group
from multishade.render.stopwatch import Stopwatch
from multishade.render.worker import GroupRenderer
from multishade.shards.fields import decode_grey, decode_image
from multishade.shards.layout import shard_file
from multishade.shards.meta import SampleMeta
from multishade.shards.tar import read_shard
from multishade.stats.check import Check, percent
from multishade.stats.gather import Survey
from multishade.stats.measure import SampleFigures

SECTION = "Image quality"
LEAST_PSNR = 30.0  # dB, of the median of each kind; below, noise or lost texture shows at first sight
MOST_SHORT = 0.05  # share of images that may stay below the quality that was asked for


@dataclasses.dataclass(frozen=True)
class Compared:
    """One image against its reference. psnr: dB, display-encoded, inside the mask, over the three channels."""

    key: str
    field: str
    kind: str
    psnr: float


def measure_quality(
    folder: Path, samples: Sequence[SampleFigures], count: int, paths: int, threads: int, seed: int = 0
) -> list[Compared]:
    """`count` images, each of another sample and by turns of every light, rendered again with `paths` samples a pixel.

    Raises ShardError where there are none, or the plan no longer gives the scene that was rendered, AssetError,
    BlenderError.
    """
    plan = plan_of(folder)
    order = np.random.default_rng(seed).permutation(len(samples))[:count]
    fields = [light for light in samples[0].lights]
    if not fields:
        raise ShardError(
            f"{folder}: its samples have no input images, which --psnr renders again; leave it out"
        )
    found = []
    with GroupRenderer(reference_config(plan.config, paths), threads, Stopwatch()) as renderer:
        for number, place in enumerate(
            tqdm(order, unit=" images", disable=not sys.stderr.isatty(), leave=False)
        ):
            key, field = samples[place].key, fields[number % len(fields)]
            found.append(_compare(plan, folder, key, field, renderer))
    return found


def check_quality(found: Sequence[Compared], paths: int) -> Iterator[Check]:
    for kind in dict.fromkeys(item.kind for item in found):
        values = [item.psnr for item in found if item.kind == kind]
        median = float(np.median(values))
        yield Check(
            SECTION,
            f"PSNR of {kind} images against {paths:,} paths",
            f"median {median:.1f} dB, {min(values):.1f} to {max(values):.1f} ({len(values)} images)",
            f"median at least {LEAST_PSNR:g} dB",
            median >= LEAST_PSNR,
        )


def check_converged(survey: Survey) -> Iterator[Check]:
    """Whether the images have the quality that the recipe asks for, as the renderer estimated it."""
    wanted = survey.config.render.quality.psnr
    found = [value for sample in survey.samples for value in sample.quality.values()]
    if wanted is None or not found:
        return
    short = sum(value < wanted for value in found) / len(found)
    yield Check(
        SECTION,
        f"quality, images below {wanted:g} dB for want of samples (as estimated while rendering)",
        f"{percent(short)} of {len(found):,}; the least {min(found):.1f} dB",
        f"at most {MOST_SHORT:.0%} (render.samples is the most that an image gets)",
        short <= MOST_SHORT,
    )


def reference_config(config: Config, paths: int) -> Config:
    """The recipe with `paths` samples in every pixel, no denoiser; all else, bounces and clamping too, as it is."""
    render = config.render
    samples = render.samples.model_copy(update=dict.fromkeys(render.samples.model_dump(), paths))
    denoise = render.denoise.model_copy(update={"enabled": False})
    plain = {"samples": samples, "denoise": denoise, "quality": Quality(), "adaptive": Adaptive()}
    return config.model_copy(update={"render": render.model_copy(update=plain)})


def _compare(plan: Plan, folder: Path, key: str, field: str, renderer: GroupRenderer) -> Compared:
    shard, group = planned_view(plan, folder, key)
    (view,) = group.views
    stored = next(files for name, files in read_shard(shard_file(folder, shard)) if name == key)
    info = SampleMeta.parse(key, json.loads(stored["meta.json"]))
    light = next((light for light in view.lights if light.field == field), None)
    if light is None or light_meta(light, group) != info.lights.get(field):
        raise ShardError(
            f"{key}: {field} was lit otherwise than this version of the program plans it: render the data set again, "
            "or compare with the version that made it"
        )
    alone = scene.Sequence("lambert", view.sequence.directions)
    view = dataclasses.replace(view, lights=(light,), sequence=alone)
    blender = renderer.blender()
    request = scene_group(dataclasses.replace(group, views=(view,)), blender.folder, plan.config)
    (rendered,) = render_views(blender, request, renderer.settings, Stopwatch())
    reference = rendered.images[field] * np.float32(info.exposure[field])
    name = next(name for name in stored if name.rsplit(".", 1)[0] == field)
    image = decode_image(key, name, stored[name])
    mask = decode_grey(key, "mask.png", stored["mask.png"]) > 127
    return Compared(key, field, light.kind, psnr(image, reference, mask))
