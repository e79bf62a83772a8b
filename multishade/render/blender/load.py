# SPDX-License-Identifier: Apache-2.0
"""A group -> loaded in Blender, after images that Blender's own readers are kept from have been replaced by copies."""

import dataclasses
from pathlib import Path

from multishade.errors import AssetError
from multishade.protocol.messages import Load, Loaded
from multishade.protocol.scene import Group, RenderSettings
from multishade.render.blender.process import BlenderProcess
from multishade.render.copies import copies_of_foreign


def load(blender: BlenderProcess, group: Group, settings: RenderSettings) -> Loaded:
    """Load a group.

    Args:
        blender: A running Blender.
        group: The group, as `scenes.scene_group` describes it.
        settings: How Cycles renders.

    Returns:
        Blender's answer; its seconds include those of a first attempt.

    Raises:
        AssetError: If a file of the group cannot be used.
        BlenderError: As `BlenderProcess.request`.
    """
    loaded = blender.request(Load(group, settings))
    if not loaded.foreign:
        return loaded
    copies = copies_of_foreign(loaded.foreign, blender.folder, blender.copy)
    source = dataclasses.replace(group.object, images={**group.object.images, **copies})
    again = blender.request(Load(dataclasses.replace(group, object=source), settings))
    if again.foreign:
        name = Path(group.object.path).name
        raise AssetError(f"{name}: its image {again.foreign[0].name!r} is another one each time it is loaded")
    return dataclasses.replace(again, import_seconds=again.import_seconds + loaded.import_seconds)
