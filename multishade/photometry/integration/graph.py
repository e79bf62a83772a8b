# SPDX-License-Identifier: Apache-2.0
"""Pixels with a normal -> a graph of neighbours, the step in depth between each pair, and their least squares.

A surface point is P = origin + depth * ray (perspective: one origin, one ray per pixel; orthographic: one ray, one
origin per pixel). Two neighbours p, q lie on one surface with normal m if m . (P_q - P_p) = 0. That is a difference
equation in one unknown per pixel: depth itself for an orthographic camera, its logarithm for a perspective one (both
forms: Durou, Queau, Courteille, "Normal integration: a survey", 2018). The difference equation is used, not its limit,
the differential equation: so planes are exact at any resolution and, with m the mean of the two normals, orthographic
spheres, too.
"""

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
import scipy.sparse
from numpy.typing import NDArray

from multishade.photometry.integration.multigrid import Multigrid, conjugate_gradients
from multishade.photometry.solvers.observations import Bool, Float64

Int = NDArray[np.intp]

# A normal farther than this from the line of sight is turned back to this angle: beyond it the depth step between
# neighbours is infinite, and visible surfaces do not face away.
GRAZING_DEGREES = 89.0
# A hierarchy costs as much as some dozen iterations.
_WORTH_RENEWING = 12
_MOST_ITERATIONS = 500


@dataclass(frozen=True)
class PixelGraph:
    """The N pixels that have a normal, and the E pairs of neighbours among them (right and lower neighbours).

    Attributes:
        valid: (H, W) bool.
        component: (H, W) 0 where not valid, else 1 to n: connected pixels share a number.
        first: (E,) number of the left or upper pixel, counting valid pixels row by row.
        second: (E,) number of the right or lower pixel.
        across: (E,) True for left-right pairs, False for upper-lower ones.
    """

    valid: Bool
    component: NDArray[np.int32]
    first: Int
    second: Int
    across: Bool

    @property
    def size(self) -> int:
        """N, the number of pixels."""
        return int(self.valid.sum())


def pixel_graph(valid: Bool) -> PixelGraph:
    """Number the true pixels of (H, W), and connect each with its right and its lower neighbour if both are true."""
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
    """The rays of the N pixels of a graph: the point at depth d is origin + d * ray in the camera frame.

    Attributes:
        origins: (N, 3) scene units; zero for a perspective camera.
        rays: (N, 3) through the centres of the pixels, with z = -1.
        pixel: Width of a pixel: at depth 1 for a perspective camera, in scene units for an orthographic one.
        perspective: Whether the camera is a perspective one.
    """

    origins: Float64
    rays: Float64
    pixel: float
    perspective: bool

    def points(self, depth: Float64) -> Float64:
        """Compute the surface points (N, 3) of N depths."""
        return self.origins + depth[:, None] * self.rays


def view_of(graph: PixelGraph, camera: Float64 | None, pixel_size: float) -> View:
    """Compute the rays of a graph's pixels.

    Args:
        graph: The pixels.
        camera: (3, 3) intrinsics in pixels, origin at the outer corner of the top-left pixel, skew allowed; None: an
            orthographic camera whose axis goes through the image's centre.
        pixel_size: Distance of neighbouring pixels of an orthographic camera.

    Returns:
        The view.
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
    """Turn unit normals (N, 3) that graze or face away back to GRAZING_DEGREES from the line of sight."""
    toward = -view.rays / np.linalg.norm(view.rays, axis=1, keepdims=True)
    cosine = np.einsum("ni,ni->n", normals, toward)
    least = np.cos(np.radians(GRAZING_DEGREES))
    turned = np.flatnonzero(cosine < least)
    if not len(turned):
        return normals
    result = normals.copy()
    sideways = normals[turned] - cosine[turned, None] * toward[turned]
    length = np.linalg.norm(sideways, axis=1, keepdims=True)
    # A normal exactly opposite to the viewer has no sideways direction; it counts as grazing, with little weight.
    sideways = np.divide(sideways, length, out=np.zeros_like(sideways), where=length > 0)
    result[turned] = least * toward[turned] + np.sqrt(1 - least**2) * sideways
    return result


def steps(normals: Float64, start: Int, stop: Int, view: View) -> tuple[Float64, Float64]:
    """Predict the change of the unknown from one pixel to another by planes through the first.

    Args:
        normals: (E, 3) normals of the planes, of any length.
        start: (E,) pixels that the planes go through.
        stop: (E,) pixels for which the unknown is predicted.
        view: The rays of the pixels.

    Returns:
        step (E,): the unknown at `stop` minus that at `start`. weight (E,): weight * (difference - step) is the
        distance from the plane in widths of a pixel.
    """
    least = 0.5 * np.cos(np.radians(GRAZING_DEGREES))
    at_start = np.maximum(-np.einsum("ei,ei->e", normals, view.rays[start]), least)
    at_stop = np.maximum(-np.einsum("ei,ei->e", normals, view.rays[stop]), least)
    if view.perspective:
        return np.log(at_start / at_stop), (at_start + at_stop) / (2 * view.pixel)
    aside = np.einsum("ei,ei->e", normals, view.origins[stop] - view.origins[start])
    return aside / at_start, at_start / view.pixel


class EdgeSystem:
    """Weighted least squares over a graph's edges: minimises sum w (x_second - x_first - step)^2 + sum a (x - prior)^2.

    The pattern of the matrix does not change with the weights. The multigrid hierarchy that preconditions it is reused
    until the iterations that it costs more than a new one have cost as much as building that.
    """

    def __init__(self, graph: PixelGraph, anchor: Float64, prior: Float64) -> None:
        """Set up the system. anchor, prior: (N,) weight and value of the known part of the unknown."""
        self.graph, self.anchor, self.prior = graph, anchor, prior
        size, edges = graph.size, len(graph.first)
        # The entry (edges twice, then the diagonal) at each place of the CSR matrix.
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
        self._multigrid: Multigrid | None = None
        self._fewest, self._excess = 0, 0  # iterations with a new hierarchy, and those beyond since

    def solve(
        self, weight: Float64, step: Float64, guess: Float64, tolerance: float = 1e-8, renew: bool = True
    ) -> Float64:
        """Solve for x.

        Args:
            weight: (E,) weights of the edges.
            step: (E,) differences across the edges.
            guess: (N,) start of the iteration.
            tolerance: Relative residual.
            renew: Whether to compute the multigrid hierarchy again in any case.

        Returns:
            x (N,).

        Raises:
            ArithmeticError: If conjugate gradients do not converge.
        """
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
        if self._multigrid is not None and not renew and self._excess < _WORTH_RENEWING:
            allowed = self._fewest + _WORTH_RENEWING - self._excess
            guess, count = conjugate_gradients(matrix, right, guess, self._multigrid, tolerance, allowed)
            if count <= allowed:
                self._excess += max(0, count - self._fewest)
                return self._shifted(guess)
        self._multigrid, self._excess = Multigrid(matrix), 0
        solution, self._fewest = conjugate_gradients(
            matrix, right, guess, self._multigrid, tolerance, _MOST_ITERATIONS
        )
        if self._fewest > _MOST_ITERATIONS:
            raise ArithmeticError(f"conjugate gradients did not converge in {_MOST_ITERATIONS} steps")
        return self._shifted(solution)

    def _shifted(self, solution: Float64) -> Float64:
        """Add the best constant to each anchored component: iterations converge slowest in it."""
        label = self._label
        pull = np.bincount(label, self.anchor * (self.prior - solution))
        return solution + (pull / np.where(self._held > 0, self._held, 1))[label]
