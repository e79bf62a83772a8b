# SPDX-License-Identifier: Apache-2.0
"""A function and one item after another in, outcomes out, from one confined child process.

Items go to the child pickled. What comes back may be written by a stranger, whose file took the child over: it is JSON
of a limited length and checked against the type that the function returns.
"""

import contextlib
import dataclasses
import faulthandler
import importlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, get_type_hints

from multishade.confine.apply import confine
from multishade.confine.box import Box, with_python
from multishade.errors import MultiShadeError
from multishade.protocol.codec import ProtocolError, from_json
from multishade.storage.scratch import remove_scratch, scratch_prefix

STARTUP_SECONDS = 60.0  # importing NumPy and trimesh from a cold disk, before an item's own deadline counts
GRACE_SECONDS = 5.0  # after its deadline a child whose parent is gone ends by itself
OPEN_FILES = 256
WRITTEN_BYTES = 1 << 30  # of one file in its scratch folder
ANSWER_BYTES = 64 << 20
LONGEST_REASON = 2000  # characters
_STARTING = threading.Lock()


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


class Child:
    """One process and the item that it works on.

    Attributes:
        pipe: Readable when there is an outcome.
        index: Number of the item, None between two items.
        deadline: Of the item, by `time.monotonic`.
        served: Items so far.
        ended: Whether the process is gone.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        limits: Limits,
        read: tuple[str, ...],
        writable: str | Path | None = None,
    ) -> None:
        self._scratch = tempfile.mkdtemp(prefix=scratch_prefix())
        self._returns = get_type_hints(function).get("return", Any)
        box = Box(
            scratch=self._scratch if writable is None else os.path.abspath(writable),
            read=read,
            address_bytes=limits.memory_bytes,
            open_files=OPEN_FILES,
            file_bytes=WRITTEN_BYTES,
        )
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, f"{function.__module__}:{function.__qualname__}", with_python(box), limits)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        with _without_main():
            self.process.start()
        theirs.close()
        self.limits = limits
        self.index: int | None = None
        self.deadline = 0.0
        self.ended = False
        self.served = 0
        self._extra = STARTUP_SECONDS

    def has_died(self) -> bool:
        """Whether the process is gone, which between two items says nothing about either."""
        return self.ended or self.process.exitcode is not None

    def submit(self, index: int, item: Any) -> None:
        """Give it an item; its number comes back with the outcome."""
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
                value, reason, out_of_memory = _read_answer(self.pipe.recv_bytes(ANSWER_BYTES), self._returns)
            except (EOFError, OSError):
                value, reason, out_of_memory = None, self._cause_of_death(), False
            except (ValueError, TypeError, RecursionError):
                self.end()
                value, reason, out_of_memory = None, "made its reader answer with nonsense", False
        elif time.monotonic() >= self.deadline:
            self.end()
            value, reason, out_of_memory = None, self._too_long(), False
        else:
            return None
        outcome = Outcome(self.index, value, reason, out_of_memory)
        self.index = None
        return outcome

    def _too_long(self) -> str:
        return f"took longer than {self.limits.seconds:g} s to read"

    def _cause_of_death(self) -> str:
        self.process.join(timeout=5.0)
        code = self.process.exitcode
        self.end()
        if code is None:
            return "the reader closed its pipe"
        if -code in (signal.SIGXCPU, signal.SIGALRM):
            return self._too_long()
        return (
            f"the reader crashed ({signal_name(-code)})"
            if code < 0
            else f"the reader ended with exit code {code}"
        )

    def end(self) -> None:
        """Kill the process and remove its scratch folder."""
        if self.process.exitcode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(
                    self.process.pid or 0, signal.SIGKILL
                )  # its own session, unless it is just starting
            self.process.kill()
            self.process.join()
        self.pipe.close()
        remove_scratch(Path(self._scratch))
        self.ended = True


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Start a process that does not run this one's main script again, before it is confined."""
    main = sys.modules["__main__"].__dict__
    with _STARTING:
        kept: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
        main.pop("__file__", None)
        main["__spec__"] = None
        try:
            yield
        finally:
            main.pop("__spec__")
            main.update(kept)


def signal_name(number: int) -> str:
    """Return the name of a signal, also of one that Python has no name for."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _serve(pipe: Connection, function: str, box: Box, limits: Limits) -> None:
    """The child: items in, answers of `_write_answer` out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its children
    faulthandler.disable()
    # Readers print warnings, native ones past Python's streams; the reason carries what matters.
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(devnull, stream.fileno())
    if hasattr(os, "setsid"):
        os.setsid()
    confine(box)
    module, _, name = function.partition(":")
    call = getattr(importlib.import_module(module), name)
    extra = STARTUP_SECONDS
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        _set_deadline(limits.seconds + extra + GRACE_SECONDS)
        extra = 0.0
        value, reason, out_of_memory = None, None, False
        try:
            value = call(item)
        except MultiShadeError as error:
            reason = str(error)
        except MemoryError:
            reason = f"needs more than {limits.memory_bytes / 2**30:g} GiB of memory to read"
            out_of_memory = True
        except RecursionError:
            reason = "is nested too deeply to read"
        except Exception as error:
            reason = f"cannot be read ({type(error).__name__}: {_short(str(error))})"
        _clear_deadline()  # the next item may come hours later
        pipe.send_bytes(_write_answer(value, reason, out_of_memory))


def _set_deadline(seconds: float) -> None:
    """End this process after so many seconds, of time or of processor time of each core: also if it has no parent."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1)) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _clear_deadline() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _write_answer(value: Any, reason: str | None, out_of_memory: bool) -> bytes:
    plain = (
        dataclasses.asdict(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type)
        else value
    )
    return json.dumps([plain, None if reason is None else reason[:LONGEST_REASON], out_of_memory]).encode()


def _read_answer(data: bytes, returns: Any) -> tuple[Any, str | None, bool]:
    """Read what `_write_answer` wrote, in a process that may be a stranger's. Raises ValueError for anything else."""
    value, reason, out_of_memory = json.loads(data)
    if reason is not None:
        if not isinstance(reason, str):
            raise ProtocolError("the reason is no text")
        return None, reason, out_of_memory is True
    if dataclasses.is_dataclass(returns) and isinstance(returns, type):
        return from_json(returns, value), None, False
    if not (value is None or isinstance(value, str | int | float)):
        raise ProtocolError("the value is of another type")
    return value, None, False


def _short(text: str, length: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."
