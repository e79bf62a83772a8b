# SPDX-License-Identifier: Apache-2.0
"""Normals on a pixel graph -> depth with its discontinuities: bilaterally weighted integration.

Xu Cao, Hiroaki Santo, Boxin Shi, Fumio Okura, Yasuyuki Matsushita, "Bilateral Normal Integration", ECCV 2022;
implemented from the paper. The normal of each pixel predicts the steps to its four neighbours. A surface is assumed to
be continuous on at least one side of a pixel in each direction, so of two opposite neighbours the one across the
smaller step gets the weight: w_right = sigmoid(k ((s step_left)^2 - (s step_right)^2)), w_left = 1 - w_right, with
steps in units of a pixel's width and s the cosine toward the viewer. Weights and depth are computed alternately,
starting from equal weights, or (not in the paper) from the weights of a coarser solution: a discontinuity grows by a
pixel or two per iteration, so a large image would need hundreds.
"""

import numpy as np
import scipy.special

from multishade.photometry.integration.graph import EdgeSystem, Int, PixelGraph, View, steps
from multishade.photometry.solvers.observations import Float32, Float64

# The weights change by percents per iteration, so two digits, warm-started, are as good as an exact solution.
_LOOSE, _EXACT = 6e-3, 1e-6


def bilateral(
    graph: PixelGraph,
    normals: Float64,
    view: View,
    system: EdgeSystem,
    sharpness: float,
    max_iterations: int,
    tolerance: float,
    start: tuple[Float64, Int] | None = None,
) -> tuple[Float64, int, float]:
    """Solve for the unknown of each pixel (depth, or its logarithm) with bilateral weights.

    Args:
        graph: N pixels and their neighbours.
        normals: (N, 3) unit normals that face the camera.
        view: The rays of the pixels.
        system: The least squares over the graph's edges.
        sharpness: k of the paper.
        max_iterations: The largest number of iterations.
        tolerance: Stop if the energy changes by less than this fraction of itself.
        start: Unknowns (N,) of a coarser solution and its component numbers (N,); steps between two of its components
            are unknown.

    Returns:
        The unknowns (N,), the number of iterations and the energy.
    """
    first, second = graph.first, graph.second
    forward, forward_scale = steps(normals[first], first, second, view)
    backward, backward_scale = steps(normals[second], second, first, view)
    forward_scale, backward_scale = forward_scale**2, backward_scale**2
    # For an edge p -> q: the edge on the other side of p (it ends at p), and on the other side of q; -1 for none.
    behind, ahead = _opposite_edges(graph)

    def shares(jump: Float64) -> tuple[Float32, Float32]:
        """The fractions of the weight of p and of q that the edge p -> q gets."""
        squared = np.square(jump)
        return (
            _share(squared, squared[behind], behind, forward_scale, sharpness),
            _share(squared, squared[ahead], ahead, backward_scale, sharpness),
        )

    unknown: Float64 = np.zeros(graph.size)
    forward_share: Float32 = np.where(behind < 0, np.float32(1), np.float32(0.5))
    backward_share: Float32 = np.where(ahead < 0, np.float32(1), np.float32(0.5))
    if start is not None:
        unknown, piece = start
        one = piece[first] == piece[second]
        coarse_forward, coarse_backward = shares(unknown[second] - unknown[first])
        forward_share = np.where(one & one[behind], coarse_forward, forward_share)
        backward_share = np.where(one & one[ahead], coarse_backward, backward_share)
    energy = np.inf
    iteration = 0
    for iteration in range(1, max_iterations + 1):
        forward_weight = forward_share * forward_scale
        backward_weight = backward_share * backward_scale
        weight = forward_weight + backward_weight
        step = (forward_weight * forward - backward_weight * backward) / np.maximum(weight, 1e-300)
        unknown = system.solve(weight, step, unknown, _LOOSE, renew=False)

        jump = unknown[second] - unknown[first]
        misfit = forward_weight * (jump - forward) ** 2 + backward_weight * (jump + backward) ** 2
        before, energy = energy, float(misfit.sum())
        if iteration > 1 and abs(before - energy) <= tolerance * before:
            break
        forward_share, backward_share = shares(jump)
    # One exact solution with the final weights.
    return system.solve(weight, step, unknown, _EXACT, renew=False), iteration, energy


def _share(
    jump: Float64, opposite_jump: Float64, opposite: np.ndarray, scale: Float64, sharpness: float
) -> Float32:
    """The fraction of a pixel's weight in one direction that this edge gets: all of it if there is no other edge."""
    # In single precision, which a fraction does not need more of.
    exponent = (sharpness * scale * (opposite_jump - jump)).astype(np.float32)
    return np.where(opposite < 0, np.float32(1), scipy.special.expit(exponent))


def _opposite_edges(graph: PixelGraph) -> tuple[np.ndarray, np.ndarray]:
    """For each edge the collinear one that ends where it starts, and the one that starts where it ends; -1 for none."""
    starts = np.full((2, graph.size), -1)
    ends = np.full((2, graph.size), -1)
    direction = graph.across.astype(int)
    edges = np.arange(len(graph.first))
    starts[direction, graph.first] = edges
    ends[direction, graph.second] = edges
    return ends[direction, graph.first], starts[direction, graph.second]
