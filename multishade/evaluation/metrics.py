# SPDX-License-Identifier: Apache-2.0
"""Predicted and true normals, depths and shading -> the numbers of a result table.

Angular errors are signed: the cosine is clamped and never made absolute, so a flipped normal counts as 180
degrees and not as 0. Everything is taken inside the mask only. The mean over pixels of all objects ("pooled")
and the mean over objects of their means ("averaged") answer different questions; both are reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.imaging.quality import error_to_psnr

Float32 = NDArray[np.float32]

THRESHOLDS = (3.0, 5.0, 7.5, 11.25, 22.5, 30.0)
TILT_EDGES = (0.0, 30.0, 60.0, 90.0)
# A missing normal is scored as this in `mean_with_missing`: what a direction without any information has on a
# sphere.
MISSING_DEGREES = 90.0

HIGHER_IS_BETTER = ("within_", "coverage", "shading_psnr", "shading_ssim")


def is_higher_better(metric: str) -> bool:
    """Whether more of this column is good. Errors and GMSD: no."""
    return metric.startswith(HIGHER_IS_BETTER)


def summarise(errors: NDArray[np.floating]) -> dict[str, float]:
    """Angular errors in degrees, (N,) -> mean, median, rmse, percentage below each threshold. NaN without pixels."""
    if errors.size == 0:
        names = ("mean", "median", "rmse", *(_within(limit) for limit in THRESHOLDS))
        return dict.fromkeys(names, float("nan"))
    values = errors.astype(np.float64)
    return {
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "rmse": float(np.sqrt((values**2).mean())),
        **{_within(limit): float((values < limit).mean() * 100) for limit in THRESHOLDS},
    }


def normal_metrics(
    error: NDArray[np.floating], true_normal: Float32, scored: NDArray[np.bool_]
) -> dict[str, float]:
    """One prediction's row of normal metrics.

    error: (H, W) degrees, NaN where the method gave no normal; true_normal: (H, W, 3); scored: (H, W). The
    metrics are over the pixels with a prediction; `coverage` is their share (percent),
    `mean_with_missing` counts the others as 90 degrees. `mean_tilt_a_b` is the mean over pixels whose true
    normal is a to b degrees from the viewing axis.
    """
    values = error[scored].astype(np.float64)
    given = np.isfinite(values)
    tilt = np.degrees(np.arccos(np.clip(true_normal[scored][:, 2], -1, 1)))
    row = {
        "pixels": float(values.size),
        "coverage": float(given.mean() * 100) if values.size else float("nan"),
        **summarise(values[given]),
        "mean_with_missing": float(np.where(given, values, MISSING_DEGREES).mean())
        if values.size
        else float("nan"),
    }
    for low, high in zip(TILT_EDGES[:-1], TILT_EDGES[1:], strict=True):
        # Normals that face away from the camera (true on grazing pixels of real scans) belong to the last bin.
        inside = given & (tilt >= low) & ((tilt < high) | (high == TILT_EDGES[-1]))
        row[f"mean_tilt_{low:g}_{high:g}"] = float(values[inside].mean()) if inside.any() else float("nan")
        row[f"pixels_tilt_{low:g}_{high:g}"] = float(inside.sum())
    return row


def _within(limit: float) -> str:
    return f"within_{limit:g}"


@dataclass
class PooledErrors:
    """All pixels of all objects as one distribution, without keeping them: the median is good to 0.005 degrees."""

    count: int = 0
    total: float = 0.0
    total_squared: float = 0.0
    below: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(THRESHOLDS), dtype=np.int64))
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(18000, dtype=np.int64))

    def add(self, errors: NDArray[np.floating]) -> None:
        """errors: (N,) degrees in [0, 180]; NaN is skipped."""
        values = errors[np.isfinite(errors)].astype(np.float64)
        self.count += values.size
        self.total += float(values.sum())
        self.total_squared += float((values**2).sum())
        self.below += np.array([(values < limit).sum() for limit in THRESHOLDS])
        self.histogram += np.histogram(values, bins=self.histogram.size, range=(0.0, 180.0))[0]

    def summary(self) -> dict[str, float]:
        """The same keys as `summarise`, and `pixels`."""
        if self.count == 0:
            return {"pixels": 0.0, **summarise(np.empty(0))}
        # Lower and upper middle value, so that an even count gives their mean, as numpy.median does.
        reached = np.cumsum(self.histogram)
        middle = [np.searchsorted(reached, rank + 1) for rank in ((self.count - 1) // 2, self.count // 2)]
        width = 180.0 / self.histogram.size
        return {
            "pixels": float(self.count),
            "mean": self.total / self.count,
            "median": float((np.mean(middle) + 0.5) * width),
            "rmse": float(np.sqrt(self.total_squared / self.count)),
            **{
                _within(limit): float(below / self.count * 100)
                for limit, below in zip(THRESHOLDS, self.below, strict=True)
            },
        }


def average(rows: list[Mapping[str, float]]) -> dict[str, float]:
    """Mean of every numeric metric over the rows that have it."""
    names = [name for name in rows[0] if not name.startswith("pixels")] if rows else []
    averages = {}
    for name in names:
        values = [row[name] for row in rows if name in row and np.isfinite(row[name])]
        averages[name] = float(np.mean(values)) if values else float("nan")
    return averages


def best_scale(depth: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """The s that minimises sum |s depth - truth|: the median of truth / depth weighted by |depth|. Both (N,)."""
    usable = depth != 0
    if not usable.any():
        raise EvaluationError("a depth map of zeros has no best scale")
    ratio = truth[usable].astype(np.float64) / depth[usable]
    weight = np.abs(depth[usable]).astype(np.float64)
    order = np.argsort(ratio, kind="stable")
    reached = np.cumsum(weight[order])
    return float(ratio[order][np.searchsorted(reached, reached[-1] / 2)])


def best_offset(depth: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """The c that minimises sum |depth + c - truth|: the median of truth - depth. Both (N,)."""
    return float(np.median(truth.astype(np.float64) - depth))


def shading_metrics(
    predicted: NDArray[np.floating], truth: NDArray[np.floating], mask: NDArray[np.bool_]
) -> dict[str, float]:
    """Shading sequences (K, H, W) in [0, 1] -> PSNR, SSIM and GMSD inside the mask, each frame's value averaged.

    PSNR in dB of the masked pixels (peak 1; at most 100, so that means exist). SSIM: Wang et al. 2004,
    Gaussian window of sigma 1.5. GMSD: gradient magnitude similarity deviation, Xue et al. 2014, a perceptual
    measure that needs no network; 0 is best. Windows at the outline see the background, which is 0 in both.
    """
    from skimage.metrics import structural_similarity

    if predicted.shape != truth.shape or predicted.shape[1:] != mask.shape:
        raise EvaluationError(f"shading of shape {predicted.shape} against {truth.shape}, mask {mask.shape}")
    if min(mask.shape) < 11:
        raise EvaluationError(
            f"shading of {mask.shape[1]} x {mask.shape[0]} pixels: SSIM's window needs 11 x 11"
        )
    psnr, ssim, gmsd = [], [], []
    for first, second in zip(predicted, truth, strict=True):
        a = np.where(mask, first, 0).astype(np.float64)
        b = np.where(mask, second, 0).astype(np.float64)
        squared = ((a - b)[mask] ** 2).mean()
        psnr.append(error_to_psnr(squared, smallest_error=1e-10))
        _, similarity = structural_similarity(
            a, b, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        ssim.append(similarity[mask].mean())
        gmsd.append(gradient_similarity_deviation(a, b, mask))
    return {
        "shading_psnr": float(np.mean(psnr)),
        "shading_ssim": float(np.mean(ssim)),
        "shading_gmsd": float(np.mean(gmsd)),
    }


def gradient_similarity_deviation(
    a: NDArray[np.floating], b: NDArray[np.floating], mask: NDArray[np.bool_]
) -> float:
    """GMSD of two images (H, W) in [0, 1] (Xue, Zhang, Mou, Bovik, IEEE TIP 2014): 0 for equal images.

    Halved by 2 x 2 means, gradients by Prewitt, c = 170 / 255^2, and the standard deviation over the mask's
    pixels.
    """
    from scipy import ndimage

    def gradient(image: NDArray[np.floating]) -> NDArray[np.floating]:
        small = ndimage.uniform_filter(image, size=2)[::2, ::2]
        return np.hypot(ndimage.prewitt(small, axis=0), ndimage.prewitt(small, axis=1)) / 3

    first, second = gradient(a), gradient(b)
    constant = 170 / 255**2
    similarity = (2 * first * second + constant) / (first**2 + second**2 + constant)
    inside = mask[::2, ::2]
    return float(similarity[inside].std()) if inside.any() else float("nan")
