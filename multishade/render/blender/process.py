# SPDX-License-Identifier: Apache-2.0
"""One Blender process: requests in, answers out, with a deadline, a memory limit and the last lines it printed.

The process has its own session and is killed with all its descendants. It also exits by itself when the pipe to its
stdin closes, so that it cannot outlive a worker that was killed.
"""

import contextlib
import os
import queue
import re
import signal
import sys
import threading
import time
from collections import deque
from types import TracebackType
from typing import IO, NoReturn, Self, TypeVar

import psutil

from multishade.assets.sandbox import Guard, Limits
from multishade.config.models import Runtime
from multishade.errors import (
    AssetError,
    BlenderCrashed,
    BlenderMemoryExceeded,
    BlenderTimeout,
    RenderDeviceMissing,
    RenderFailed,
)
from multishade.imaging.blender_formats import CopyTask, copy_image
from multishade.protocol import messages
from multishade.protocol.codec import ProtocolError
from multishade.render.blender import cores
from multishade.render.blender.confined import AssetFiles, blender_box, start_blender
from multishade.storage.scratch import make_scratch, remove_scratch

KEPT_LINES = 200  # of Blender's output
POLL_SECONDS = 0.25
# How a process ends whose limit of data (`confined.HEADROOM`) refuses it memory before a poll sees that it has grown.
REFUSED_MEMORY = ("SIGSEGV", "SIGABRT", "SIGBUS")
COPY_SECONDS = 120.0  # for one image that Blender does not read itself
# Printed by Cycles when a device or an allocation fails although the render call reports success.
SILENT_FAILURE = re.compile(
    r"(?i)\bout of (gpu |device )?memory\b|failed to (allocate|create (cuda|hip|optix) context|load kernel)"
    r"|illegal address in|kernel launch failed|denois\w* (device )?error"
)

A = TypeVar("A", bound=messages.Answer)


