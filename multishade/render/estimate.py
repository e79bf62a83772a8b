# SPDX-License-Identifier: Apache-2.0
"""A plan, and a folder of rendered shards if there is one -> time, size and memory of the whole data set.

One model (`multishade.render.cost`) compares recipes. Shards that are rendered already tell the speed of the machine
and the cost of the assets: what they took, over what the model has for their recipe, scales the estimate.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from multishade.errors import MultiShadeError, ShardError
from multishade.render.cost import Cost, cost_of, memory_gib, spread_of
from multishade.render.plan import Plan, read_plan
from multishade.shards.locate import find_shards
from multishade.shards.marker import Marker, committed

UNMEASURED = 1.7  # factor by which the model may be wrong about other machines and assets
MEASURED, OTHER_RECIPE = (
    0.1,
    0.15,
)  # relative error that remains with measured shards; in addition, of another recipe
GROUP_SPREAD = 0.8  # standard deviation of a group's seconds, relative to their mean


@dataclass(frozen=True)
class Estimate:
    """The cost of a data set.

    Attributes:
        groups: Number of groups.
        samples: Number of samples.
        cost: Of one group, as the model has it.
        time_scale: By which the model's seconds are multiplied.
        size_scale: By which the model's bytes are multiplied.
        factor: The seconds lie between estimate / factor and estimate * factor, in about two of three cases.
        basis: What the scales are from.
        memory_gib: Of one worker.
    """

    groups: int
    samples: int
    cost: Cost
    time_scale: float
    size_scale: float
    factor: float
    basis: str
    memory_gib: float

    @property
    def seconds(self) -> float:
        """CPU seconds of the whole data set."""
        return self.groups * self.cost.total * self.time_scale

    @property
    def bytes(self) -> float:
        """Bytes of the whole data set."""
        return self.groups * self.cost.bytes * self.size_scale

    def text(self) -> str:
        """Return lines for `multishade plan`."""
        hours, each = self.seconds / 3600, self.seconds / self.samples
        shares = sorted(self.cost.seconds.items(), key=lambda item: -item[1])
        stages = ", ".join(f"{name} {seconds / self.cost.total:.0%}" for name, seconds in shares)
        return (
            f"time         {_rounded(hours)} core-hours ({_rounded(hours / self.factor)} to "
            f"{_rounded(hours * self.factor)}; {each:.2g} s a sample): {stages}\n"
            f"             {self.basis}\n"
            f"disk         {_binary(self.bytes)} ({_binary(self.bytes / self.samples)} a sample)\n"
            f"memory       about {self.memory_gib:.1f} GiB a worker with built-in assets; large meshes and textures "
            "need more"
        )


def estimate(plan: Plan, folder: str | Path | None = None) -> Estimate:
    """Estimate time, size and memory of a data set.

    Args:
        plan: The data set.
        folder: Rendered shards of this or another data set, which need not exist; None: the model alone.

    Returns:
        The estimate; its `basis` states which shards were used, or why none.
    """
    config = plan.config
    cost, groups = cost_of(config), config.shards.count * config.shards.groups
    time_scale, size_scale, factor = 1.0, 1.0, UNMEASURED
    basis = "by measured seconds of built-in assets on another machine"
    if config.render.device != "cpu":
        basis, factor = f"{basis}, whose CPU rendered: {config.render.device} is not measured", 10.0
    measured, reason = None, ""
    if folder is not None:
        try:
            measured = _measure(read_plan(folder), folder)
        except MultiShadeError as error:
            reason = str(error)
    if measured is not None:
        time_scale, size_scale = measured.time_scale, measured.size_scale
        other = 0.0 if _same_cost(measured.cost, cost) else OTHER_RECIPE
        factor = 1 + math.hypot(measured.spread, MEASURED, other)
        basis = (
            f"by the {measured.clock} of {measured.samples} samples in {folder}, {time_scale:.2g} times the model's "
            "for their recipe"
        )
    elif folder is not None:
        basis += f"; --speed-from DIR takes the speed of shards that are rendered already ({_short(folder, reason)})"
    return Estimate(
        groups,
        groups * config.views.count,
        cost,
        time_scale,
        size_scale,
        factor,
        basis,
        memory_gib(config),
    )


@dataclass(frozen=True)
class _Measured:
    """What rendered shards took, in relation to the model; `spread` is the relative error of the mean."""

    cost: Cost
    time_scale: float
    size_scale: float
    spread: float
    samples: int
    clock: str


def _measure(plan: Plan, folder: str | Path) -> _Measured:
    """Compare the shards of a folder with the model. Raises ShardError if none is complete and timed."""
    markers = [marker for path in find_shards([folder]) if (marker := committed(path)) is not None]
    cost, views = cost_of(plan.config), plan.config.views.count
    timed = [marker for marker in markers if seconds_of(marker) > 0 and marker.samples]
    if not timed:
        raise ShardError(f"{folder} has no finished shard with timings")
    ratios = [seconds_of(marker) / (cost.total * marker.samples / views) for marker in timed]
    samples = sum(marker.samples for marker in timed)
    modelled = cost.total * samples / views
    by_cpu = all("cpu" in marker.timings for marker in timed)
    return _Measured(
        cost,
        sum(map(seconds_of, timed)) / modelled,
        sum(marker.bytes for marker in timed) / (cost.bytes * samples / views),
        # Groups of a shard differ, too: one shard of many groups tells more than one of few.
        min(spread_of(ratios), GROUP_SPREAD / math.sqrt(samples / views)),
        samples,
        "CPU time" if by_cpu else "time of one worker",
    )


def seconds_of(marker: Marker) -> float:
    """Return the CPU seconds of a shard, or the seconds of its worker if the marker is older."""
    return float(marker.timings.get("cpu", marker.timings.get("total", 0.0)))


def _same_cost(one: Cost, other: Cost) -> bool:
    """Whether the model has the same cost for two recipes, stage by stage."""
    return one.seconds.keys() == other.seconds.keys() and all(
        math.isclose(one.seconds[stage], other.seconds[stage], rel_tol=0.02) for stage in one.seconds
    )


def _short(folder: str | Path, reason: str) -> str:
    return f"{folder} has none" if "No such file" in reason else reason


def _rounded(hours: float) -> str:
    """Two significant digits: no estimate is better."""
    if hours < 1:
        return f"{hours:.2g}"
    digits = max(0, int(math.log10(hours)) - 1)
    return f"{round(hours, -digits):,.0f}" if hours >= 10 else f"{hours:.1f}"


def _binary(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"
