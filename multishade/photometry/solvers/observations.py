# SPDX-License-Identifier: Apache-2.0
"""Images, lights, mask -> checked observations, read as grey float32 blocks of pixels: the input of every solver.

A grey value is the same linear mix of the channels for every method, divided by the light's intensity. Blocks
keep the working set in the processor's cache, whatever the size of the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from multishade.errors import SolveError
from multishade.geometry.lights import unit_directions

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

# How RGB becomes grey. DiLiGenT's published results come from MATLAB's rgb2gray (Rec.601 luma), not from Rec.709
# luminance (`imaging.color`); "mean" is the input of RoSE's network.
GREY_WEIGHTS = {"luminance": (0.2989, 0.5870, 0.1140), "mean": (1 / 3, 1 / 3, 1 / 3)}


@dataclass(frozen=True)
class Observations:
    """Images and their lights, checked by `observe`; N = H * W pixels, row by row."""

    stack: NDArray[Any]  # (K, N) or (K, N, 3), the caller's type, not copied
    directions: Float64  # (K, 3) unit vectors toward the light
    gain: (
        Float32 | None
    )  # (K,) or (K, 3): grey = sum over channels of gain * stack; None: the stack is grey already
    channel_gain: (
        Float32 | None
    )  # (K, 3): a colour image times this is radiance under a light of unit intensity
    mask: Bool  # (N,)
    shape: tuple[int, int]
    measured: Bool | None = None  # (K, N) False where a value is no measurement; None: all are
    channels_measured: Bool | None = None  # (K, N, 3) likewise for each channel; None: as `measured`
    used: Float32 | None = None  # (N, 3) factors of the channels that make a pixel's grey; None: all are 1

    @property
    def colour(self) -> bool:
        return self.stack.ndim == 3

    def grey(self, start: int, stop: int) -> Float32:
        """Return pixels start to stop, (K, stop - start) float32; a view of the caller's array if nothing changes.

        Values that are no measurement are 0, as in shadow.
        """
        values = self._all_grey(start, stop)
        return (
            values if self.measured is None else np.where(self.measured[:, start:stop], values, np.float32(0))
        )

    def measured_block(self, start: int, stop: int) -> Bool | None:
        """Return where pixels start to stop are measurements, (K, stop - start); None: everywhere."""
        return None if self.measured is None else self.measured[:, start:stop]

    def _all_grey(self, start: int, stop: int) -> Float32:
        block = self.stack[:, start:stop]
        if self.gain is None:
            return block.astype(np.float32, copy=False)
        if block.ndim == 2:
            return np.multiply(block, self.gain[:, None], dtype=np.float32)
        grey = self._share(block, 0, start, stop)
        for channel in (1, 2):
            grey += self._share(block, channel, start, stop)
        return grey

    def _share(self, block: NDArray[Any], channel: int, start: int, stop: int) -> Float32:
        """What a channel of a colour block adds to its grey, (K, stop - start)."""
        assert self.gain is not None
        share = np.multiply(block[..., channel], self.gain[:, channel, None], dtype=np.float32)
        return share if self.used is None else share * self.used[start:stop, channel]

    def channels(self, start: int, stop: int) -> Float32:
        """Return pixels start to stop of a colour stack, (K, stop - start, 3) float32, divided by their lights."""
        assert self.channel_gain is not None
        return np.multiply(self.stack[:, start:stop], self.channel_gain[:, None, :], dtype=np.float32)

    def channel_weights(self, start: int, stop: int) -> Float32 | None:
        """Return 1 where a channel of pixels start to stop is a measurement, else 0, (K, stop - start, 3); None: as
        `measured_block`."""
        if self.channels_measured is None:
            return None
        return self.channels_measured[:, start:stop].astype(np.float32)

    def refuse_non_finite(self, start: int, stop: int) -> None:
        """Raise SolveError naming the first value in these pixels, inside the mask, that is NaN or infinite."""
        inside = self.mask[start:stop]
        bad = ~np.isfinite(self.grey(start, stop)) & inside
        if bad.any():
            light, offset = np.argwhere(bad)[0]
            row, column = divmod(start + int(offset), self.shape[1])
            raise SolveError(
                f"intensities: NaN or infinite under light {light} at row {row}, column {column}; "
                "take that pixel out of the mask, or repair the image"
            )


def observe(
    intensities: ArrayLike,
    directions: ArrayLike,
    mask: ArrayLike | None = None,
    light_intensities: ArrayLike | None = None,
    grey: str = "luminance",
    measured: ArrayLike | None = None,
) -> Observations:
    """Check the input of a solver; the images are not copied.

    Args:
        intensities: (K, H, W) grey or (K, H, W, 3) RGB, scene-linear, K >= 3; float16, float32, float64, or unsigned
            integers, which are read as fractions of their type's largest value.
        directions: (K, 3) unit vectors toward the lights in the camera frame.
        mask: (H, W), zero off the object; None: the object is everywhere.
        light_intensities: (K,) or, for RGB images, (K, 3); images are divided by them.
        grey: How RGB becomes one number, a key of GREY_WEIGHTS.
        measured: (K, H, W), False where a value is no measurement (clipped) and is left out; None: all are. With RGB
            images also (K, H, W, 3): each pixel then uses the channels that `used_channels` chooses.

    Returns:
        The observations.

    Raises:
        SolveError: If an argument has a wrong shape, type or value.
    """
    images = np.asarray(intensities)
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
        raise SolveError(f"intensities: expected (K, H, W) or (K, H, W, 3), got {images.shape}")
    if images.dtype.kind not in "fu":
        raise SolveError(
            f"intensities: {images.dtype} cannot be read as light; expected float or unsigned integers"
        )
    lights = unit_directions(np.asarray(directions))
    count, height, width = images.shape[:3]
    if count != len(lights):
        raise SolveError(f"{count} images but {len(lights)} light directions; each image needs its own")
    if count < 3:
        raise SolveError(f"{count} images; a normal needs at least 3 lights")
    if grey not in GREY_WEIGHTS:
        raise SolveError(f"grey: {grey!r} is not known; choose from {', '.join(GREY_WEIGHTS)}")

    full_scale = np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1
    strengths = _strengths(light_intensities, count, images.ndim == 4)
    if images.ndim == 4:
        channel_gain = 1 / (full_scale * strengths)
        gain = channel_gain * np.array(GREY_WEIGHTS[grey])
        stack = images.reshape(count, height * width, 3)
    else:
        channel_gain = None
        gain = 1 / (full_scale * strengths)
        stack = images.reshape(count, height * width)
    by_light, by_channel, used = _flat_measured(measured, images.shape, GREY_WEIGHTS[grey])
    is_grey = images.ndim == 3 and light_intensities is None and full_scale == 1
    return Observations(
        stack=stack,
        directions=lights,
        gain=None if is_grey else gain.astype(np.float32),
        channel_gain=None if channel_gain is None else channel_gain.astype(np.float32),
        mask=_flat_mask(mask, (height, width)),
        shape=(height, width),
        measured=by_light,
        channels_measured=by_channel,
        used=used,
    )


def _strengths(light_intensities: ArrayLike | None, count: int, colour: bool) -> Float64:
    """(K,) for grey images, (K, 3) for colour."""
    if light_intensities is None:
        return np.ones((count, 3) if colour else count)
    strengths = np.asarray(light_intensities, dtype=np.float64)
    if strengths.shape == (count, 3) and not colour:
        raise SolveError(
            f"light_intensities: {strengths.shape} is RGB, but the images are grey; "
            "pass RGB images, or one number a light"
        )
    if strengths.shape not in ((count,), (count, 3)):
        raise SolveError(f"light_intensities: expected ({count},) or ({count}, 3), got {strengths.shape}")
    if not (np.isfinite(strengths) & (strengths > 0)).all():
        raise SolveError("light_intensities: every one must be positive, since images are divided by them")
    if colour and strengths.ndim == 1:
        strengths = np.repeat(strengths[:, None], 3, axis=1)
    return strengths


def _flat_measured(
    measured: ArrayLike | None, shape: tuple[int, ...], weights: Sequence[float]
) -> tuple[Bool | None, Bool | None, Float32 | None]:
    """(K, N), and of RGB (K, N, 3) and the factors (N, 3) of the channels that count; None for what is 1 everywhere."""
    if measured is None:
        return None, None, None
    values = np.asarray(measured)
    if values.shape not in (shape[:3], shape) or values.dtype != bool:
        raise SolveError(
            f"measured: expected {shape[:3]} bool like the images, got {values.shape} {values.dtype}"
        )
    if values.all():
        return None, None, None
    if values.ndim == 3:
        return values.reshape(shape[0], -1), None, None
    channels = values.reshape(shape[0], -1, 3)
    chosen = used_channels(channels)
    by_light = (channels | ~chosen).all(axis=2)
    if chosen.all():
        return by_light, channels, None
    shares = chosen * np.asarray(weights)
    return (
        by_light,
        channels,
        (chosen * (sum(weights) / shares.sum(axis=1, keepdims=True))).astype(np.float32),
    )


def used_channels(measured: Bool) -> Bool:
    """Choose, for each pixel, the channels that its grey is made of.

    A channel that is clipped under some lights takes those lights from the others too, unless it is left out for that
    pixel altogether: within one pixel grey has to mean the same under every light. Chosen is the set of channels with
    the largest product of the number of channels and the square of the number of lights under which all of them
    measure; lights count more, since normals come from them, and channels only average noise.

    Args:
        measured: (K, N, 3) bool.

    Returns:
        (N, 3) bool, at least one true.
    """
    sets = np.array([[(number >> bit) & 1 for bit in range(3)] for number in range(7, 0, -1)], bool)
    sets = sets[
        np.argsort(-sets.sum(axis=1), kind="stable")
    ]  # more channels first: they win where scores are equal
    scores = np.stack([measured[..., each].all(axis=2).sum(axis=0) ** 2 * each.sum() for each in sets])
    return np.asarray(sets[scores.argmax(axis=0)])


def _flat_mask(mask: ArrayLike | None, shape: tuple[int, int]) -> Bool:
    if mask is None:
        return np.ones(shape[0] * shape[1], dtype=bool)
    inside = np.asarray(mask)
    if inside.shape != shape:
        raise SolveError(f"mask: expected {shape} like the images, got {inside.shape}")
    return inside.reshape(-1) != 0
