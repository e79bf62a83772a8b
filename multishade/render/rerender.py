# SPDX-License-Identifier: Apache-2.0
"""Images of a data set, rendered again with many paths and without denoiser -> the PSNR of the stored ones."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from multishade.config import Config
from multishade.config.models import Adaptive, Quality
from multishade.errors import ShardError
from multishade.imaging.quality import ImageQuality, psnr
from multishade.protocol import scene
from multishade.render.blender import render_views
from multishade.render.group_renderer import GroupRenderer
from multishade.render.plan import Plan, read_plan
from multishade.render.relight import rendered_light
from multishade.render.replay import planned_view
from multishade.render.scenes import scene_group
from multishade.render.stopwatch import Stopwatch
from multishade.shards.dataset import Dataset
from multishade.shards.fields import decode_grey, decode_image
from multishade.shards.layout import shard_file
from multishade.shards.meta import SampleMeta
from multishade.storage.store import FolderPlace


def measure_quality(
    folder: FolderPlace, images: Sequence[tuple[str, str]], paths: int, threads: int
) -> Iterator[ImageQuality]:
    """Render images again and compare the stored ones with them, one at a time.

    Args:
        folder: The data set.
        images: Key and field of each image, such as ("s000000-g0001-v0", "image_point").
        paths: Paths a pixel of the references.
        threads: Threads of Blender.

    Yields:
        The quality of each image, in the order of `images`.

    Raises:
        ShardError: If an image is missing, or the plan no longer gives the scene that was rendered.
        AssetError, BlenderError: If an image cannot be rendered.
    """
    plan = read_plan(folder)
    with GroupRenderer(reference_config(plan.config, paths), threads, Stopwatch()) as renderer:
        for key, field in images:
            yield _compare(plan, folder, key, field, renderer)


def reference_config(config: Config, paths: int) -> Config:
    """Return the recipe with `paths` samples in every pixel and no denoiser; bounces and clamping do not change."""
    render = config.render
    samples = render.samples.model_copy(update=dict.fromkeys(render.samples.model_dump(), paths))
    denoise = render.denoise.model_copy(update={"enabled": False})
    plain = {"samples": samples, "denoise": denoise, "quality": Quality(), "adaptive": Adaptive()}
    return config.model_copy(update={"render": render.model_copy(update=plain)})


def _compare(plan: Plan, folder: FolderPlace, key: str, field: str, renderer: GroupRenderer) -> ImageQuality:
    shard, group = planned_view(plan, folder, key)
    (view,) = group.views
    stored = Dataset(shard_file(folder, shard).url).files(key)
    info = SampleMeta.decode(key, stored["meta.json"])
    number = next((number for number, light in enumerate(view.lights) if light.field == field), None)
    light = None if number is None else rendered_light(plan.config, group, view, number, info)
    if light is None:
        raise ShardError(
            f"{key}: {field} was lit otherwise than this version of the program plans it: render the data set again, "
            "or compare with the version that made it"
        )
    alone = scene.Sequence("lambert", view.sequence.directions)
    view = dataclasses.replace(view, lights=(light,), sequence=alone)
    blender = renderer.blender(group)
    request = scene_group(
        dataclasses.replace(group, views=(view,)), blender.folder, plan.config, blender.copy
    )
    (rendered,) = render_views(blender, request, renderer.settings, Stopwatch())
    reference = rendered.images[field] * np.float32(info.exposure[field])
    name = next(name for name in stored if name.rsplit(".", 1)[0] == field)
    image = decode_image(key, name, stored[name])
    mask = decode_grey(key, "mask.png", stored["mask.png"]) > 127
    return ImageQuality(key, field, light.kind, psnr(image, reference, mask))
