# SPDX-License-Identifier: Apache-2.0
"""Parts of one image, each with noise of its own -> their mean, how far from finished it is, and what is still needed.

Two independent parts tell the noise of their mean. What the denoiser does wrong in the same way in both (it smooths a
weave away) they do not tell; that shows against the undenoised image, where that is clean enough to judge by.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.color import linear_to_srgb
from multishade.imaging.quality import error_to_psnr, mean_squared, psnr_to_error

Array = NDArray[np.float32]

# Measured over the images of `benchmarks/rendering`, whose truth is known:
HIDDEN = 2.0  # the mean square error of a denoised image is so many times what two parts tell
FALL = 0.6  # and goes with samples ** -FALL
JUDGE = 2e-3  # the undenoised image can be judged by where its own mean square error is below this (27 dB)
CLEAR = 3.0  # and tells by itself where that error is at most so many times the denoised one's
SOLID = 0.5  # coverage from which on a pixel is the object's
EXPECTED = 0.9  # as FALL, for what the next part is expected to win: too few samples cost less than too many
GROWTH = 2.0  # a part has at most so many times the samples that there are; the estimate is to be renewed


@dataclasses.dataclass(frozen=True)
class Part:
    """One render. clean: (H, W, 4) linear, premultiplied; raw: (H, W, 3) before the denoiser, None without one."""

    samples: int
    clean: Array
    raw: Array | None


@dataclasses.dataclass(frozen=True)
class Goal:
    """psnr: dB, display-encoded, over the object; first: samples of the first two parts; most: of all (2 or more)."""

    psnr: float
    first: int
    most: int

    @property
    def error(self) -> float:
        """The mean square error that is allowed."""
        return psnr_to_error(self.psnr)


@dataclasses.dataclass(frozen=True)
class Convergence:
    """Where an image ended: its parts, the samples of all of them, and the dB that it is estimated to have."""

    parts: int
    samples: int
    psnr: float


def converge(
    render: Callable[[int, int], Part], goal: Goal, expose: Callable[[Array], float]
) -> tuple[Array, Convergence]:
    """Parts until the goal is reached or all samples are used -> (H, W, 4) linear, premultiplied.

    `render(samples, number)` makes a part, each number with noise of its own; `expose` tells the factor with which
    (N, 3) linear pixels of the object will be shown.
    """
    first = min(goal.first, goal.most // 2)
    found = Accumulation(render(first, 0))
    solid = found.image[..., 3] > SOLID
    if not solid.any():  # thinner than a pixel everywhere: there is nothing to judge by
        solid = found.image[..., 3] >= 0
    number, wanted = 1, first
    while wanted and found.samples < goal.most:
        part = render(min(wanted, goal.most - found.samples), number)
        found.add(part, expose(found.pixels(solid)), solid)
        number, wanted = number + 1, found.wanted(goal.error)
    return found.image, Convergence(number, found.samples, error_to_psnr(found.error, smallest_error=1e-10))


class Accumulation:
    """The parts of one image so far."""

    def __init__(self, first: Part) -> None:
        self.samples, self._clean, self._raw = first.samples, first.clean, first.raw
        self._share = 0.0  # of the undenoised image in the result
        self.error = math.inf

    @property
    def image(self) -> Array:
        """(H, W, 4), the mean of all parts; as much of it undenoised as makes the error least."""
        if self._raw is None:
            return self._clean
        mixed = self._clean.copy()
        mixed[..., :3] += np.float32(self._share) * (self._raw - self._clean[..., :3])
        return mixed

    def pixels(self, solid: NDArray[np.bool_]) -> Array:
        """(N, 3) linear, without the background that shines through."""
        return self._clean[solid, :3] / np.maximum(self._clean[solid, 3:], np.float32(1e-6))

    def add(self, part: Part, exposure: float, solid: NDArray[np.bool_]) -> None:
        """Join a part of other noise; the error is estimated over `solid` pixels as they are shown with `exposure`."""
        both = self.samples + part.samples
        self.error, self._share = self._estimate(part, both, exposure, solid)
        new = np.float32(part.samples / both)
        self._clean = self._clean + new * (part.clean - self._clean)
        if self._raw is not None and part.raw is not None:
            self._raw = self._raw + new * (part.raw - self._raw)
        self.samples = both

    def _estimate(
        self, part: Part, both: int, exposure: float, solid: NDArray[np.bool_]
    ) -> tuple[float, float]:
        """Mean square error of the two together, and the best share of the undenoised image in them."""

        def shown(image: Array) -> Array:
            return linear_to_srgb(image[solid, :3] * np.float32(exposure))

        ours, theirs = self.samples, part.samples
        clean, other = shown(self._clean), shown(part.clean)
        if self._raw is None or part.raw is None:
            return mean_squared(clean - other) * ours * theirs / both**2, 0.0
        raw, other_raw = shown(self._raw), shown(part.raw)
        # What falls with the samples is alike in both parts; of their difference, the mean of both keeps this share.
        kept = both**-FALL / (ours**-FALL + theirs**-FALL)
        told = mean_squared(clean - other) * kept * HIDDEN
        # Noise goes as one over the samples: that of the difference is the sum of both parts', of which these follow.
        of_raw, of_other = (mean_squared(raw - other_raw) * n / both for n in (theirs, ours))
        if of_raw >= JUDGE:
            return told, 0.0
        # Against an image of other noise and no hidden error: errors of the earlier parts, and what they share.
        denoised = max(mean_squared(clean - other_raw) - of_other, 0.0)
        clear = of_other < CLEAR * denoised
        share = 0.0
        if of_raw < denoised:
            shared = float(np.mean((clean - other_raw) * (raw - other_raw), dtype=np.float64)) - of_other
            share, denoised = _mix(denoised, of_raw, shared)
        seen = denoised * (ours / both) ** FALL
        return seen if clear else max(seen, told), share

    def wanted(self, target: float) -> int:
        """Samples that the next part needs for an error of `target`; 0 where it is reached."""
        if self.error <= target:
            return 0
        total = self.samples * min((self.error / target) ** (1 / EXPECTED), 1 + GROWTH)
        return math.ceil(max(total - self.samples, self.samples / 2))


def _mix(denoised: float, raw: float, shared: float) -> tuple[float, float]:
    """Mean square errors of two images, mean product of the errors -> the second's best share, and the mix's error."""
    spread = denoised + raw - 2 * shared
    share = min(max((denoised - shared) / spread, 0.0), 1.0) if spread > 0 else 0.0
    return share, (1 - share) ** 2 * denoised + share**2 * raw + 2 * share * (1 - share) * shared
