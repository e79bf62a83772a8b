# SPDX-License-Identifier: Apache-2.0
"""Ways to spread shards over processes and machines. Each backend is one module with a function `render_shards`.

`render_shards(plan, shards, store, resources, progress)` renders the shards, calls `progress` with an event for each
that is committed or given up, and raises KeyboardInterrupt after a clean stop. What `progress` raises stops it, too.
"""

import dataclasses
import importlib
from collections.abc import Callable, Sequence

import psutil

from multishade import threads
from multishade.errors import ConfigError
from multishade.render.plan import Plan
from multishade.render.progress import Progress
from multishade.storage.store import Store

BACKENDS = ("local", "ray")
MEMORY_PER_WORKER_GIB = 2.0  # a Ray worker, and its Blender with a mesh of a million faces and 2k textures


class RunStopped(Exception):
    """Raised by `progress` to stop a run; the message says why."""


@dataclasses.dataclass(frozen=True)
class Resources:
    """What a run may use.

    Attributes:
        workers: Shards at once; None: as many as the CPUs (or GPUs) and the memory allow.
        cpus_per_worker: Threads of each Blender.
        gpus_per_worker: GPUs of each Blender; may be a fraction.
        address: Address of a running Ray cluster, "auto" or HOST:PORT; None: this machine.
    """

    workers: int | None = None
    cpus_per_worker: int = 1
    gpus_per_worker: float = 0.0
    address: str | None = None

    def local_workers(self) -> int:
        """Return how many workers this machine takes at once."""
        if self.workers is not None:
            return self.workers
        by_memory = int(psutil.virtual_memory().available / (MEMORY_PER_WORKER_GIB * 2**30))
        return max(1, min(threads.cores() // self.cpus_per_worker, by_memory))


Backend = Callable[[Plan, Sequence[int], Store, Resources, Progress], None]


def load_backend(name: str) -> Backend:
    """Import a backend by its name. Raises ConfigError if there is none of this name."""
    if name not in BACKENDS:
        raise ConfigError(f"backend {name!r} does not exist; there are: {', '.join(BACKENDS)}")
    return importlib.import_module(f"multishade.render.backends.{name}").render_shards
