# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes of a USD stage -> the same, the normals and primvars of which Blender's importer reads as they are meant.

Some that do not fit the mesh, which USD calls invalid, it reads past their end, so that colours differ from render to
render; of indices that name no value it makes normals of nothing; and normals that vary over vertices it leaves out.
"""

from typing import Any

import numpy as np

from blender_scripts.usd_stage import at_rest, editable, every_mesh


def leave_out_unfit(stage: Any) -> bool:
    """Block normals and primvars that have too few or too many values, or indices of none; in the edit target.

    Args:
        stage: A `Usd.Stage` whose values at rest are its defaults. An instance with such a mesh becomes a copy.

    Returns:
        Whether there were any.
    """
    return any([_leave_out_unfit(stage, path) for path in every_mesh(stage)])


def settle_normals(stage: Any) -> bool:
    """Call normals that vary over vertices normals of vertices, which is the same; likewise."""
    from pxr import UsdGeom

    tokens, changed = UsdGeom.Tokens, False
    for path in every_mesh(stage):
        mesh = UsdGeom.Mesh(stage.GetPrimAtPath(path))
        if mesh.GetNormalsAttr().HasAuthoredValue() and mesh.GetNormalsInterpolation() == tokens.varying:
            UsdGeom.Mesh(editable(stage, path)).SetNormalsInterpolation(tokens.vertex)
            changed = True
        primvar = UsdGeom.PrimvarsAPI(mesh).GetPrimvar("normals")
        if primvar and primvar.HasAuthoredValue() and primvar.GetInterpolation() == tokens.varying:
            UsdGeom.PrimvarsAPI(editable(stage, path)).GetPrimvar("normals").SetInterpolation(tokens.vertex)
            changed = True
    return changed


def _leave_out_unfit(stage: Any, path: Any) -> bool:
    from pxr import UsdGeom

    mesh = UsdGeom.Mesh(stage.GetPrimAtPath(path))
    vertices, faces, corners = (
        len(at_rest(attribute) or ())
        for attribute in (
            *(mesh.GetPointsAttr(), mesh.GetFaceVertexCountsAttr()),
            mesh.GetFaceVertexIndicesAttr(),
        )
    )
    wanted = {"vertex": vertices, "varying": vertices, "uniform": faces, "faceVarying": corners}
    unfit = []
    normals = mesh.GetNormalsAttr()
    if normals.HasAuthoredValue():
        number = wanted.get(mesh.GetNormalsInterpolation())
        if number not in (None, len(at_rest(normals) or ())):
            unfit.append(normals.GetName())
    for primvar in UsdGeom.PrimvarsAPI(mesh).GetPrimvars():
        number = wanted.get(primvar.GetInterpolation())
        if number is not None and primvar.HasAuthoredValue() and not _fits(primvar, number):
            unfit.append(primvar.GetName())
    if not unfit:
        return False
    prim = editable(stage, path)
    for name in unfit:
        prim.GetAttribute(name).Block()
    return True


def _fits(primvar: Any, number: int) -> bool:
    """Whether a primvar has a value for each of `number` elements."""
    size = primvar.GetElementSize()
    values = len(at_rest(primvar.GetAttr()) or ())
    if not primvar.IsIndexed():
        return bool(values == number * size)
    indices = np.asarray(at_rest(primvar.GetIndicesAttr()) or ())
    return len(indices) == number and (not number or 0 <= indices.min() <= indices.max() < values // size)
