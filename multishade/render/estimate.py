# SPDX-License-Identifier: Apache-2.0
"""A plan and a folder of rendered shards -> time and size of the whole data set, extrapolated from them."""

from pathlib import Path

from multishade.errors import MultiShadeError, ShardError
from multishade.render.plan import Plan, read_plan
from multishade.shards.locate import find_shards
from multishade.shards.marker import Marker, committed


def estimate(plan: Plan, folder: str | Path) -> str:
    """Estimate time and size of a data set from shards that are rendered already.

    Args:
        plan: The data set.
        folder: Shards of this or a similar data set. Their time is scaled by the number of camera paths, their size by
            pixels and images.

    Returns:
        Two lines of text; one line that states the reason, if nothing can be estimated.
    """
    try:
        measured = read_plan(folder)
        markers = [marker for path in find_shards([folder]) if (marker := committed(path)) is not None]
    except MultiShadeError as error:
        return f"cost         unknown: no measured speed ({error}); render a shard, or name one with --speed-from"
    if not markers:
        return (
            f"cost         unknown: {folder} has no finished shard; render one, or name one with --speed-from"
        )
    seconds, size = per_sample(markers)
    samples = plan.config.shards.count * plan.config.shards.groups * plan.config.views.count
    seconds *= plan.paths_per_view() / measured.paths_per_view()
    size *= _stored_pixels(plan) / _stored_pixels(measured)
    return (
        f"bytes        {_binary(samples * size)} ({_binary(size)} a sample)\n"
        f"time         {samples * seconds / 3600:,.1f} worker-hours ({seconds:.2f} s a sample), at the speed of "
        f"{sum(marker.samples for marker in markers)} samples in {folder}"
    )


def per_sample(markers: list[Marker]) -> tuple[float, float]:
    """Mean seconds of one worker, and bytes, per sample. Raises ShardError if the markers hold no timings."""
    samples = sum(marker.samples for marker in markers)
    seconds = sum(marker.timings.get("total", 0.0) for marker in markers)
    if seconds <= 0:
        raise ShardError("the markers of the shards contain no timings")
    return seconds / samples, sum(marker.bytes for marker in markers) / samples


def _stored_pixels(plan: Plan) -> int:
    config = plan.config
    stored = plan.images_per_view() + 2  # normal and depth
    if config.shading.stored and config.shading.mode != "photometric":
        stored += config.shading.count // 3
    return stored * config.camera.width * config.camera.height


def _binary(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"
