# SPDX-License-Identifier: Apache-2.0
"""Parts of one image, each with its own noise -> their mean, its estimated PSNR, and the samples still needed.

The difference of two independent parts measures the noise of their mean. It does not show an error that the denoiser
makes in both parts (it smooths a weave away); that error shows in comparison with the undenoised image, if its noise is
low enough.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.color import linear_to_srgb
from multishade.imaging.quality import error_to_psnr, mean_squared, psnr_to_error

Array = NDArray[np.float32]

# Measured over the images of `benchmarks/rendering`, for which references exist. MSE is that of display-encoded values.
COMMON_ERROR_FACTOR = 2.0  # MSE of a denoised image in relation to the MSE that two parts' difference shows
ERROR_EXPONENT = 0.6  # the MSE of a denoised image falls with samples ** -ERROR_EXPONENT
JUDGEABLE_MSE = 2e-3  # the undenoised image is used as a reference if its own MSE is below this (27 dB)
SUFFICIENT_MSE_RATIO = 3.0  # and used alone if its MSE is less than this multiple of the denoised image's
COVERED = 0.5  # coverage from which on a pixel belongs to the object
PLANNING_EXPONENT = 0.9  # ERROR_EXPONENT for sizing the next part: too few samples cost less than too many
MAX_GROWTH = 2.0  # samples of a part in relation to all before it; the estimate has to be renewed in between


@dataclasses.dataclass(frozen=True)
class Part:
    """One render. clean: (H, W, 4) linear, premultiplied; raw: (H, W, 3) before the denoiser, if there is one."""

    samples: int
    clean: Array
    raw: Array | None


@dataclasses.dataclass(frozen=True)
class QualityTarget:
    """What an image has to reach.

    psnr: dB, display-encoded, over the object's pixels; first: samples of each of the first two parts; most: samples of
    all parts together (at least 2).
    """

    psnr: float
    first: int
    most: int

    @property
    def mean_square_error(self) -> float:
        """The MSE of display-encoded values that `psnr` allows."""
        return psnr_to_error(self.psnr)


@dataclasses.dataclass(frozen=True)
class EstimatedQuality:
    """Number of parts of an image, samples per pixel of all of them, and the estimated PSNR in dB."""

    parts: int
    samples: int
    psnr: float


def render_to_psnr(
    render: Callable[[int, int], Part], target: QualityTarget, expose: Callable[[Array], float]
) -> tuple[Array, EstimatedQuality]:
    """Render parts of an image until it has the target's PSNR, or all samples are used.

    Args:
        render: `render(samples, number)` renders part `number` with noise of its own.
        target: The quality to reach and the limit of samples.
        expose: Maps (N, 3) linear pixels of the object to the exposure with which the image will be displayed.

    Returns:
        The mean of the parts, (H, W, 4) float32, linear, premultiplied; and its estimated quality.
    """
    first = min(target.first, target.most // 2)
    image = Accumulation(render(first, 0))
    covered = image.pixels[..., 3] > COVERED
    if not covered.any():  # thinner than a pixel everywhere: judge by the whole image
        covered = image.pixels[..., 3] >= 0
    number, wanted = 1, first
    while wanted and image.samples < target.most:
        part = render(min(wanted, target.most - image.samples), number)
        image.add(part, expose(image.object_pixels(covered)), covered)
        number, wanted = number + 1, image.samples_needed(target.mean_square_error)
    psnr = error_to_psnr(image.mean_square_error, smallest_error=1e-10)
    return image.pixels, EstimatedQuality(number, image.samples, psnr)


class Accumulation:
    """The mean of the parts of one image so far, and its estimated error."""

    def __init__(self, first: Part) -> None:
        self.samples, self._clean, self._raw = first.samples, first.clean, first.raw
        self._share = 0.0  # of the undenoised image in the result
        self.mean_square_error = math.inf  # of display-encoded values

    @property
    def pixels(self) -> Array:
        """(H, W, 4), the mean of all parts, mixed with the undenoised mean so that the estimated error is least."""
        if self._raw is None:
            return self._clean
        mixed = self._clean.copy()
        mixed[..., :3] += np.float32(self._share) * (self._raw - self._clean[..., :3])
        return mixed

    def object_pixels(self, covered: NDArray[np.bool_]) -> Array:
        """(N, 3) linear values of the `covered` pixels, divided by their coverage."""
        return self._clean[covered, :3] / np.maximum(self._clean[covered, 3:], np.float32(1e-6))

    def add(self, part: Part, exposure: float, covered: NDArray[np.bool_]) -> None:
        """Add a part with other noise; the error is estimated over `covered` pixels, displayed with `exposure`."""
        both = self.samples + part.samples
        self.mean_square_error, self._share = self._estimate(part, both, exposure, covered)
        new = np.float32(part.samples / both)
        self._clean = self._clean + new * (part.clean - self._clean)
        if self._raw is not None and part.raw is not None:
            self._raw = self._raw + new * (part.raw - self._raw)
        self.samples = both

    def _estimate(
        self, part: Part, both: int, exposure: float, covered: NDArray[np.bool_]
    ) -> tuple[float, float]:
        """MSE of both parts together, and the best share of the undenoised image in the result."""

        def displayed(image: Array) -> Array:
            return linear_to_srgb(image[covered, :3] * np.float32(exposure))

        ours, theirs = self.samples, part.samples
        clean, other_clean = displayed(self._clean), displayed(part.clean)
        if self._raw is None or part.raw is None:
            return mean_squared(clean - other_clean) * ours * theirs / both**2, 0.0
        raw, other_raw = displayed(self._raw), displayed(part.raw)
        # The error that falls with the samples is alike in both parts; the mean keeps this share of their difference.
        remaining = both**-ERROR_EXPONENT / (ours**-ERROR_EXPONENT + theirs**-ERROR_EXPONENT)
        error_from_parts = mean_squared(clean - other_clean) * remaining * COMMON_ERROR_FACTOR
        # Noise is inversely proportional to the samples; the difference has the noise of both parts, from which the
        # noise of each follows.
        raw_error, other_raw_error = (mean_squared(raw - other_raw) * n / both for n in (theirs, ours))
        if raw_error >= JUDGEABLE_MSE:
            return error_from_parts, 0.0
        # Against an image with other noise and without the denoiser's error: the error of the parts so far.
        clean_error = max(mean_squared(clean - other_raw) - other_raw_error, 0.0)
        sufficient = other_raw_error < SUFFICIENT_MSE_RATIO * clean_error
        share = 0.0
        if raw_error < clean_error:
            shared = (
                float(np.mean((clean - other_raw) * (raw - other_raw), dtype=np.float64)) - other_raw_error
            )
            share, clean_error = _mix(clean_error, raw_error, shared)
        error_from_raw = clean_error * (ours / both) ** ERROR_EXPONENT
        return error_from_raw if sufficient else max(error_from_raw, error_from_parts), share

    def samples_needed(self, mean_square_error: float) -> int:
        """Samples that the next part needs to reach this error; 0 if it is reached."""
        if self.mean_square_error <= mean_square_error:
            return 0
        factor = (self.mean_square_error / mean_square_error) ** (1 / PLANNING_EXPONENT)
        total = self.samples * min(factor, 1 + MAX_GROWTH)
        return math.ceil(max(total - self.samples, self.samples / 2))


def _mix(clean: float, raw: float, shared: float) -> tuple[float, float]:
    """MSE of two images and the mean product of their errors -> the best share of the second, and the mix's MSE."""
    spread = clean + raw - 2 * shared
    share = min(max((clean - shared) / spread, 0.0), 1.0) if spread > 0 else 0.0
    return share, (1 - share) ** 2 * clean + share**2 * raw + 2 * share * (1 - share) * shared
