# SPDX-License-Identifier: GPL-3.0-or-later
"""A USD file -> Blender's scene at rest, if all that it is composed of is there: Blender imports the rest in silence.

Where a value varies over time, rest is its default, which a renderer without a frame shows; its first sample if it has
no default. Blender would take the first sample in any case.
"""

import math
import sys
import tempfile
from pathlib import Path

import bpy
import numpy as np

from blender_scripts import alpha, audit, sane, usd_faces, usd_primvars, usd_stage, usd_subsets
from blender_scripts.errors import ObjectUnusable

MOST_LEVELS, MOST_FACES = 4, 1_000_000  # of a subdivision surface


def import_usd(path: Path, root: Path) -> bool:
    """Import a USD file; whether normals or primvars that do not fit their mesh were left out.

    Raises ObjectUnusable, or what Blender's importer raises.
    """
    require_all(path, root)
    with tempfile.TemporaryDirectory(prefix="multishade-") as folder:
        resting, unfit = _at_rest(path, Path(folder))
        bpy.ops.wm.usd_import(filepath=str(resting), import_subdivision=True)
    for item in bpy.data.objects:
        if item.type == "MESH":
            _refine(item)
            _show_display_opacity(item.data)
            usd_subsets.show_plain(item.data)
    for name, threshold in _opacity_thresholds(path).items():
        _cut_at(bpy.data.materials.get(name), threshold)
    return unfit


def _show_display_opacity(mesh: bpy.types.Mesh) -> None:
    """Make a mesh without a material a hole if its display opacity is below one half all over: Blender ignores it."""
    opacity = mesh.attributes.get("displayOpacity")
    if opacity is None or opacity.data_type != "FLOAT" or any(mesh.materials) or not len(opacity.data):
        return
    values = np.empty(len(opacity.data), np.float32)
    opacity.data.foreach_get("value", values)
    if values.max() < alpha.THRESHOLD:
        material = bpy.data.materials.new("display")
        material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Alpha"].default_value = float(values.max())
        mesh.materials.append(material)


def _opacity_thresholds(path: Path) -> dict[str, float]:
    """The materials whose opacity is cut at a threshold of their own, by name: UsdPreviewSurface's opacityThreshold."""
    from pxr import Usd, UsdShade

    found = {}
    stage = Usd.Stage.Open(str(path))  # a range of prims does not keep it
    for prim in stage.Traverse(Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)):
        material = UsdShade.Material(prim)
        if not material:
            continue
        surface = material.ComputeSurfaceSource()[0]
        threshold = surface.GetInput("opacityThreshold").Get() if surface else None
        if threshold:
            found[prim.GetName()] = float(threshold)
    return found


def _cut_at(material: bpy.types.Material | None, threshold: float) -> None:
    """Make alpha 1 from the threshold on and 0 below it."""
    tree = None if material is None else material.node_tree
    if tree is None:
        return
    for node in [each for each in tree.nodes if each.type == "BSDF_PRINCIPLED"]:
        opacity = node.inputs["Alpha"]
        if not opacity.is_linked:
            opacity.default_value = float(opacity.default_value >= threshold)
            continue
        step = tree.nodes.new("ShaderNodeMath")
        step.operation = "GREATER_THAN"
        step.inputs[1].default_value = threshold - 1e-6  # Blender has no node for "at least"
        tree.links.new(opacity.links[0].from_socket, step.inputs[0])
        tree.links.new(step.outputs[0], opacity)


def _refine(item: bpy.types.Object) -> None:
    """Bring a subdivision surface close to its limit: as fine as `MOST_FACES` allow, smooth but for sharp creases."""
    subdivisions = [modifier for modifier in item.modifiers if modifier.type == "SUBSURF"]
    for modifier in subdivisions:
        affordable = (
            math.log(MOST_FACES / max(len(item.data.loops), 1), 4) + 1
        )  # a level makes a face of each corner
        modifier.render_levels = max(1, min(MOST_LEVELS, math.floor(affordable)))
    if not subdivisions:
        return
    mesh = item.data
    # USD ignores the normals of a subdivision surface, and Blender would subdivide them with it.
    for name in ("custom_normal", "sharp_edge", "sharp_face"):
        if name in mesh.attributes:
            mesh.attributes.remove(mesh.attributes[name])
    creases = mesh.attributes.get("crease_edge")
    if creases is not None:
        weights = np.empty(len(creases.data), np.float32)
        creases.data.foreach_get("value", weights)
        mesh.edges.foreach_set("use_edge_sharp", weights >= 1)


