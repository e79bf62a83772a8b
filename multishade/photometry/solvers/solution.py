# SPDX-License-Identifier: Apache-2.0
"""A kernel that fits one block of pixels -> a Solution for whole images, on all available cores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from multishade import threads
from multishade.photometry.solvers.observations import Bool, Float32, Observations


@dataclass(frozen=True)
class Solution:
    """Normals and albedo of an image. Off the mask, and where `determined` is False, all other fields are 0.

    Attributes:
        normal: (H, W, 3) unit vectors in the camera frame.
        albedo: (H, W), or (H, W, 3) for RGB images: radiance under a light of intensity 1 along the normal.
        residual: (H, W) root mean square misfit over the lights that the method used, in units of grey.
        confidence: (H, W) 0 to 1: 1 / (1 + (d / 5 degrees)^2), d the predicted angular deviation of the normal.
        determined: (H, W) bool: three lit lights or more, not in one plane.
    """

    normal: Float32
    albedo: Float32
    residual: Float32
    confidence: Float32
    determined: Bool


class Fit(NamedTuple):
    """The result of a kernel for B pixels; entries of pixels that are not determined are ignored."""

    scaled_normal: NDArray[np.floating]  # (3, B) albedo times normal
    residual: NDArray[np.floating]  # (B,)
    confidence: NDArray[np.floating]  # (B,)
    determined: Bool  # (B,)
    weights: NDArray[np.floating] | None  # (K, B) weight of each light; only if requested
    finite: bool  # whether sums of the input are finite


# grey (K, B) float32, (K, B) where it is a measurement (None: everywhere; else 0), whether to return weights -> Fit
Kernel = Callable[[Float32, Bool | None, bool], Fit]


def fit_blocks(
    observations: Observations, kernel: Kernel, block: int, gather: bool, workers: int | None = None
) -> Solution:
    """Run a kernel over the pixels inside the mask.

    Args:
        observations: The input.
        kernel: Fits one block of pixels.
        block: Pixels in a block.
        gather: Pass only the pixels inside the mask (for iterative kernels) instead of all pixels of blocks that touch
            the mask (for kernels so fast that selecting pixels would cost more).
        workers: Threads; None: one for each core.

    Returns:
        The solution for the whole images.
    """
    pixels = len(observations.mask)
    fields = blank_fields(observations)
    normal, albedo, residual, trust, determined = fields

    def run(start: int) -> None:
        stop = min(start + block, pixels)
        inside = observations.mask[start:stop]
        if not inside.any():
            return
        whole = bool(inside.all())
        grey = observations.grey(start, stop)
        measured = observations.measured_block(start, stop)
        if gather and not whole:
            grey = grey[:, inside]
            measured = None if measured is None else measured[:, inside]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            fit = kernel(grey, measured, observations.colour)
            if not fit.finite:
                observations.refuse_non_finite(start, stop)
            good = fit.determined if gather or whole else fit.determined & inside
            place = slice(start, stop) if whole or not gather else start + np.flatnonzero(inside)
            length = np.sqrt(np.einsum("ib,ib->b", fit.scaled_normal, fit.scaled_normal))
            unit = fit.scaled_normal / length
            values = (fit.residual, fit.confidence, length)
            if not good.all():
                bad = ~good
                unit[:, bad] = 0
                for value in values:
                    value[bad] = 0
            normal[place] = unit.T
            residual[place] = fit.residual
            trust[place] = fit.confidence
            determined[place] = good
            if observations.colour:
                assert fit.weights is not None
                channels = observations.channels(start, stop)
                counted = observations.channel_weights(start, stop)
                if gather and not whole:
                    channels = channels[:, inside]
                    counted = None if counted is None else counted[:, inside]
                albedo[place] = _colour_albedo(channels, unit, observations.directions, fit.weights, counted)
            else:
                albedo[place] = length

    over_threads(run, range(0, pixels, block), workers)
    return to_images(observations, fields)


Fields = tuple[Float32, Float32, Float32, Float32, Bool]


def blank_fields(observations: Observations) -> Fields:
    """Allocate normal (N, 3), albedo (N,) or (N, 3), residual, confidence and determined (N,), all 0."""
    pixels = len(observations.mask)
    return (
        np.zeros((pixels, 3), np.float32),
        np.zeros((pixels, 3) if observations.colour else pixels, np.float32),
        np.zeros(pixels, np.float32),
        np.zeros(pixels, np.float32),
        np.zeros(pixels, bool),
    )


def to_images(observations: Observations, fields: Fields) -> Solution:
    """Reshape the filled fields to images."""
    height, width = observations.shape
    normal, albedo, residual, trust, determined = fields
    return Solution(
        normal=normal.reshape(height, width, 3),
        albedo=albedo.reshape(height, width, *albedo.shape[1:]),
        residual=residual.reshape(height, width),
        confidence=trust.reshape(height, width),
        determined=determined.reshape(height, width),
    )


def over_threads(run: Callable[[int], None], starts: range, workers: int | None) -> None:
    """Call run(start) for every start on `workers` threads (None: `multishade.threads.current`)."""
    count = min(threads.current() if workers is None else workers, len(starts))
    if count > 1:
        with ThreadPoolExecutor(count) as pool:
            # list() raises the exception of a block, which would be lost otherwise.
            list(pool.map(run, starts))
    else:
        for start in starts:
            run(start)


def _colour_albedo(
    channels: Float32,
    unit: NDArray[np.floating],
    directions: NDArray[np.floating],
    weights: NDArray[np.floating],
    counted: Float32 | None = None,
) -> Float32:
    """The albedo (B, 3) that fits each channel best, given the normal: sum w s I / sum w s^2, s the shading.

    counted: (K, B, 3) 0 where a channel is no measurement. A channel that measures nowhere gives what its values say.
    """
    shading = directions.astype(np.float32) @ unit.astype(np.float32)
    weighted = weights * shading
    scale = np.einsum("kb,kb->b", weighted, shading)
    if counted is not None:
        scales = np.einsum("kb,kbc,kb->bc", weighted, counted, shading)
        fitted = np.einsum("kb,kbc,kbc->bc", weighted, counted, channels)
        plain = np.einsum("kb,kbc->bc", weighted, channels)
        plain = np.divide(plain, scale[:, None], out=np.zeros_like(plain), where=scale[:, None] > 0)
        return np.divide(fitted, scales, out=plain, where=scales > 0)
    colour = np.einsum("kb,kbc->bc", weighted, channels)
    return np.divide(colour, scale[:, None], out=np.zeros_like(colour), where=scale[:, None] > 0)
