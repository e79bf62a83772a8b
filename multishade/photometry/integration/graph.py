# SPDX-License-Identifier: Apache-2.0
"""Pixels with a normal -> a graph of neighbours, the step in depth that each pair of neighbours asks for, and its
least squares.

A surface point is P = origin + depth * ray (perspective: one origin, a ray a pixel; orthographic: one ray, an
origin a pixel). Two neighbours p, q lie on one surface with normal m when m . (P_q - P_p) = 0. That is a difference
equation in one unknown a pixel: depth itself for an orthographic camera, its logarithm for a perspective one
(Durou, Queau, Courteille, "Normal integration: a survey", 2018, for the two forms). It is used as it stands, not as
the derivative it tends to: so planes are exact at any resolution, and with m the mean of the two normals,
orthographic spheres too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.sparse
from numpy.typing import NDArray

from multishade.photometry.solvers.observations import Bool, Float64

Int = NDArray[np.intp]

# A normal nearer to the silhouette than this, or behind it, is taken to be at this angle from the line of sight:
# beyond it a depth step between neighbours is no longer a number, and visible surfaces do not face away.
GRAZING_DEGREES = 89.0


@dataclass(frozen=True)
class PixelGraph:
    """The N pixels that have a normal, and the E pairs of neighbours among them (right and lower neighbours)."""

    valid: Bool  # (H, W)
    component: NDArray[
        np.int32
    ]  # (H, W) 0 where not valid, then 1 to n: pixels joined through edges share a number
    first: Int  # (E,) number of the left or upper pixel, counting valid pixels row by row
    second: Int  # (E,) the right or lower one
    across: Bool  # (E,) True for left-right pairs, False for upper-lower

    @property
    def size(self) -> int:
        return int(self.valid.sum())


def pixel_graph(valid: Bool) -> PixelGraph:
    """Number the True pixels of (H, W), and join each to its right and its lower neighbour where both are True."""
    number = np.cumsum(valid.reshape(-1)).reshape(valid.shape) - 1
    right = valid[:, :-1] & valid[:, 1:]
    down = valid[:-1] & valid[1:]
    component, _ = scipy.ndimage.label(valid)
    return PixelGraph(
        valid=valid,
        component=component.astype(np.int32),
        first=np.concatenate([number[:, :-1][right], number[:-1][down]]),
        second=np.concatenate([number[:, 1:][right], number[1:][down]]),
        across=np.concatenate([np.ones(right.sum(), bool), np.zeros(down.sum(), bool)]),
    )


@dataclass(frozen=True)
class View:
    """How the camera sees the N pixels of a graph: the point at depth d is origin + d * ray, camera frame."""

    origins: Float64  # (N, 3) scene units; zero for a perspective camera
    rays: Float64  # (N, 3) through the pixel's centre, z = -1
    pixel: (
        float  # width of a pixel: at depth 1 for a perspective camera, in scene units for an orthographic one
    )
    perspective: bool

    def points(self, depth: Float64) -> Float64:
        """(N, 3) surface points of N depths."""
        return self.origins + depth[:, None] * self.rays


def view_of(graph: PixelGraph, camera: Float64 | None, pixel_size: float) -> View:
    """The view through (3, 3) intrinsics, in pixels from the outer corner of the top-left pixel.

    None: an orthographic camera, whose pixels are `pixel_size` apart and whose axis goes through the image's centre.
    """
    height, width = graph.valid.shape
    rows, columns = np.nonzero(graph.valid)
    size = len(rows)
    if camera is None:
        right = (columns + 0.5 - width / 2) * pixel_size
        up = (height / 2 - rows - 0.5) * pixel_size
        origins = np.stack([right, up, np.zeros(size)], axis=1)
        return View(origins, np.tile([0.0, 0.0, -1.0], (size, 1)), pixel_size, perspective=False)
    centres = np.stack([columns + 0.5, rows + 0.5, np.ones(size)])
    seen = np.linalg.solve(camera, centres)
    focal = np.sqrt(abs(camera[0, 0] * camera[1, 1]))
    # Image rows run down, and the camera looks along -z.
    rays = (seen / -seen[2] * [[-1.0], [1.0], [1.0]]).T
    return View(np.zeros((size, 3)), rays, float(1 / focal), perspective=True)


def facing(normals: Float64, view: View) -> Float64:
    """(N, 3) unit normals, those that graze or face away turned back to GRAZING_DEGREES from the line of sight."""
    toward = -view.rays / np.linalg.norm(view.rays, axis=1, keepdims=True)
    cosine = np.einsum("ni,ni->n", normals, toward)
    least = np.cos(np.radians(GRAZING_DEGREES))
    turned = np.flatnonzero(cosine < least)
    if not len(turned):
        return normals
    result = normals.copy()
    sideways = normals[turned] - cosine[turned, None] * toward[turned]
    length = np.linalg.norm(sideways, axis=1, keepdims=True)
    # A normal straight away from the camera says nothing about where the surface goes; it counts as grazing, and
    # weighs little.
    sideways = np.divide(sideways, length, out=np.zeros_like(sideways), where=length > 0)
    result[turned] = least * toward[turned] + np.sqrt(1 - least**2) * sideways
    return result


def steps(normals: Float64, start: Int, stop: Int, view: View) -> tuple[Float64, Float64]:
    """What planes with these normals, seen at the pixels `start`, ask of the unknown at the pixels `stop`.

    normals: (E, 3), not necessarily of unit length. Returns (step, weight), each (E,): the unknown at stop minus the
    unknown at start, and how squarely the plane is seen: weight * (difference - step) is the distance from the plane in
    widths of a pixel.
    """
    least = 0.5 * np.cos(np.radians(GRAZING_DEGREES))
    here = np.maximum(-np.einsum("ei,ei->e", normals, view.rays[start]), least)
    there = np.maximum(-np.einsum("ei,ei->e", normals, view.rays[stop]), least)
    if view.perspective:
        return np.log(here / there), (here + there) / (2 * view.pixel)
    aside = np.einsum("ei,ei->e", normals, view.origins[stop] - view.origins[start])
    return aside / here, here / view.pixel


class EdgeSystem:
    """Weighted least squares over the graph's edges: minimise sum w (x_second - x_first - step)^2 + sum a (x -
    prior)^2.

    The matrix keeps its pattern while the weights change, and the multigrid hierarchy that preconditions it is
    kept, too, until it is told to be made anew.
    """

    def __init__(self, graph: PixelGraph, anchor: Float64, prior: Float64) -> None:
        """anchor, prior: (N,) weight and value of what is known of the unknown."""
        self.graph, self.anchor, self.prior = graph, anchor, prior
        size, edges = graph.size, len(graph.first)
        # Which entry of (edges twice, then the diagonal) each place of the CSR matrix holds.
        entries = scipy.sparse.coo_matrix(
            (
                np.arange(1, 2 * edges + size + 1),
                (
                    np.concatenate([graph.first, graph.second, np.arange(size)]),
                    np.concatenate([graph.second, graph.first, np.arange(size)]),
                ),
            ),
            shape=(size, size),
        ).tocsr()
        self._order = entries.data - 1
        self._indices = entries.indices.astype(np.int32)
        self._indptr = entries.indptr.astype(np.int32)
        self._label = graph.component[graph.valid]
        self._held = np.bincount(self._label, anchor)
        self._free = self._held[self._label] == 0
        self._multigrid: Any = None

    def solve(
        self, weight: Float64, step: Float64, guess: Float64, tolerance: float = 1e-8, renew: bool = True
    ) -> Float64:
        """The x (N,) that fits best. weight, step: (E,). guess: (N,) to start from; tolerance: relative residual;
        renew: whether to make the multigrid hierarchy anew.
        """
        import pyamg
        import scipy.sparse.linalg

        graph, size = self.graph, self.graph.size
        diagonal = (
            self.anchor + np.bincount(graph.first, weight, size) + np.bincount(graph.second, weight, size)
        )
        # A component without an anchor has a free constant; this keeps its rows regular, far below any real weight.
        diagonal[self._free] += 1e-12 * max(float(diagonal.mean()), 1e-300)
        values = np.concatenate([-weight, -weight, diagonal])[self._order]
        matrix = scipy.sparse.csr_matrix((values, self._indices, self._indptr), shape=(size, size))
        pull = weight * step
        right = (
            np.bincount(graph.second, pull, size)
            - np.bincount(graph.first, pull, size)
            + self.anchor * self.prior
        )
        if self._multigrid is None or renew:
            # Ruge-Stueben: these matrices are what it was made for, and unlike smoothed aggregation it draws no
            # random numbers.
            self._multigrid = pyamg.ruge_stuben_solver(matrix, max_coarse=200)
        solution, failed = scipy.sparse.linalg.cg(
            matrix,
            right,
            x0=guess,
            rtol=tolerance,
            atol=1e-300,
            maxiter=500,
            M=self._multigrid.aspreconditioner(),
        )
        if failed:
            raise ArithmeticError(f"conjugate gradients did not converge in {failed} steps")
        return self._shifted(np.asarray(solution))

    def _shifted(self, solution: Float64) -> Float64:
        """With the best constant for each anchored component: the last thing that iterations get right."""
        label = self._label
        pull = np.bincount(label, self.anchor * (self.prior - solution))
        return solution + (pull / np.where(self._held > 0, self._held, 1))[label]
