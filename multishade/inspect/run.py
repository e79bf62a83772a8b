# SPDX-License-Identifier: Apache-2.0
"""Places of shards -> an `Inspection`: a report on each tar, in parallel if wanted, and a summary of all."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from multishade.inspect.report import Finding, ShardReport, inspect_shard, summarise
from multishade.shards.locate import find_shards


@dataclass(frozen=True)
class Inspection:
    """The result of `inspect_shards`.

    Attributes:
        reports: One for each tar, in order.
        summary: Counts, contents, ranges of measures and findings, as plain JSON values.
    """

    reports: tuple[ShardReport, ...]
    summary: dict[str, Any]

    @property
    def sound(self) -> bool:
        """Whether there are no findings."""
        return bool(self.summary["sound"])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Why the shards are not sound: findings in single tars, then those across all."""
        return tuple(Finding(**finding) for finding in self.summary["findings"])


def inspect_shards(
    places: str | Path | Iterable[str | Path],
    workers: int = 1,
    on_sample: Callable[[str], object] = lambda key: None,
    on_shard: Callable[[ShardReport], object] = lambda report: None,
) -> Inspection:
    """Validate shards: decode every file, check physics and geometry of every sample, compare tars with their markers.

    Args:
        places: A tar, a folder of tars or a pattern, or several of them, local or remote.
        workers: Tars inspected at a time, each in a process of its own if there are several.
        on_sample: Called with the key of each sample, by a single worker only.
        on_shard: Called with each report, in order.

    Returns:
        Reports and summary. Damaged tars give findings, not exceptions.

    Raises:
        DataError: If a place contains no shard.
        HostUnreachable: If the server of a shard does not answer.
    """
    files = find_shards([places] if isinstance(places, str | Path) else places)
    reports: list[ShardReport] = []
    if workers == 1 or len(files) == 1:
        for file in files:
            reports.append(inspect_shard(file, on_sample))
            on_shard(reports[-1])
    else:
        # Fresh processes: a fork would inherit the thread pools of the numeric libraries in an unknown state.
        with ProcessPoolExecutor(min(workers, len(files)), mp_context=get_context("spawn")) as pool:
            for report in pool.map(inspect_shard, files):
                reports.append(report)
                on_shard(report)
    return Inspection(tuple(reports), summarise(reports))
