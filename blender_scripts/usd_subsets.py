# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes of a USD stage -> the same, whose faces have the material that USD gives them, or none where they are holes.

Blender's importer gives faces outside of subsets the material of one of these, not that of the mesh, and shows holes.
"""

from typing import Any

import bpy

from blender_scripts.plain import build_plain
from blender_scripts.usd_stage import at_rest, editable, every_mesh

# Names of subsets and materials that are added to a mesh.
REST, HOLES = "multishade_rest", "multishade_holes"
NOTHING, PLAIN = "multishade_nothing", "multishade_plain"


def cut_holes(stage: Any) -> bool:
    """Give the faces that a mesh lists as its holes a material that is transparent; otherwise as `cover_all`."""
    return any([_cut(stage, path) for path in every_mesh(stage)])


def cover_all(stage: Any) -> bool:
    """Put the faces of each mesh that are in none of its subsets for materials into one of the mesh's own material.

    Args:
        stage: A `Usd.Stage`; its edit target is changed. An instance with such a mesh becomes a copy.

    Returns:
        Whether any was changed.
    """
    return any([_cover(stage, path) for path in every_mesh(stage)])


def show_plain(mesh: bpy.types.Mesh) -> None:
    """Give the faces of an imported mesh that have no material the look of a mesh that has none."""
    for place, material in enumerate(mesh.materials):
        if material is not None and material.name.startswith(PLAIN):
            mesh.materials[place] = build_plain(mesh)


def _cut(stage: Any, path: Any) -> bool:
    from pxr import UsdGeom, UsdShade

    mesh = UsdGeom.Mesh(stage.GetPrimAtPath(path))
    faces = len(at_rest(mesh.GetFaceVertexCountsAttr()) or ())
    holes = {face for face in at_rest(mesh.GetHoleIndicesAttr()) or () if 0 <= face < faces}
    if not holes:
        return False
    binding = UsdShade.MaterialBindingAPI(editable(stage, path))
    for subset in binding.GetMaterialBindSubsets():
        kept = [face for face in at_rest(subset.GetIndicesAttr()) or () if face not in holes]
        subset.GetIndicesAttr().Set(kept)
    subset = binding.CreateMaterialBindSubset(HOLES, sorted(holes))
    UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(_material(stage, path.AppendChild(NOTHING), 0.0))
    return True


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
    if not material:  # Blender's importer looks for another
        material = _material(stage, path.AppendChild(PLAIN), 1.0)
    UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)
    return True


def _material(stage: Any, path: Any, opacity: float) -> Any:
    from pxr import Sdf, UsdShade

    material = UsdShade.Material.Define(stage, path)
    shader = UsdShade.Shader.Define(stage, path.AppendChild("shader"))
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("opacity", Sdf.ValueTypeNames.Float).Set(opacity)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material
