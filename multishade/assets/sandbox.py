# SPDX-License-Identifier: Apache-2.0
"""A function and many items in, a value or a reason for each out, from processes that may hang, crash or be taken over.

Files from strangers make parsers do all three. Each item runs in a confined child process (`multishade.confine`) under
a deadline and a memory limit; a child that breaks either, or dies, costs one item and is replaced. Its answers are JSON
and checked, so that code that a file brought to run in it has no way into this process.

`pebble` was tried for the pool. Its workers share one pipe: a worker that dies between two items (memory that an
earlier file corrupted) breaks the pool and loses all remaining items, and a worker that hangs in native code holds up
the deadlines of the others. Here each child has a pipe of its own.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeVar

from multishade.assets.guarded import Child, Limits, Outcome
from multishade.confine.apply import say_what_is_missing

__all__ = ["Guard", "Limits", "Outcome", "run_sandboxed"]

ITEMS_PER_CHILD = 500  # then it is replaced, and with it the memory that its parsers have leaked

Item = TypeVar("Item")


def run_sandboxed(
    function: Callable[[Item], Any],
    items: Sequence[Item],
    limits: Limits,
    readable: Iterable[str | Path] = (),
    writable: str | Path | None = None,
) -> Iterator[Outcome]:
    """Call a function on every item, each in a confined child process under limits.

    Closing the iterator early, or an exception in the caller, ends the children.

    Args:
        function: A module-level function: children import it by its module and name once they are confined. Its return
            type is stated and one that `protocol.codec` reads, or a number, a text or None. The message of a
            MultiShadeError that it raises is the reason; of any other exception, its type and message.
        items: Picklable arguments.
        limits: Limits of one item, and the number of children.
        readable: Files and folders that the function reads; besides them children read code and libraries only.
        writable: A folder that the function writes to; None: it has a temporary one.

    Yields:
        One outcome per item, in the order in which they finish.
    """
    say_what_is_missing()
    pending = list(range(len(items)))[::-1]
    children: list[Child] = []
    read = tuple(os.path.abspath(path) for path in readable)
    try:
        while pending or any(child.index is not None for child in children):
            for child in children:
                if child.index is None and child.has_died():
                    child.end()
            children = [child for child in children if not child.ended]
            needed = len(pending) + sum(child.index is not None for child in children)
            while len(children) < min(max(1, limits.workers), needed):
                children.append(Child(function, limits, read, writable))
            for child in children:
                if child.index is None and pending:
                    child.submit(index := pending.pop(), items[index])
            busy = [child for child in children if child.index is not None]
            timeout = max(0.0, min(child.deadline for child in busy) - time.monotonic())
            ready = wait([child.pipe for child in busy], timeout=timeout)
            for child in busy:
                outcome = child.outcome(child.pipe in ready)
                if outcome is None:
                    continue
                if outcome.out_of_memory and child.served > 1:
                    # Memory that earlier items left behind may be the cause: try again in a fresh child.
                    pending.append(outcome.index)
                    child.end()
                    continue
                if child.served >= ITEMS_PER_CHILD and not child.ended:
                    child.end()
                yield outcome
            children = [child for child in children if not child.ended]
    finally:
        for child in children:
            child.end()


class Guard:
    """A function that is called on one item after another in a confined child; a context manager.

    The child starts with the first call, and again after a crash or a deadline.
    """

    def __init__(
        self,
        function: Callable[[Item], Any],
        limits: Limits,
        readable: Iterable[str | Path] = (),
        writable: str | Path | None = None,
    ) -> None:
        """Prepare the child; it starts with the first call.

        Args:
            function: As for `run_sandboxed`.
            limits: Likewise.
            readable: Likewise.
            writable: Likewise.
        """
        self._function, self._limits, self._writable = function, limits, writable
        self._read = tuple(os.path.abspath(path) for path in readable)
        self._child: Child | None = None

    def __enter__(self) -> "Guard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, item: Any) -> Outcome:
        """Call the function."""
        if self._child is not None and self._child.has_died():
            self.close()
        if self._child is None:
            self._child = Child(self._function, self._limits, self._read, self._writable)
        child = self._child
        child.submit(0, item)
        while True:
            ready = wait([child.pipe], timeout=max(0.0, child.deadline - time.monotonic()))
            outcome = child.outcome(bool(ready))
            if outcome is not None:
                if child.served >= ITEMS_PER_CHILD and not child.ended:
                    child.end()
                return outcome

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None and not self._child.ended:
            self._child.end()
        self._child = None
