# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM -> KeyboardInterrupt, and an end that comes even if the clean stop hangs.

Batch systems end a job with SIGTERM. The first signal raises KeyboardInterrupt, so that processes and files are cleaned
up. A command also ends at once, with the exit code of an interrupt, at a second signal, or if the clean stop takes
longer than `STOP_SECONDS`; a program that calls `render` is never ended.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

import psutil

from multishade.storage.scratch import remove_own_scratch, sweep_scratch

EXIT_CODE = 130
STOP_SECONDS = 60.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signalled(KeyboardInterrupt):
    """An interrupt that a signal caused."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT and SIGTERM inside the block; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:  # a background job is started with Ctrl-C ignored
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Like `interruptible`, for a command: end this process and all that it started at a second signal.

    After a signal further ones are ignored: the command is leaving, and its exit code is to be that of the interrupt.
    """
    # Python runs its handlers between two steps of the main thread, which may be held up in a library. The system
    # writes the signal's number into a socket at once.
    heard, signalled = socket.socketpair()
    signalled.setblocking(False)
    previous = signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(heard,), name="signals", daemon=True)
    watcher.start()
    try:
        with interruptible():
            yield
    except Signalled:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise
    finally:
        signal.set_wakeup_fd(previous)
        signalled.close()  # ends the watcher
        watcher.join()
        heard.close()


def end_at_once() -> None:
    """End this process with the exit code of an interrupt, and all below it; remove their temporary folders."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    remove_own_scratch()
    sweep_scratch()
    os._exit(EXIT_CODE)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Signalled


def _watch(heard: socket.socket) -> None:
    """End the process at the second signal, or some time after the first."""
    count = 0
    while True:
        try:
            received = heard.recv(64)
        except TimeoutError:
            end_at_once()
        if not received:
            return
        count += sum(number in SIGNALS for number in received)
        if count > 1:
            end_at_once()
        if count == 1:
            heard.settimeout(STOP_SECONDS)
