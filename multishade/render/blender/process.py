# SPDX-License-Identifier: Apache-2.0
"""One Blender process: requests in, answers out, with a deadline, a memory limit and the last lines it printed.

The process has a session of its own and is ended with all its descendants; it also ends by itself when the pipe
to its stdin closes, so it cannot outlive a worker that was killed.
"""

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil

from multishade.config.models import Runtime
from multishade.errors import AssetError, BlenderCrashed, BlenderError, BlenderTimeout, RenderFailed
from multishade.protocol.messages import MARK
from multishade.render.blender import cores

KEPT_LINES = 200
POLL_SECONDS = 0.25
MEMORY_FOLDER = Path("/dev/shm")
# What Cycles prints when it gives up on a device or on memory and yet lets the render "finish".
SILENT_FAILURE = re.compile(
    r"(?i)\bout of (gpu |device )?memory\b|failed to (allocate|create (cuda|hip|optix) context|load kernel)"
    r"|illegal address in|kernel launch failed|denois\w* (device )?error"
)
REPOSITORY = Path(__file__).resolve().parents[3]


class BlenderChild:
    """A running Blender that answers requests. Use as a context manager."""

    def __init__(self, device: str, runtime: Runtime, threads: int = 1) -> None:
        """Start Blender for `threads` threads and check the device.

        Raises BlenderCrashed, BlenderTimeout, BlenderError.
        """
        self._runtime = runtime
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._silent_failure: str | None = None
        parent = MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="multishade-", dir=parent))
        try:
            with cores.held_to(threads):
                self._process = _start(runtime)
            self._readers = [
                threading.Thread(target=self._read, args=(stream,), daemon=True)
                for stream in (self._process.stdout, self._process.stderr)
            ]
            for reader in self._readers:
                reader.start()
            hello = {"do": "hello", "device": device, "cores": cores.allowed()}
            self.facts = self.ask(hello, seconds=runtime.start_seconds)
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

    @property
    def output(self) -> tuple[str, ...]:
        """The last lines Blender printed, oldest first."""
        return tuple(self._lines)

    def ask(self, request: dict[str, Any], seconds: float | None = None) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises AssetError when a file of the user's is at fault (the child stays usable), RenderFailed when the
        request failed otherwise, BlenderTimeout after `seconds` (default: the runtime's deadline), BlenderCrashed
        when the process ended or outgrew its memory. After any but the first, replace the child.
        """
        deadline = time.monotonic() + (seconds or self._runtime.request_seconds)
        self._silent_failure = None
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
        except (BrokenPipeError, ValueError):
            self._ended(request)
        answer = self._await_answer(request, deadline)
        if answer["ok"] and self._silent_failure is None:
            return answer
        if answer.get("asset"):
            raise AssetError(answer["error"])
        if answer.get("device"):
            raise BlenderError(answer["error"])
        self._lines.extend(answer.get("traceback", ()))
        reason = answer.get("error") or f"Blender printed: {self._silent_failure}"
        raise RenderFailed(f"Blender failed at '{request['do']}': {reason}", self.output)

    def _await_answer(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        while True:
            try:
                answer = self._answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    self._kill()
                    raise BlenderTimeout(
                        f"Blender did not answer '{request['do']}' in time and was ended "
                        "(runtime.request_seconds, runtime.start_seconds)",
                        self.output,
                    ) from None
                self._check_memory()
                continue
            if answer is None:
                self._ended(request)
            else:
                return answer

    def _ended(self, request: dict[str, Any]) -> None:
        self._process.wait(timeout=30)
        code = self._process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        raise BlenderCrashed(f"Blender ended with {how} at '{request['do']}'", self.output) from None

    def _check_memory(self) -> None:
        limit = self._runtime.memory_gib * 2**30
        try:
            used = psutil.Process(self._process.pid).memory_info().rss
        except psutil.NoSuchProcess:
            return  # the reader thread reports the end
        if used > limit:
            self._kill()
            raise BlenderCrashed(
                f"Blender grew to {used / 2**30:.1f} GiB and was ended (runtime.memory_gib is "
                f"{self._runtime.memory_gib:g})",
                self.output,
            )

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if line.startswith(MARK):
                self._answers.put(json.loads(line[len(MARK) :]))
            elif line.strip():
                self._lines.append(line.rstrip())
                if SILENT_FAILURE.search(line):
                    self._silent_failure = line.strip()
        if stream is self._process.stdout:
            self._answers.put(None)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the process and all it started, and remove its memory-backed folder."""
        process = getattr(self, "_process", None)
        if process is not None:
            self._kill()
            for reader in self._readers:
                reader.join(timeout=5)
            for stream in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _start(runtime: Runtime) -> subprocess.Popen[str]:
    if runtime.blender is None:
        command = [sys.executable, "-m", "blender_scripts.server"]
    else:
        script = REPOSITORY / "blender_scripts" / "server.py"
        command = [
            runtime.blender,
            "--background",
            "--factory-startup",
            "--disable-autoexec",
            "--python",
            str(script),
        ]
    # A fixed hash seed, since importers written in Python iterate over sets.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise BlenderCrashed(f"{command[0]}: Blender cannot be started: {error.strerror}") from error
