# SPDX-License-Identifier: GPL-3.0-or-later
"""A USD stage -> its meshes, their values at rest, and prims that a layer over it can change."""

from typing import Any


def every_mesh(stage: Any) -> list[Any]:
    """The paths of all meshes, also of classes, which instances inherit."""
    from pxr import Usd, UsdGeom

    every = Usd.TraverseInstanceProxies(Usd.PrimAllPrimsPredicate)
    return [prim.GetPath() for prim in stage.Traverse(every) if UsdGeom.Mesh(prim)]


def at_rest(attribute: Any) -> Any:
    """The value of a `Usd.Attribute` for a renderer without a frame; its first sample if it has no default."""
    from pxr import Usd

    value = attribute.Get(Usd.TimeCode.Default())
    return attribute.Get(Usd.TimeCode.EarliestTime()) if value is None else value


def editable(stage: Any, path: Any) -> Any:
    """The prim at `path`, none above which is an instance any more."""
    for above in path.GetPrefixes():
        if stage.GetPrimAtPath(above).IsInstance():
            stage.GetPrimAtPath(above).SetInstanceable(False)
    return stage.GetPrimAtPath(path)
