# SPDX-License-Identifier: Apache-2.0
"""A closed surface in, the same surface without slivers out: short edges are collapsed, long ones flipped."""

from dataclasses import dataclass, field

import numpy as np

from multishade.procedural.objects.mesh import Array, Indices, altitudes

THIN = 6e-6  # altitude of a sliver, of the half diagonal of the bounding box
# An edge this short is collapsed at once: a sixtieth of a pixel if the object fills 500 pixels.
SHORT = 6e-5
LONGEST_COLLAPSE = 2e-3  # longest edge of a sliver that is collapsed if a flip does not help
ROUNDS = 30


def remove_slivers(vertices: Array, faces: Indices) -> tuple[Array, Indices]:
    """Remove triangles that are too thin to have a direction in float32, as boolean operations leave them.

    The surface does not change visibly. Each round repairs slivers that share no vertex, so that one repair cannot
    disturb another; a sliver that cannot be repaired without breaking the surface stays, and `object_mesh` refuses it.

    Args:
        vertices: (V, 3) float64, any scale.
        faces: (F, 3) int64, counter-clockwise seen from outside, closed.

    Returns:
        Vertices and faces of the repaired surface; vertices that no face uses any more may remain.
    """
    size = float(np.linalg.norm(vertices.max(axis=0) - vertices.min(axis=0))) / 2
    patch = Patch(vertices.copy(), faces.copy(), size)
    for _ in range(ROUNDS):
        thin = np.flatnonzero(altitudes(patch.vertices[patch.faces]) < THIN * size)
        if len(thin) == 0 or not patch.repair(thin):
            break
    return patch.vertices, patch.faces


@dataclass(eq=False)
class Patch:
    """A surface under repair: vertices (V, 3), faces (F, 3), and which faces lie around each vertex this round."""

    vertices: Array
    faces: Indices
    size: float
    order: Indices = field(init=False)
    offsets: Indices = field(init=False)
    keep: np.ndarray = field(init=False)

    def repair(self, thin: Indices) -> int:
        """Repair the faces of these numbers that do not touch one another; return how many were repaired."""
        flat = self.faces.ravel()
        self.order = np.argsort(flat, kind="stable")
        self.offsets = np.searchsorted(flat[self.order], np.arange(len(self.vertices) + 1))
        self.keep = np.ones(len(self.faces), dtype=bool)
        locked: set[int] = set()
        done = 0
        for number in thin:
            near = set(self.faces[number].tolist())
            for vertex in tuple(near):
                near.update(self.faces[self.around(vertex)].ravel().tolist())
            if not near & locked and self.repair_one(int(number)):
                locked |= near
                done += 1
        self.faces = self.faces[self.keep]
        return done

    def around(self, vertex: int) -> Indices:
        return self.order[self.offsets[vertex] : self.offsets[vertex + 1]] // 3

    def repair_one(self, number: int) -> bool:
        corner = self.faces[number]
        lengths = (
            np.linalg.norm(self.vertices[np.roll(corner, -1)] - self.vertices[corner], axis=1) / self.size
        )
        ascending = [int(k) for k in np.argsort(lengths, kind="stable")]
        edges = {k: (int(corner[k]), int(corner[(k + 1) % 3])) for k in ascending}
        return (
            any(lengths[k] < SHORT and self.collapse(*edges[k]) for k in ascending)
            or self.flip(number, ascending[-1])
            or any(lengths[k] < LONGEST_COLLAPSE and self.collapse(*edges[k]) for k in ascending)
        )

    def flip(self, number: int, k: int) -> bool:
        """Flip the k-th edge of a face if the thinner of its two faces gets thicker."""
        a, b, c = (int(self.faces[number, (k + i) % 3]) for i in range(3))
        shared = [int(f) for f in self.around(a) if b in self.faces[f]]
        if len(shared) != 2:
            return False
        other = shared[1] if shared[0] == number else shared[0]
        d = int(next(v for v in self.faces[other] if v not in (a, b)))
        if d == c or any(d in self.faces[f] for f in self.around(c)):
            return False
        before = altitudes(self.vertices[self.faces[[number, other]]]).min()
        flipped = np.array([(a, d, c), (d, b, c)])
        if altitudes(self.vertices[flipped]).min() <= before:
            return False
        self.faces[[number, other]] = flipped
        return True

    def collapse(self, a: int, b: int) -> bool:
        """Merge vertex a into b, if the surface stays closed and no face that had a direction turns over."""
        at_a, at_b = self.around(a), self.around(b)
        common = set(self.faces[at_a].ravel().tolist()) & set(self.faces[at_b].ravel().tolist())
        if len(common) != 4 or (len(at_a) <= 3 and len(at_b) <= 3):  # a, b and the two opposite corners
            return False
        shared = [int(f) for f in at_a if b in self.faces[f]]
        moved = np.array([int(f) for f in np.unique(np.concatenate([at_a, at_b])) if int(f) not in shared])
        merged = np.where(self.faces[moved] == a, b, self.faces[moved])
        before = self.vertices[self.faces[moved]]
        start_a, start_b = self.vertices[a].copy(), self.vertices[b].copy()
        for position in (start_b, start_a, (start_a + start_b) / 2):
            self.vertices[b] = position
            if still_valid(before, self.vertices[merged], THIN * self.size):
                self.faces[moved] = merged
                self.keep[shared] = False
                return True
        self.vertices[b] = start_b
        return False


def still_valid(before: Array, after: Array, thin: float) -> bool:
    """Whether triangles (N, 3, 3) that were no slivers before a move are none after it, and still face the same way."""
    had = altitudes(before) >= thin
    if (altitudes(after)[had] < thin).any():
        return False
    old, new = (np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])[had] for t in (before, after))
    cosine = np.einsum("ij,ij->i", old, new) / (np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1))
    return bool((cosine > 0.7).all())
