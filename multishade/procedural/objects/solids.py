# SPDX-License-Identifier: Apache-2.0
"""Triangles in, Manifold solids out and back: what the families need for boolean operations."""

from collections.abc import Sequence

import numpy as np
from manifold3d import CrossSection, Manifold, Mesh64, OpType

from multishade.errors import AssetError
from multishade.procedural.objects.mesh import Array, Indices
from multishade.procedural.objects.slivers import remove_slivers

SIMPLIFY = 2e-5  # of the largest side: how far faces may move when coplanar ones are merged


def solid(vertices: Array, faces: Indices) -> Manifold:
    """Make a Manifold of closed outward triangles. Raises AssetError if they are not closed."""
    mesh = Mesh64(
        np.ascontiguousarray(vertices, dtype=np.float64), np.ascontiguousarray(faces, dtype=np.uint64)
    )
    made = Manifold(mesh)
    if made.status().name != "NoError":
        raise AssetError(f"the surface is not a closed solid: {made.status().name}")
    return made


def triangles(body: Manifold) -> tuple[Array, Indices]:
    """Return vertices (V, 3) and faces (F, 3) of a solid, without the slivers that boolean operations leave."""
    if body.is_empty():
        raise AssetError("the boolean operations left nothing")
    box = np.array(body.bounding_box())
    mesh = body.simplify(SIMPLIFY * float((box[3:] - box[:3]).max())).to_mesh64()
    return remove_slivers(
        np.asarray(mesh.vert_properties)[:, :3].astype(np.float64),
        np.asarray(mesh.tri_verts).astype(np.int64),
    )


def union(parts: Sequence[Manifold]) -> Manifold:
    """Unite all the parts."""
    return Manifold.batch_boolean(list(parts), OpType.Add)


def subtract(body: Manifold, cutters: Sequence[Manifold]) -> Manifold:
    """Subtract all the cutters from the body."""
    return Manifold.batch_boolean([body, *cutters], OpType.Subtract) if cutters else body


def placed(body: Manifold, rotation: Array, position: Array) -> Manifold:
    """Rotate the body by a (3, 3) matrix, which may also scale, and then move it to a position (3,)."""
    return body.transform(np.concatenate([rotation, np.asarray(position, float).reshape(3, 1)], axis=1))


def upright(direction: Array) -> Array:
    """Return a rotation matrix (3, 3) whose third column is the unit vector along `direction` (3,)."""
    z = np.asarray(direction, float) / np.linalg.norm(direction)
    aside = np.array([1.0, 0, 0]) if abs(z[0]) < 0.7 else np.array([0, 1.0, 0])
    x = np.cross(aside, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def ball(radius: float, segments: int = 128) -> Manifold:
    """A sphere about the origin."""
    return Manifold.sphere(radius, segments)


def rod(radius: float, height: float, segments: int = 128, top: float | None = None) -> Manifold:
    """A cylinder or cone about the z axis, centred at the origin; `top` is its upper radius if it differs."""
    return Manifold.cylinder(height, radius, radius if top is None else top, segments, True)


def box(x: float, y: float, z: float) -> Manifold:
    """A box of these sides, centred at the origin."""
    return Manifold.cube((x, y, z), True)


def ring(major: float, minor: float, segments: int = 160, around: int = 64) -> Manifold:
    """A torus about the z axis."""
    return CrossSection.circle(minor, around).translate((major, 0)).revolve(segments)


def prism(outline: Array, height: float) -> Manifold:
    """A polygon (N, 2), counter-clockwise, extruded along z and centred at the origin."""
    return CrossSection([np.asarray(outline, float)]).extrude(height).translate((0, 0, -height / 2))


def largest(body: Manifold) -> Manifold:
    """Return the piece of greatest volume: cutting may divide a body, and small pieces would float."""
    return max(body.decompose(), key=lambda piece: piece.volume())
