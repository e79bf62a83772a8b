# SPDX-License-Identifier: Apache-2.0
"""A data set's folder and a key -> the same sample rendered again on its own, or its scene as a .blend."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from multishade.errors import OutputError, ShardError
from multishade.protocol.messages import Save
from multishade.render.assemble import field_format
from multishade.render.blender.load import load
from multishade.render.blender.session import seed_of_image
from multishade.render.group_renderer import GroupRenderer
from multishade.render.plan import Plan, PlannedGroup, read_plan
from multishade.render.relight import rendered_light
from multishade.render.scenes import scene_group
from multishade.render.stopwatch import Stopwatch
from multishade.shards.dataset import Dataset
from multishade.shards.keys import SampleKey
from multishade.shards.layout import shard_file
from multishade.shards.sample import encode_sample
from multishade.storage.store import FolderPlace


def compare(folder: FolderPlace, key: str, threads: int, overrides: Sequence[str] = ()) -> list[str]:
    """Render one sample again and compare it with its shard.

    Args:
        folder: A rendered data set.
        key: The sample's key, such as s000000-g0001-v0.
        threads: Threads of Blender.
        overrides: Settings of runtime.

    Returns:
        One line for each file whose bytes differ; empty if the sample is the same.

    Raises:
        ShardError: If the folder has no such sample, or its manifests have changed.
        AssetError, BlenderError: If the sample cannot be rendered.
    """
    plan = read_plan(folder, overrides)
    shard, group = planned_view(plan, folder, key)
    stored = Dataset(shard_file(folder, shard).url).files(key)
    with GroupRenderer(plan.config, threads, Stopwatch()) as renderer:
        (sample,) = renderer.render(group)
    rendered = dict(encode_sample(sample, field_format(plan.config)))
    names = dict.fromkeys([*stored, *rendered])
    return [f"{key}.{name}: differs" for name in names if stored.get(name) != rendered.get(name)]


def render_group_again(folder: FolderPlace, key: str, threads: int, overrides: Sequence[str] = ()) -> int:
    """Render a group of a data set in one attempt, whether or not its shard holds it: to see why it fails.

    Args:
        folder: The data set.
        key: The group's key, such as s000000-g0001.
        threads: Threads of Blender.
        overrides: Settings of runtime.

    Returns:
        The number of its samples.

    Raises:
        ShardError: If the data set has no such group, or its manifests have changed.
        AssetError, BlenderError: If the group cannot be rendered; a BlenderError has what Blender printed.
    """
    plan, place = read_plan(folder, overrides), SampleKey.parse(f"{key}-v0")
    if place.shard >= plan.config.shards.count or place.group >= plan.config.shards.groups:
        raise ShardError(
            f"{key}: the data set has shards 0 to {plan.config.shards.count - 1}, each with groups 0 to "
            f"{plan.config.shards.groups - 1}"
        )
    with GroupRenderer(plan.config, threads, Stopwatch()) as renderer:
        return len(renderer.render(plan.group(place.shard, place.group)))


def is_group_key(text: str) -> bool:
    """Whether a text is the key of a group, such as s000000-g0001."""
    try:
        return str(SampleKey.parse(f"{text}-v0")) == f"{text}-v0"
    except ShardError:
        return False


def save_scene(
    folder: FolderPlace, key: str, path: Path, field: str | None, overrides: Sequence[str] = ()
) -> None:
    """Save the scene of one sample as a .blend with packed textures.

    Rendering the file in Blender (F12) gives the sample's image: its samples, denoiser, exposure and display encoding
    are set, and the output is KEY-FIELD.png beside the file.

    Args:
        folder: A rendered data set.
        key: The sample's key.
        path: Of the .blend file.
        field: The image whose light is set up; None: the first one.
        overrides: Settings of runtime.

    Raises:
        ShardError: If the folder has no such sample, or the sample no such image.
        AssetError, BlenderError: If the scene cannot be built.
        OutputError: If the file cannot be written.
    """
    plan = read_plan(folder, overrides)
    shard, group = planned_view(plan, folder, key)
    (view,) = group.views
    fields = [light.field for light in view.lights]
    if not fields or (field is not None and field not in fields):
        raise ShardError(f"{key}: has no image {field or ''}; it has {', '.join(fields) or 'none'}")
    number = fields.index(field) if field else 0
    with GroupRenderer(plan.config, 1, Stopwatch()) as renderer:
        blender = renderer.blender(group)
        info = Dataset(shard_file(folder, shard).url).info(key)
        light = rendered_light(plan.config, group, view, number, info) or view.lights[number]
        lights = (*view.lights[:number], light, *view.lights[number + 1 :])
        group = dataclasses.replace(group, views=(dataclasses.replace(view, lights=lights),))
        load(blender, scene_group(group, blender.folder, plan.config, blender.copy), renderer.settings)
        exposure = info.exposure[fields[number]]
        seed = seed_of_image(view, number)
        saved = blender.folder / "scene.blend"  # Blender writes to no other folder
        blender.request(Save(key, number, str(saved), exposure, seed, f"{key}-{fields[number]}"))
        try:
            shutil.move(saved, path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def planned_view(plan: Plan, folder: FolderPlace, key: str) -> tuple[int, PlannedGroup]:
    """Find the shard and the group of a key; the group has this one view. Raises ShardError if there is none."""
    place = SampleKey.parse(key)
    tar = shard_file(folder, place.shard)
    if not tar.exists():
        raise ShardError(f"{tar}: no such shard")
    if place.group >= plan.config.shards.groups or place.view >= plan.config.views.count:
        raise ShardError(
            f"{key}: a shard has groups 0 to {plan.config.shards.groups - 1}, a group views 0 to "
            f"{plan.config.views.count - 1}"
        )
    group = plan.group(place.shard, place.group)
    return place.shard, dataclasses.replace(group, views=(group.views[place.view],))
