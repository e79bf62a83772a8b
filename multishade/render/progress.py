# SPDX-License-Identifier: Apache-2.0
"""What happens while shards are rendered: events for a callback, and a progress bar that is such a callback."""

import dataclasses
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tqdm import tqdm

from multishade.render.failures import ShardFailure
from multishade.render.plan import Plan
from multishade.render.worker import ShardReport


@dataclasses.dataclass(frozen=True)
class Started:
    """Rendering begins. shards: how many; skipped: how many are complete already."""

    shards: int
    skipped: int


@dataclasses.dataclass(frozen=True)
class StartRepeated:
    """Ray did not start in time, as on a machine that is busy, and is started again."""

    attempt: int
    attempts: int


@dataclasses.dataclass(frozen=True)
class SamplesRendered:
    """Samples were finished since the last such event."""

    count: int


@dataclasses.dataclass(frozen=True)
class ShardCommitted:
    """A shard is complete."""

    report: ShardReport


@dataclasses.dataclass(frozen=True)
class ShardGivenUp:
    """A shard cannot be completed; the others go on, unless the same would end all of them (`ends_run`)."""

    failure: ShardFailure
    ends_run: bool = False


@dataclasses.dataclass(frozen=True)
class Stopping:
    """The run was interrupted; the processes that render are being ended."""


Event = Started | StartRepeated | SamplesRendered | ShardCommitted | ShardGivenUp | Stopping
Progress = Callable[[Event], None]


class ProgressBar:
    """Shards, samples, samples per second, time left and failures on one line of the terminal.

    Use it as a context manager, and pass it to `render` as `progress`.
    """

    def __init__(self, plan: Plan) -> None:
        """Prepare the line; it appears with the first event.

        Args:
            plan: What is rendered; its sizes give the total.
        """
        self._per_shard = plan.config.shards.groups * plan.config.views.count
        self._bar: tqdm | None = None
        self._shards = self._done = self._groups = self._given_up = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, event: Event) -> None:
        match event:
            case Started(shards, _):
                self._start(shards)
            case StartRepeated(attempt, attempts) if self._bar is not None:
                self._bar.write(f"Ray did not start in time: attempt {attempt} of {attempts}")
            case SamplesRendered(count) if self._bar is not None:
                self._bar.update(count)
            case ShardCommitted(report):
                self._finish(len(report.failures), given_up=0)
            case ShardGivenUp(failure):
                self._finish(len(failure.groups), given_up=1)
            case Stopping() if self._bar is not None:
                self._bar.write(
                    "stopping: ending the Blender processes; committed shards stay, a rerun continues"
                )

    def _start(self, shards: int) -> None:
        if shards:
            self._shards = shards
            self._bar = tqdm(total=shards * self._per_shard, unit="sample", dynamic_ncols=True, smoothing=0.1)
            self._describe()

    def _finish(self, groups: int, given_up: int) -> None:
        self._done += 1
        self._groups += groups
        self._given_up += given_up
        self._describe()

    def _describe(self) -> None:
        assert self._bar is not None
        self._bar.set_description(f"shards {self._done}/{self._shards}")
        if self._groups or self._given_up:
            self._bar.set_postfix(failed_groups=self._groups, failed_shards=self._given_up)
