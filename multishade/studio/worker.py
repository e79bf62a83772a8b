# SPDX-License-Identifier: Apache-2.0
"""Tasks -> done one after the other in one thread, so that several requests queue instead of sharing the memory."""

import logging
import threading
from collections.abc import Callable

Task = Callable[[], None]


class Worker:
    """One thread and what waits for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, Task] = {}  # in their order
        self._running: str | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="studio", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Forget what waits, and wait a little for what runs."""
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def put(self, key: str, task: Task) -> None:
        """Append a task; one that waits under the same key is replaced and keeps its place."""
        with self._changed:
            self._waiting[key] = task
            self._changed.notify_all()

    def drop(self, key: str) -> None:
        """Forget a task that waits; one that runs is not stopped."""
        with self._changed:
            self._waiting.pop(key, None)

    def before(self, key: str) -> int | None:
        """Return how many tasks come before the one that waits under a key; None if none waits."""
        with self._changed:
            if key not in self._waiting:
                return None
            return list(self._waiting).index(key) + (self._running is not None)

    def works_on(self, key: str) -> bool:
        """Whether the task under a key waits or runs."""
        with self._changed:
            return key in self._waiting or key == self._running

    @property
    def waiting(self) -> int:
        """The number of tasks that have not begun."""
        with self._changed:
            return len(self._waiting)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or bool(self._waiting))
                if self._ended:
                    return
                key = next(iter(self._waiting))
                task = self._waiting.pop(key)
                self._running = key
            try:
                task()
            except Exception:  # of one task; the others are still to be done
                logging.getLogger(__name__).exception("%s: unexpected", key)
            finally:
                with self._changed:
                    self._running = None
