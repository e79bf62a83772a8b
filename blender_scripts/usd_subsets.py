# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes of a USD stage -> the same, each face of which is in a subset if any is: Blender's importer gives the faces
outside of subsets the material of one of these, not that of the mesh."""

from typing import Any

from blender_scripts.usd_faces import at_rest, editable, every_mesh

REST = "multishade_rest"


def cover_all(stage: Any) -> bool:
    """Put the faces of each mesh that are in none of its subsets for materials into one of the mesh's own material.

    Args:
        stage: A `Usd.Stage`; its edit target is changed. An instance with such a mesh becomes a copy.

    Returns:
        Whether any was changed.
    """
    return any([_cover(stage, path) for path in every_mesh(stage)])


def _cover(stage: Any, path: Any) -> bool:
    from pxr import UsdGeom, UsdShade

    prim = stage.GetPrimAtPath(path)
    binding = UsdShade.MaterialBindingAPI(prim)
    subsets = [subset for subset in binding.GetMaterialBindSubsets() if at_rest(subset.GetIndicesAttr())]
    counts = at_rest(UsdGeom.Mesh(prim).GetFaceVertexCountsAttr())
    if not subsets or not counts:
        return False
    covered = {face for subset in subsets for face in at_rest(subset.GetIndicesAttr())}
    rest = [face for face in range(len(counts)) if face not in covered]
    if not rest:
        return False
    prim = editable(stage, path)
    binding = UsdShade.MaterialBindingAPI(prim)
    material, _ = binding.ComputeBoundMaterial()
    subset = binding.CreateMaterialBindSubset(REST, rest)
    if material:
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)
    return True
