# SPDX-License-Identifier: GPL-3.0-or-later
"""A USD file -> whether all it is composed of is there: Blender imports the rest in silence if a part is missing."""

import sys
from pathlib import Path

import bpy

from blender_scripts import audit
from blender_scripts.errors import ObjectUnusable


def require_all(path: Path, root: Path) -> None:
    """Raise ObjectUnusable if a layer, reference, payload or texture is missing or outside of `root`, or a face names
    no vertex."""
    _add_bundled_packages()
    from pxr import Sdf, Usd, UsdGeom, UsdUtils

    layers, assets, missing = UsdUtils.ComputeAllDependencies(Sdf.AssetPath(str(path)).path)
    if missing:
        raise ObjectUnusable(f"{path}: needs {str(missing[0])!r}, which is missing")
    for file in [*(layer.realPath for layer in layers), *assets]:
        if file and "[" not in file:  # inside of a .usdz
            audit.require_below(Path(file), root, path.name)
    stage = Usd.Stage.Open(str(path))
    errors = stage.GetCompositionErrors()
    if errors:
        raise ObjectUnusable(f"{path}: cannot be composed: {' '.join(str(errors[0]).split())[:200]}")
    for prim in stage.Traverse(Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)):
        mesh = UsdGeom.Mesh(prim)
        if not mesh:
            continue
        time = Usd.TimeCode.EarliestTime()
        points, indices = mesh.GetPointsAttr().Get(time), mesh.GetFaceVertexIndicesAttr().Get(time)
        counts = mesh.GetFaceVertexCountsAttr().Get(time)
        name, vertices = str(prim.GetPath()), len(points or ())
        if indices and not (min(indices) >= 0 and max(indices) < vertices):
            raise ObjectUnusable(f"{path}: {name} has a face with vertex {max(indices)} of {vertices}")
        if sum(counts or ()) != len(indices or ()):
            raise ObjectUnusable(
                f"{path}: {name} states {sum(counts or ())} corners and lists {len(indices or ())}"
            )


def _add_bundled_packages() -> None:
    """Let Blender's own copy of OpenUSD be imported, which the bpy wheel does not put on the path."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = str(Path(bpy.utils.resource_path("LOCAL")) / "python" / "lib" / version / "site-packages")
    if folder not in sys.path:
        sys.path.append(folder)
