# SPDX-License-Identifier: Apache-2.0
"""The number of processor cores that a Blender process may use while it starts.

TBB, on which Cycles runs, counts the cores once. If Cycles then limits it to one thread on a machine with several
cores, an idle TBB worker spins beside the thread that renders, and half of the CPU time is lost (`make bench-cores`).
A process that starts on as many cores as it has threads has no such worker. Once it runs, it may use all cores that its
parent may use.
"""

import contextlib
import os
from collections.abc import Iterator


def allowed() -> list[int] | None:
    """The cores that this thread may run on; None if the system does not report them (macOS)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


@contextlib.contextmanager
def held_to(count: int) -> Iterator[None]:
    """Limit this thread, and the processes that it starts inside the block, to `count` of the allowed cores."""
    cores = allowed()
    if cores is None or count >= len(cores):
        yield
        return
    first = os.getpid() % len(cores)  # spreads the processes of several workers over the cores
    os.sched_setaffinity(0, (cores + cores)[first : first + count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
