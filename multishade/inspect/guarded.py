# SPDX-License-Identifier: Apache-2.0
"""`inspect_sample` in a confined process: a sample that crashes a decoder, hangs it or eats memory costs itself alone.

The memory that the process may take follows from the camera in the sample's meta; a larger camera gets a new process.
"""

import math
import os
from types import TracebackType
from typing import Any

from multishade.assets.sandbox import Guard, Limits
from multishade.errors import ShardError
from multishade.inspect.sample import SampleFiles, SampleResult, inspect_sample
from multishade.shards.bounds import META_BYTES, allowed_channels, allowed_pixels
from multishade.shards.hashes import META
from multishade.shards.meta import decode_meta
from multishade.text import printable

BASE_BYTES = 1 << 30  # numerical packages, their threads, the files themselves
BYTES_PER_VALUE = 40  # a decoded value, and the arrays of double precision that checks make of it
SECONDS = 120.0  # of one sample
BYTES_PER_SECOND = 8 << 20  # of decoded values, on a busy machine: what a large sample gets in addition


class SampleInspector:
    """Inspects samples in a confined process, which starts with the first; a context manager."""

    def __init__(self) -> None:
        self._guard: Guard | None = None
        self._values = 0

    def __enter__(self) -> "SampleInspector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, sample: SampleFiles) -> SampleResult:
        """Inspect a sample.

        Args:
            sample: Its files.

        Returns:
            The result; that the process crashed, took too long or needed too much memory is a finding.
        """
        values = needed_values(_meta_of(sample))
        if self._guard is None or values > self._values:
            self.close()
            self._values = values
            self._guard = Guard(inspect_sample, limits_for(values))
        outcome = self._guard.call(sample)
        if outcome.value is None:
            return SampleResult((("readable", f"{printable(outcome.reason or 'made no answer')}"),))
        assert isinstance(outcome.value, SampleResult)
        return outcome.value

    def close(self) -> None:
        """End the process."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None


def needed_values(meta: dict[str, Any]) -> int:
    """Values that the decoded pictures of a sample may have: a power of two, so that few processes are started."""
    return 1 << math.ceil(math.log2(allowed_pixels(meta) * (allowed_channels(meta) + 32)))


def limits_for(values: int) -> Limits:
    """Limits of a sample with so many values; at most half of this machine's memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    seconds = SECONDS + values * 4 / BYTES_PER_SECOND
    return Limits(seconds=seconds, memory_bytes=min(BASE_BYTES + BYTES_PER_VALUE * values, memory), workers=1)


def _meta_of(sample: SampleFiles) -> dict[str, Any]:
    """The meta, for its sizes alone; empty if it cannot be read, which the confined process reports."""
    data = sample.files.get(META, b"")
    try:
        return decode_meta(sample.key, data) if len(data) <= META_BYTES else {}
    except ShardError:
        return {}
