# SPDX-License-Identifier: Apache-2.0
"""Normals -> depth: by least squares ("poisson"), or with discontinuities preserved ("bilateral")."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.sparse.csgraph
from numpy.typing import ArrayLike, NDArray

from multishade.errors import SolveError
from multishade.geometry.boxes import bounding_box
from multishade.photometry.integration.bilateral import bilateral
from multishade.photometry.integration.graph import (
    EdgeSystem,
    Int,
    PixelGraph,
    View,
    facing,
    pixel_graph,
    steps,
    view_of,
)
from multishade.photometry.integration.mesh import mesh_from_depth
from multishade.photometry.solvers.observations import Bool, Float64
from multishade.threads import one_blas_thread

__all__ = ["INTEGRATORS", "Depth", "integrate", "mesh_from_depth"]

INTEGRATORS = ("poisson", "bilateral")
# Pixels across at which halving stops: coarser images cannot distinguish a bend from a discontinuity.
COARSEST = 144
# A piece of fewer pixels than this that is farther than so many pixel widths from its neighbours is left out.
SMALLEST_PIECE, WIDE_STEP = 10, 10.0


@dataclass(frozen=True)
class Depth:
    """An integrated surface.

    Normals leave one constant undetermined for each connected component: an offset for an orthographic camera, a factor
    for a perspective one. A component that the depth prior does not determine is placed at mean depth 0 (orthographic)
    or at geometric mean depth 1 (perspective).

    Attributes:
        depth: (H, W) distance along the camera's z axis, larger is farther; NaN where there is no normal, and where
            a few pixels are so far from all others that nothing determines their depth (`left_out`).
        component: (H, W) number of the component, 1 to n; 0 where there is no depth.
        anchored: (n,) whether the depth prior determines the constant of component 1 to n.
        iterations: Iterations of the method at full resolution.
        energy: The remaining misfit: sum of squared distances from the planes of the normals, in pixels.
        left_out: (H, W) bool, pixels with a normal that have no depth.
    """

    depth: Float64
    component: NDArray[np.int32]
    anchored: Bool
    iterations: int
    energy: float
    left_out: Bool


@one_blas_thread()
def integrate(
    normal: ArrayLike,
    mask: ArrayLike | None = None,
    camera: ArrayLike | None = None,
    method: str = "poisson",
    depth_prior: ArrayLike | None = None,
    prior_weight: float = 1e-4,
    pixel_size: float = 1.0,
    sharpness: float = 2.0,
    max_iterations: int = 150,
    tolerance: float = 1e-4,
    coarse_to_fine: bool = True,
    leave_out_isolated: bool = True,
) -> Depth:
    """Integrate normals to a depth map.

    Args:
        normal: (H, W, 3) in the camera frame (+x right, +y up, +z to the camera). Pixels whose normal is zero or not
            finite are holes and are not filled.
        mask: (H, W), zero off the object.
        camera: (3, 3) intrinsics in pixels, origin at the outer corner of the top-left pixel (its centre is at 0.5);
            None: an orthographic camera.
        method: "poisson" (least squares, smooth across discontinuities) or "bilateral" (Cao et al., ECCV 2022).
        depth_prior: (H, W) depths known from another source, not finite where they are unknown.
        prior_weight: Weight of one known depth relative to one equation of a frontal normal. With a prior everywhere,
            normals decide up to a distance of some 1 / sqrt(prior_weight) pixels, and the prior beyond.
        pixel_size: Distance of neighbouring pixels of an orthographic camera; depth is in the same unit.
        sharpness: k of "bilateral".
        max_iterations: The largest number of iterations of "bilateral".
        tolerance: "bilateral" stops if the energy changes by less than this fraction of itself.
        coarse_to_fine: Whether "bilateral" starts an object of some 300 pixels or more from the solution at every
            second pixel, which finds discontinuities in a tenth of the time.
        leave_out_isolated: Whether "bilateral" leaves out pieces of fewer than 10 pixels that it puts more than 10
            pixel widths from all neighbours: their normals graze, so their distance is arbitrary.

    Returns:
        Depth, connected components, and how well the surface fits.

    Raises:
        SolveError: If an argument has a wrong shape or value, or no pixel has a normal.
    """
    field, valid = _checked(normal, mask)
    if method not in INTEGRATORS:
        raise SolveError(f"method: {method!r} is not known; choose from {', '.join(INTEGRATORS)}")
    if not (prior_weight > 0 and pixel_size > 0 and sharpness > 0 and max_iterations > 0):
        raise SolveError("prior_weight, pixel_size, sharpness and max_iterations must be positive")
    graph = pixel_graph(valid)
    view = view_of(graph, _intrinsics(camera), pixel_size)
    normals = facing(field[valid], view)
    anchor, prior = _anchors(depth_prior, graph, view, prior_weight)

    system = EdgeSystem(graph, anchor, prior)
    if method == "poisson":
        mean = (normals[graph.first] + normals[graph.second]) / 2
        step, scale = steps(mean, graph.first, graph.second, view)
        unknown = system.solve(scale**2, step, np.zeros(graph.size))
        difference = unknown[graph.second] - unknown[graph.first] - step
        iterations, energy = 1, float(np.sum((scale * difference) ** 2))
    else:
        start = None
        if coarse_to_fine and _extent(valid) >= 2 * COARSEST:
            options = {"sharpness": sharpness, "max_iterations": max_iterations, "tolerance": tolerance}
            coarse = _half_size(field, valid, camera, depth_prior, prior_weight, pixel_size, options)
            start = _refined(coarse, graph, normals, view)
        unknown, iterations, energy = bilateral(
            graph, normals, view, system, sharpness, max_iterations, tolerance, start
        )
    isolated = np.zeros(graph.size, bool)
    if method == "bilateral" and leave_out_isolated:
        isolated = _isolated(unknown, graph, view)
    return _placed(unknown, graph, view, anchor, iterations, energy, isolated)


def _isolated(unknown: Float64, graph: PixelGraph, view: View) -> Bool:
    """(N,) pixels of pieces that are small, and small beside their component, when it is cut at wide steps."""
    joined = np.abs(unknown[graph.second] - unknown[graph.first]) < WIDE_STEP * view.pixel
    pairs = (np.ones(int(joined.sum()), bool), (graph.first[joined], graph.second[joined]))
    count, piece = scipy.sparse.csgraph.connected_components(
        scipy.sparse.coo_matrix(pairs, shape=(graph.size, graph.size)), directed=False
    )
    size = np.bincount(piece, minlength=count)[piece]
    label = graph.component[graph.valid]
    return (size < SMALLEST_PIECE) & (2 * size < np.bincount(label)[label])


def _extent(valid: Bool) -> int:
    """The shorter side of the box around the valid pixels."""
    box = bounding_box(valid)
    return min(box.width, box.height) if box else 0


def _half_size(
    field: Float64,
    valid: Bool,
    camera: ArrayLike | None,
    depth_prior: ArrayLike | None,
    prior_weight: float,
    pixel_size: float,
    options: dict[str, Any],
) -> Depth:
    """The bilateral solution at every second row and column; normals are not averaged across discontinuities."""
    kept = np.s_[::2, ::2]
    intrinsics = _intrinsics(camera)
    if intrinsics is not None:
        # The centre of the first pixel, at 0.5, stays at 0.5 of a pixel that is twice as wide.
        intrinsics = np.array([[0.5, 0, 0.25], [0, 0.5, 0.25], [0, 0, 1]]) @ intrinsics
    prior = None if depth_prior is None else np.asarray(depth_prior, dtype=np.float64)[kept]
    return integrate(
        field[kept],
        valid[kept],
        intrinsics,
        "bilateral",
        prior,
        4 * prior_weight,
        2 * pixel_size,
        leave_out_isolated=False,
        **options,
    )


def _refined(coarse: Depth, graph: PixelGraph, normals: Float64, view: View) -> tuple[Float64, Int]:
    """The coarse unknown, extrapolated to each pixel in the plane of its normal, and the coarse component numbers."""
    depth = np.full(graph.valid.shape, np.nan)
    depth[::2, ::2] = coarse.depth
    component = np.zeros(graph.valid.shape, np.intp)
    component[::2, ::2] = coarse.component
    nearest = scipy.ndimage.distance_transform_edt(
        component == 0, return_distances=False, return_indices=True
    )
    source = (nearest[0][graph.valid], nearest[1][graph.valid])
    number = np.cumsum(graph.valid.reshape(-1)).reshape(graph.valid.shape) - 1
    toward_source, _ = steps(normals, np.arange(graph.size), number[source], view)
    known = np.log(depth[source]) if view.perspective else depth[source]
    return known - toward_source, component[source]


def _checked(normal: ArrayLike, mask: ArrayLike | None) -> tuple[Float64, Bool]:
    """Unit normals (H, W, 3) and where they are."""
    field = np.asarray(normal, dtype=np.float64)
    if field.ndim != 3 or field.shape[2] != 3:
        raise SolveError(f"normal: expected (H, W, 3), got {field.shape}")
    length = np.linalg.norm(field, axis=2)
    valid: Bool = np.isfinite(length) & (length > 0)
    if mask is not None:
        inside = np.asarray(mask)
        if inside.shape != field.shape[:2]:
            raise SolveError(f"mask: expected {field.shape[:2]} like the normals, got {inside.shape}")
        valid &= inside != 0
    if not valid.any():
        raise SolveError("normal: no pixel inside the mask has a normal, so there is nothing to integrate")
    return field / np.where(valid, length, 1)[..., None], valid


def _intrinsics(camera: ArrayLike | None) -> Float64 | None:
    if camera is None:
        return None
    matrix = np.asarray(camera, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise SolveError(
            f"camera: expected an invertible 3 x 3 matrix of intrinsics in pixels, got {matrix.tolist()}"
        )
    return matrix


def _anchors(
    depth_prior: ArrayLike | None, graph: PixelGraph, view: View, prior_weight: float
) -> tuple[Float64, Float64]:
    """Weight (0 where the depth is unknown) and value of the prior at each pixel, in terms of the unknown."""
    if depth_prior is None:
        return np.zeros(graph.size), np.zeros(graph.size)
    known = np.asarray(depth_prior, dtype=np.float64)
    if known.shape != graph.valid.shape:
        raise SolveError(f"depth_prior: expected {graph.valid.shape} like the normals, got {known.shape}")
    values = known[graph.valid]
    given = np.isfinite(values)
    if view.perspective and (values[given] <= 0).any():
        raise SolveError(
            "depth_prior: a depth of a perspective camera is positive; mark unknown depths with NaN"
        )
    value = np.where(given, values, 1.0)
    if view.perspective:
        value = np.log(value)
    return np.where(given, prior_weight / view.pixel**2, 0.0), np.where(given, value, 0.0)


def _placed(
    unknown: Float64,
    graph: PixelGraph,
    view: View,
    anchor: Float64,
    iterations: int,
    energy: float,
    isolated: Bool,
) -> Depth:
    """The unknown as a depth map; sets the free constant of each component that has no anchor."""
    label = graph.component[graph.valid]
    count = int(label.max())
    anchored = np.bincount(label, anchor, count + 1)[1:] > 0
    kept = ~isolated
    pixels = np.bincount(label, kept, count + 1)
    mean = np.bincount(label, np.where(kept, unknown, 0), count + 1) / np.maximum(pixels, 1)
    mean[1:][anchored] = 0
    unknown = unknown - mean[label]
    depth = np.full(graph.valid.shape, np.nan)
    depth[graph.valid] = np.where(isolated, np.nan, np.exp(unknown) if view.perspective else unknown)
    left_out = np.zeros(graph.valid.shape, bool)
    left_out[graph.valid] = isolated
    component = np.where(left_out, 0, graph.component).astype(np.int32)
    return Depth(depth, component, anchored, iterations, energy, left_out)