class BlenderProcess:
    """A running Blender that answers requests. Use it as a context manager.

    Attributes:
        folder: A temporary folder, in memory if there is room, for the files that both sides exchange and for Blender's
            own; removed by `close`.
        info: Version and device reported by Blender.
        assets: The files that it may read.
        last_request: Name of the request that was sent last.
    """

    def __init__(
        self, device: str, runtime: Runtime, threads: int = 1, assets: AssetFiles | None = None
    ) -> None:
        """Start Blender for `threads` threads and select the device.

        It reads `assets` (None: no files but its own), writes to `folder`, and opens no connection (`confine`).

        Raises BlenderCrashed, BlenderTimeout, RenderDeviceMissing; ShardError if there is no room for `folder`.
        """
        self._runtime = runtime
        self.assets = assets or AssetFiles()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._silent_failure: str | None = None
        self.folder = make_scratch()
        limits = Limits(COPY_SECONDS, int(runtime.memory_gib * 2**30), workers=1)
        self._guard = Guard(copy_image, limits, [*self.assets.read, self.folder], self.folder)
        try:
            with cores.held_to(threads):
                self._process = start_blender(runtime, blender_box(self.folder, device, runtime, self.assets))
            self._readers = [
                threading.Thread(target=self._read, args=(stream,), daemon=True)
                for stream in (self._process.stdout, self._process.stderr)
            ]
            for reader in self._readers:
                reader.start()
            allowed = cores.allowed()
            handshake = messages.Handshake(device, None if allowed is None else tuple(allowed))
            self.info = self.request(handshake, seconds=runtime.start_seconds)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """CPU seconds of all its threads so far; 0 if it has ended."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    @property
    def output(self) -> tuple[str, ...]:
        """The last lines that Blender printed, oldest first."""
        return tuple(self._lines)

    def copy(self, task: CopyTask) -> str:
        """Make a copy of an image that Blender does not read itself, in a confined process.

        Args:
            task: The file, one of `assets` or in `folder`, and a place in `folder`.

        Returns:
            The path of the copy.

        Raises:
            AssetError: If the file cannot be read.
        """
        outcome = self._guard.call(task)
        if outcome.reason is not None:
            name = task.name or task.path
            raise AssetError(f"{name}: {outcome.reason.removeprefix(f'{name}: ')}")
        if os.path.dirname(os.path.realpath(outcome.value)) != os.path.realpath(self.folder):
            raise AssetError(f"{task.name or task.path}: its reader wrote the copy elsewhere")
        return str(outcome.value)

    def request(self, request: messages.Request[A], seconds: float | None = None) -> A:
        """Send one request and wait for its answer.

        Args:
            request: A message of `multishade.protocol.messages`.
            seconds: Deadline; default: `runtime.request_seconds`.

        Returns:
            The answer, of the type that belongs to the request.

        Raises:
            AssetError: If one of the user's files cannot be used. The process stays usable.
            RenderFailed: If the request failed otherwise. After this and the errors below, replace the process.
            BlenderTimeout: If there is no answer before the deadline.
            BlenderCrashed: If the process ended; BlenderMemoryExceeded if it exceeded its memory limit.
            RenderDeviceMissing: If Cycles does not find the device.
        """
        name = self.last_request = messages.name_of(request)
        deadline = time.monotonic() + (seconds or self._runtime.request_seconds)
        self._silent_failure = None
        self._limit_processor(seconds or self._runtime.request_seconds)
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(messages.encode(request) + "\n")
            stdin.flush()
        except (BrokenPipeError, ValueError):
            self._ended(name)
        line = self._await_answer(name, deadline)
        try:
            answer = messages.decode_answer(line)
        except ProtocolError as error:
            raise RenderFailed(
                f"Blender's answer to '{name}' cannot be read: {error}", self.output
            ) from error
        if isinstance(answer, messages.Failed):
            if answer.kind == "asset":
                raise AssetError(answer.error)
            if answer.kind == "device":
                raise RenderDeviceMissing(answer.error)
            self._lines.extend(answer.traceback)
            raise RenderFailed(f"Blender failed at '{name}': {answer.error}", self.output)
        if self._silent_failure is not None:
            raise RenderFailed(
                f"Blender failed at '{name}': Blender printed: {self._silent_failure}", self.output
            )
        if not isinstance(answer, messages.answer_type(request)):
            raise RenderFailed(f"Blender answered '{messages.name_of(answer)}' to '{name}'", self.output)
        return answer

    def _await_answer(self, name: str, deadline: float) -> str:
        """The answer to the request `name`, still encoded."""
        while True:
            try:
                answer = self._answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    self.kill()
                    raise BlenderTimeout(
                        f"Blender did not answer '{name}' in time and was ended "
                        "(runtime.request_seconds, runtime.start_seconds)",
                        self.output,
                    ) from None
                self._check_memory()
                continue
            if answer is None:
                self._ended(name)
            return answer

    def _ended(self, name: str) -> NoReturn:
        """Report that the process ended while the request `name` was waiting."""
        peak = self._wait_for_end()
        code = self._process.returncode
        by = signal.Signals(-code).name if code < 0 else ""
        how = f"signal {by}" if by else f"exit status {code}"
        if by in REFUSED_MEMORY and peak > self._runtime.memory_gib * 2**30:
            raise BlenderMemoryExceeded(
                f"Blender grew to {peak / 2**30:.1f} GiB and was ended (runtime.memory_gib is "
                f"{self._runtime.memory_gib:g}), by {how} at '{name}'",
                self.output,
            ) from None
        raise BlenderCrashed(f"Blender ended with {how} at '{name}'", self.output, by) from None

    def _wait_for_end(self) -> int:
        """Wait until the process has ended; return the most memory that it had, in bytes, 0 if that is not known."""
        deadline = time.monotonic() + 30
        while sys.platform == "linux" and self._process.returncode is None and time.monotonic() < deadline:
            try:
                ended, status, usage = os.wait4(self.pid, os.WNOHANG)
            except ChildProcessError:
                break
            if ended:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                return usage.ru_maxrss * 1024
            time.sleep(0.01)
        self._process.wait(timeout=1)
        return 0

    def _limit_processor(self, seconds: float) -> None:
        """Let Blender use no more than all cores for so many seconds from now on, also if this process stops."""
        limit = int(self.cpu_seconds() + seconds * (os.cpu_count() or 1)) + 60
        with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):  # Linux only
            import resource

            _, hard = resource.prlimit(self.pid, resource.RLIMIT_CPU)
            resource.prlimit(self.pid, resource.RLIMIT_CPU, (limit, hard))

    def _check_memory(self) -> None:
        limit = self._runtime.memory_gib * 2**30
        try:
            used = psutil.Process(self._process.pid).memory_info().rss
        except psutil.NoSuchProcess:
            return  # the reader thread reports the end
        if used > limit:
            self.kill()
            raise BlenderMemoryExceeded(
                f"Blender grew to {used / 2**30:.1f} GiB and was ended (runtime.memory_gib is "
                f"{self._runtime.memory_gib:g})",
                self.output,
            )

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if line.startswith(messages.MARK):
                self._answers.put(line.removeprefix(messages.MARK))
            elif line.strip():
                self._lines.append(line.rstrip())
                if SILENT_FAILURE.search(line):
                    self._silent_failure = line.strip()
        if stream is self._process.stdout:
            self._answers.put(None)

    def kill(self) -> None:
        """Kill the process with its descendants; a request that another thread waits for raises BlenderCrashed."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Kill the process with its descendants, and remove its folder."""
        process = getattr(self, "_process", None)
        if process is not None:
            self.kill()
            for reader in self._readers:
                reader.join(timeout=5)
            for stream in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._guard.close()
        remove_scratch(self.folder)
