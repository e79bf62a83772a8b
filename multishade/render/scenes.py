# SPDX-License-Identifier: Apache-2.0
"""A planned group -> the scene that Blender loads; built-in meshes are built here and written beside it."""

from pathlib import Path
from typing import Any

import numpy as np

from multishade.assets.orientation import orientation_of
from multishade.assets.schema import family_and_seed
from multishade.config import Config
from multishade.procedural import objects
from multishade.protocol.scene import Group, Matrix3, ObjectSource
from multishade.render.copies import Copier, copy_here, readable_material, readable_views
from multishade.render.plan import PlannedGroup
from multishade.storage.local import refusals_named
from multishade.storage.scratch import REMEDY as SCRATCH_REMEDY


def scene_group(group: PlannedGroup, folder: Path, config: Config, copier: Copier = copy_here) -> Group:
    """Describe a planned group as Blender loads it.

    Args:
        group: One object in one material, with its views.
        folder: Where a built-in mesh and copies of images are written; Blender has to see the same folder.
        config: The data set's configuration.
        copier: Makes copies of images that Blender does not read itself.

    Returns:
        What `multishade.protocol.messages.Load` carries.

    Raises:
        AssetError: If a built-in mesh cannot be built, or an image cannot be read.
        StorageError: If there is no room in `folder`.
    """
    source = _object_source(group, folder, config)
    return Group(
        group.key, source, readable_material(group, folder, copier), readable_views(group, folder, copier)
    )


def _object_source(group: PlannedGroup, folder: Path, config: Config) -> ObjectSource:
    row, max_faces = group.object, config.objects.max_faces
    rotation, scale = _rotation(group), 1.0 if row.scale is None else row.scale
    if row.source == "blender":
        return ObjectSource("monkey", rotation=rotation, max_faces=max_faces, scale=scale)
    if row.source == "file":
        checked = "unchecked" not in row.tags
        # A skinned mesh was measured without its skeleton.
        bounds = row.bounds if checked and "skinned" not in row.tags else None
        return ObjectSource("file", str(row.path), rotation, max_faces, bounds, str(row.root_folder), scale)
    mesh = objects.build(*family_and_seed(row.location))
    path = folder / "object.npz"
    arrays: dict[str, Any] = {
        "vertices": mesh.vertices,
        "faces": mesh.faces,
        "crease_degrees": mesh.crease_degrees,
    }
    with refusals_named(path, remedy=SCRATCH_REMEDY):
        np.savez(path, **arrays, **({} if mesh.uv is None else {"uv": mesh.uv}))
    return ObjectSource("arrays", str(path), rotation, max_faces, scale=scale)


def _rotation(group: PlannedGroup) -> Matrix3:
    """The rotation of the object as its row states it, followed by the one that was sampled for the group."""
    upright = orientation_of(group.object)
    if upright is None:
        return group.rotation
    rows = (np.asarray(group.rotation) @ upright).tolist()
    return (tuple(rows[0]), tuple(rows[1]), tuple(rows[2]))
