# SPDX-License-Identifier: Apache-2.0
"""Normals on a pixel graph -> depth with its jumps kept: bilaterally weighted integration.

Xu Cao, Hiroaki Santo, Boxin Shi, Fumio Okura, Yasuyuki Matsushita, "Bilateral Normal Integration", ECCV 2022,
written from the paper. Every pixel says four times, with its own normal, what the step to a neighbour should be. A
surface is assumed to be continuous on at least one side of a pixel in each direction, so of two opposite neighbours
the one across the smaller jump gets the weight: w_right = sigmoid(k ((s step_left)^2 - (s step_right)^2)), w_left =
1 - w_right, steps in units of a pixel's width, s the cosine toward the viewer. Weights and depth are found in turn,
from equal weights on: or, which the paper does not, from the weights of a coarser solution, since a jump opens by a
pixel or two a round and a large image would need hundreds.
"""

import numpy as np
import scipy.special

from multishade.photometry.integration.graph import EdgeSystem, Int, PixelGraph, View, steps
from multishade.photometry.solvers.observations import Float64

# Outer iterations between fresh multigrid hierarchies once the weights have settled; the first few change
# everything.
_RENEW_FIRST, _RENEW_EVERY = 4, 8
# The weights change by percents a round, so three digits, warm-started, serve as well as an exact solution.
_LOOSE = 1e-3


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
    """The unknown x (N,), the iterations and the energy. normals: (N, 3), facing the camera; stops when the energy
    changes by less than `tolerance` of itself. start: x (N,) of a coarser solution, and its component numbers (N,):
    between two components a coarser solution knows nothing of jumps.
    """
    first, second = graph.first, graph.second
    forward, forward_scale = steps(normals[first], first, second, view)
    backward, backward_scale = steps(normals[second], second, first, view)
    forward_scale, backward_scale = forward_scale**2, backward_scale**2
    # For an edge p -> q: which edge lies on the other side of p (ends at p), and on the other side of q; -1 if
    # none.
    behind, ahead = _opposite_edges(graph)

    def shares(jump: Float64) -> tuple[Float64, Float64]:
        """How much of the trust of p and of q goes to the edge p -> q."""
        squared = np.square(jump)
        return (
            _share(squared, squared[behind], behind, forward_scale, sharpness),
            _share(squared, squared[ahead], ahead, backward_scale, sharpness),
        )

    unknown: Float64 = np.zeros(graph.size)
    forward_share = np.where(behind < 0, 1.0, 0.5)
    backward_share = np.where(ahead < 0, 1.0, 0.5)
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
        renew = iteration <= _RENEW_FIRST or iteration % _RENEW_EVERY == 0
        unknown = system.solve(weight, step, unknown, _LOOSE, renew)

        jump = unknown[second] - unknown[first]
        misfit = forward_weight * (jump - forward) ** 2 + backward_weight * (jump + backward) ** 2
        before, energy = energy, float(misfit.sum())
        if iteration > 1 and abs(before - energy) <= tolerance * before:
            break
        forward_share, backward_share = shares(jump)
    # One exact solution with the weights that were found.
    return system.solve(weight, step, unknown), iteration, energy


def _share(
    jump: Float64, opposite_jump: Float64, opposite: np.ndarray, scale: Float64, sharpness: float
) -> Float64:
    """How much of a pixel's trust in one direction goes to this edge: all of it where there is no other."""
    return np.where(opposite < 0, 1.0, scipy.special.expit(sharpness * scale * (opposite_jump - jump)))


def _opposite_edges(graph: PixelGraph) -> tuple[np.ndarray, np.ndarray]:
    """For each edge the one in line that ends where it starts, and the one that starts where it ends; -1 for none."""
    starts = np.full((2, graph.size), -1)
    ends = np.full((2, graph.size), -1)
    direction = graph.across.astype(int)
    edges = np.arange(len(graph.first))
    starts[direction, graph.first] = edges
    ends[direction, graph.second] = edges
    return ends[direction, graph.first], starts[direction, graph.second]