def _at_rest(path: Path, folder: Path) -> tuple[Path, bool]:
    """The file itself, or a layer over it in `folder` with values at rest, simple faces and whole subsets; and whether
    normals or primvars that do not fit are left out."""
    from pxr import Sdf, Usd, UsdGeom

    stage = Usd.Stage.Open(str(path))
    varying = [
        attribute
        for prim in stage.Traverse(Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate))
        for attribute in prim.GetAttributes()
        if attribute.ValueMightBeTimeVarying()
    ]
    layer = Sdf.Layer.CreateNew(str(folder / "rest.usda"))
    layer.subLayerPaths.append(str(path.absolute()))
    over = Usd.Stage.Open(layer)
    UsdGeom.SetStageUpAxis(over, UsdGeom.GetStageUpAxis(stage))
    UsdGeom.SetStageMetersPerUnit(over, UsdGeom.GetStageMetersPerUnit(stage))
    if stage.HasDefaultPrim():
        over.SetDefaultPrim(over.GetPrimAtPath(stage.GetDefaultPrim().GetPath()))
    for attribute in varying:
        value = usd_stage.at_rest(attribute)
        if value is not None:
            prim = usd_stage.editable(over, attribute.GetPrim().GetPath())
            prim.GetAttribute(attribute.GetName()).Set(value)
    unfit = usd_primvars.leave_out_unfit(over)
    changed = [
        unfit,
        usd_primvars.settle_normals(over),
        usd_faces.simplify_all(over),
        usd_subsets.cut_holes(over),
        usd_subsets.cover_all(over),
    ]
    if not (any(changed) or varying):
        return path, unfit
    layer.Save()
    return folder / "rest.usda", unfit


def require_all(path: Path, root: Path) -> None:
    """Raise ObjectUnusable if a layer, reference, payload or texture is missing or outside of `root`, or a face names
    no vertex."""
    add_bundled_packages()
    from pxr import Sdf, Usd, UsdGeom, UsdUtils

    layers, assets, missing = UsdUtils.ComputeAllDependencies(Sdf.AssetPath(str(path)).path)
    missing = [
        name for name in missing if not str(name).lower().endswith(".mdl")
    ]  # Blender reads no MDL anyway
    if missing:
        raise ObjectUnusable(f"{path}: needs {str(missing[0])!r}, which is missing")
    for file in [*(layer.realPath for layer in layers), *assets]:
        if file and "[" not in file:  # inside of a .usdz
            audit.require_below(Path(file), root, path.name)
    stage = Usd.Stage.Open(str(path))
    errors = stage.GetCompositionErrors()
    if errors:
        raise ObjectUnusable(f"{path}: cannot be composed: {' '.join(str(errors[0]).split())[:200]}")
    prims = instances = 0
    for prim in stage.Traverse(Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)):
        prims += 1
        if instancer := UsdGeom.PointInstancer(prim):
            instances += len(instancer.GetProtoIndicesAttr().Get(Usd.TimeCode.EarliestTime()) or ())
        sane.require_few(prims + instances, 0, path.name)
        mesh = UsdGeom.Mesh(prim)
        if not mesh:
            continue
        time = Usd.TimeCode.EarliestTime()
        points, indices = mesh.GetPointsAttr().Get(time), mesh.GetFaceVertexIndicesAttr().Get(time)
        counts = mesh.GetFaceVertexCountsAttr().Get(time)
        name, vertices = str(prim.GetPath()), len(points or ())
        if (scheme := mesh.GetSubdivisionSchemeAttr().Get()) == UsdGeom.Tokens.loop:
            raise ObjectUnusable(
                f"{path}: {name} has the subdivision scheme {scheme!r}, which Blender does not have; subdivide it"
            )
        if indices and not (min(indices) >= 0 and max(indices) < vertices):
            raise ObjectUnusable(f"{path}: {name} has a face with vertex {max(indices)} of {vertices}")
        if counts and min(counts) < 0:
            raise ObjectUnusable(f"{path}: {name} has a face with {min(counts)} corners")
        if sum(counts or ()) != len(indices or ()):
            raise ObjectUnusable(
                f"{path}: {name} states {sum(counts or ())} corners and lists {len(indices or ())}"
            )


def add_bundled_packages() -> None:
    """Let Blender's own copy of OpenUSD be imported, which the bpy wheel does not put on the path."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = str(Path(bpy.utils.resource_path("LOCAL")) / "python" / "lib" / version / "site-packages")
    if folder not in sys.path:
        sys.path.append(folder)
