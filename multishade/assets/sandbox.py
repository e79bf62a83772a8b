# SPDX-License-Identifier: Apache-2.0
"""A function and many items in, a value or a reason for each out, from processes that may hang or crash.

Files from strangers make parsers do all three. Each item runs in a child process under a deadline and a memory limit;
a child that breaks either, or dies, costs one item and is replaced.

`pebble` was tried for the pool. Its workers share one pipe: a worker that dies between two items (memory that an
earlier file corrupted) breaks the pool and loses all remaining items, and a worker that hangs in native code holds up
the deadlines of the others. Here each child has a pipe of its own.
"""

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from multishade.errors import MultiShadeError

ITEMS_PER_CHILD = 500  # then it is replaced, and with it the memory that its parsers have leaked
STARTUP_SECONDS = 60.0  # importing NumPy and trimesh from a cold disk, before an item's own deadline counts

Item = TypeVar("Item")


@dataclass(frozen=True)
class Limits:
    """Limits of one item.

    Attributes:
        seconds: Wall-clock time.
        memory_bytes: Memory beyond that of an idle child.
        workers: Number of children that run at once.
    """

    seconds: float = 60.0
    memory_bytes: int = 4 << 30
    workers: int = 2


@dataclass(frozen=True)
class Outcome:
    """The result for one item.

    Attributes:
        index: Position of the item in the input.
        value: The function's result, or None if it failed.
        reason: None, or a sentence on why there is no value.
        out_of_memory: Whether the memory limit was the reason.
    """

    index: int
    value: Any = None
    reason: str | None = None
    out_of_memory: bool = False


def run_sandboxed(
    function: Callable[[Item], Any], items: Sequence[Item], limits: Limits
) -> Iterator[Outcome]:
    """Call a function on every item, each in a child process under limits.

    Closing the iterator early, or an exception in the caller, ends the children.

    Args:
        function: A module-level function: children import it by its module and name. The message of a
            MultiShadeError that it raises is the reason; of any other exception, its type and message.
        items: Picklable arguments.
        limits: Limits of one item, and the number of children.

    Yields:
        One outcome per item, in the order in which they finish.
    """
    pending = list(range(len(items)))[::-1]
    children: list[_Child] = []
    try:
        while pending or any(child.index is not None for child in children):
            needed = len(pending) + sum(child.index is not None for child in children)
            while len(children) < min(max(1, limits.workers), needed):
                children.append(_Child(function, limits))
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


class _Child:
    """One process and the item that it works on."""

    def __init__(self, function: Callable[[Any], Any], limits: Limits) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, function, limits.memory_bytes)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.limits = limits
        self.index: int | None = None
        self.deadline = 0.0
        self.ended = False
        self.served = 0
        self._extra = STARTUP_SECONDS

    def submit(self, index: int, item: Any) -> None:
        self.index = index
        self.served += 1
        self.deadline = time.monotonic() + self.limits.seconds + self._extra
        self._extra = 0.0
        try:
            self.pipe.send(item)
        except OSError:
            pass  # it died before it received the item: `outcome` will read the end of the pipe

    def outcome(self, ready: bool) -> Outcome | None:
        """The outcome, if there is one: an answer, a death, or a deadline that has passed."""
        assert self.index is not None
        if ready:
            try:
                value, reason, out_of_memory = self.pipe.recv()
            except (EOFError, OSError):
                value, reason, out_of_memory = None, f"the reader {self._cause_of_death()}", False
        elif time.monotonic() >= self.deadline:
            self.end()
            value, reason, out_of_memory = None, f"took longer than {self.limits.seconds:g} s to read", False
        else:
            return None
        outcome = Outcome(self.index, value, reason, out_of_memory)
        self.index = None
        return outcome

    def _cause_of_death(self) -> str:
        self.process.join(timeout=5.0)
        code = self.process.exitcode
        self.end()
        if code is None:
            return "closed its pipe"
        return f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"

    def end(self) -> None:
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.ended = True


def _serve(pipe: Connection, function: Callable[[Any], Any], memory_bytes: int) -> None:
    """The child: items in, (value, reason, out of memory) out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its children
    faulthandler.disable()
    # Readers print warnings, native ones past Python's streams; the reason carries what matters.
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(devnull, stream.fileno())
    _limit_memory(memory_bytes)
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        answer: tuple[Any, str | None, bool]
        try:
            answer = (function(item), None, False)
        except MultiShadeError as error:
            answer = (None, str(error), False)
        except MemoryError:
            answer = (None, f"needs more than {memory_bytes / 2**30:g} GiB of memory to read", True)
        except RecursionError:
            answer = (None, "is nested too deeply to read", False)
        except Exception as error:
            answer = (None, f"cannot be read ({type(error).__name__}: {_short(str(error))})", False)
        pipe.send(answer)


def _limit_memory(extra_bytes: int) -> None:
    """Let this process take no more than `extra_bytes` of address space beyond what it holds now."""
    try:
        import resource
    except ImportError:  # Windows has no such limit; the deadline still holds
        return
    import psutil

    limit = psutil.Process().memory_info().vms + extra_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ValueError, OSError):
        return  # macOS refuses RLIMIT_AS; the deadline still holds


def _short(text: str, length: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."
