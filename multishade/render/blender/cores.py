# SPDX-License-Identifier: Apache-2.0
"""How many processor cores a Blender child sees while it starts.

TBB, on which Cycles runs, counts the cores once. When Cycles then holds it to one thread on a machine with several, a
worker of TBB's that finds no place spins beside the thread that renders: half of the child's processor time is lost
(`make bench-cores`). A child that starts on as many cores as it has threads has no such worker. Once it runs, it may go
where its owner may.
"""

import contextlib
import os
from collections.abc import Iterator


def allowed() -> list[int] | None:
    """The cores that this thread may run on; None where the system does not say (macOS)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


@contextlib.contextmanager
def held_to(count: int) -> Iterator[None]:
    """Within, this thread and the processes that it starts run on at most `count` of the cores allowed."""
    cores = allowed()
    if cores is None or count >= len(cores):
        yield
        return
    first = os.getpid() % len(cores)  # children of several workers should not crowd on one core
    os.sched_setaffinity(0, (cores + cores)[first : first + count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
