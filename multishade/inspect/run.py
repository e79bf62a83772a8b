# SPDX-License-Identifier: Apache-2.0
"""Places of shards -> an `Inspection`: a report on each tar, in parallel if wanted, and a summary of all."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multishade.inspect.guarded import SampleInspector
from multishade.inspect.report import Finding, ShardReport, inspect_shard, summarise
from multishade.shards.locate import find_shards
from multishade.storage.store import StoredFile


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

    Files are decoded in confined processes, whose memory follows from the cameras of the samples: a file that crashes a
    decoder, hangs it or states a size beyond its camera's gives a finding, and the next sample is inspected.

    Args:
        places: A tar, a folder of tars or a pattern, or several of them, local or remote.
        workers: Tars inspected at a time, each in a confined process of its own.
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
        with SampleInspector() as inspector:
            for file in files:
                reports.append(inspect_shard(file, on_sample, inspector))
                on_shard(reports[-1])
    else:
        # This process reads and hashes; what computes are the confined processes.
        with ThreadPoolExecutor(min(workers, len(files))) as pool:
            for report in pool.map(_inspect_one, files):
                reports.append(report)
                on_shard(report)
    return Inspection(tuple(reports), summarise(reports))


def _inspect_one(file: StoredFile) -> ShardReport:
    with SampleInspector() as inspector:
        return inspect_shard(file, check=inspector)
