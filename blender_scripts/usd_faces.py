# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes of a USD stage -> the same with simple faces only, and with all that is laid on their faces and corners.

Of a mesh with one face that names a vertex twice, Blender's importer leaves out normals, UVs and materials, and other
faces at random.
"""

from typing import Any

import numpy as np

from blender_scripts.simple_faces import SimpleFaces, simplify
from blender_scripts.usd_stage import at_rest, editable, every_mesh


def simplify_all(stage: Any) -> bool:
    """Make all faces of a stage simple, in its edit target.

    Args:
        stage: A `Usd.Stage` whose values at rest are its defaults, each primvar of which fits its mesh. An instance
            with such faces becomes a copy.

    Returns:
        Whether any was not.
    """
    return any([_simplify(stage, path) for path in every_mesh(stage)])


def _simplify(stage: Any, path: Any) -> bool:
    from pxr import UsdGeom

    mesh = UsdGeom.Mesh(stage.GetPrimAtPath(path))
    points, counts, vertices = (
        np.asarray(at_rest(attribute) or ())
        for attribute in (
            mesh.GetPointsAttr(),
            mesh.GetFaceVertexCountsAttr(),
            mesh.GetFaceVertexIndicesAttr(),
        )
    )
    shown = counts.sum() == len(vertices) and not (len(vertices) and vertices.max() >= len(points))
    if not shown or (len(counts) and counts.min() < 0):  # a class, say: what is shown is checked before
        return False
    simple = simplify(points, counts, vertices)
    if simple is None:
        return False
    mesh = UsdGeom.Mesh(editable(stage, path))
    mesh.GetFaceVertexCountsAttr().Set(simple.counts.tolist())
    mesh.GetFaceVertexIndicesAttr().Set(vertices[simple.corner_of].tolist())
    _of_faces(mesh.GetHoleIndicesAttr(), simple)
    for subset in map(UsdGeom.Subset, mesh.GetPrim().GetAllChildren()):  # also of a class
        if subset and subset.GetElementTypeAttr().Get() == UsdGeom.Tokens.face:
            _of_faces(subset.GetIndicesAttr(), simple)
    _gather(mesh.GetNormalsAttr(), mesh.GetNormalsInterpolation(), 1, simple)
    for primvar in UsdGeom.PrimvarsAPI(mesh).GetPrimvars():
        values = primvar.GetIndicesAttr() if primvar.IsIndexed() else primvar.GetAttr()
        of_each = 1 if primvar.IsIndexed() else primvar.GetElementSize()
        _gather(values, primvar.GetInterpolation(), of_each, simple)
    return True


def _of_faces(attribute: Any, simple: SimpleFaces) -> None:
    """Let an attribute that lists faces list what these have become."""
    faces = at_rest(attribute)
    if faces:
        attribute.Set(np.flatnonzero(np.isin(simple.face_of, np.asarray(faces))).tolist())


def _gather(attribute: Any, interpolation: str, of_each: int, simple: SimpleFaces) -> None:
    """Let an attribute with `of_each` values for each face or corner have those of what these have become."""
    origin = {"uniform": simple.face_of, "faceVarying": simple.corner_of}.get(interpolation)
    values = at_rest(attribute)
    if origin is None or not values:
        return
    places = (origin[:, None] * of_each + np.arange(of_each)).ravel()
    attribute.Set(type(values)([values[int(place)] for place in places]))
