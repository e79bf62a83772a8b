# SPDX-License-Identifier: Apache-2.0
"""A server that speaks S3's protocol (moto), and a proxy in front of it that answers wrongly, late or not at all."""

import http.client
import itertools
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer

FAULTS = ("500", "503", "hang", "cut request", "cut answer", "lose answer")
_names = itertools.count()


@dataclass
class Fault:
    """What happens to the next `times` requests of a method whose line has `word` in it.

    500, 503: this status, and the server never sees the request. hang: no answer until the client goes away. cut
    request: the connection closes before the server sees the request. lose answer: after the server has done what was
    asked. cut answer: in the middle of the answer's body. every: only each N-th of these requests.
    """

    kind: str
    method: str = ""
    word: str = ""
    times: int = 1
    every: int = 1
    seen: int = 0


@dataclass
class S3Server:
    """State: the faults to come; `log` holds each request's line, `served` how many faults of a kind happened."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    served: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bucket(self) -> str:
        """Make an empty bucket; s3://NAME."""
        url = f"s3://multishade-{next(_names)}"
        fsspec.filesystem("s3").mkdir(url)
        return url

    def environment(self) -> dict[str, str]:
        """Variables by which another process finds the server."""
        return {"AWS_ENDPOINT_URL": self.url, **CREDENTIALS}

    def due(self, line: str) -> str:
        """The kind of fault of a request, "" for none."""
        with self.lock:
            self.log.append(line)
            for fault in self.faults:
                if line.startswith(fault.method) and fault.word in line and fault.times:
                    fault.seen += 1
                    if fault.seen % fault.every:
                        continue
                    fault.times -= 1
                    self.served[fault.kind] = self.served.get(fault.kind, 0) + 1
                    return fault.kind
        return ""


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    behind: tuple[str, int]
    state: S3Server
    stopped: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.server.state.due(f"{self.command} {self.path}")
        if kind in ("500", "503"):
            code = {"500": "InternalError", "503": "SlowDown"}[kind]
            self._send(int(kind), {}, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
            return
        if kind == "cut request":
            self._cut()
            return
        if kind == "hang":
            self.connection.settimeout(0.2)
            while not self.server.stopped.is_set():
                try:
                    if not self.connection.recv(1):
                        break
                except TimeoutError:
                    continue
            self.close_connection = True
            return
        connection = http.client.HTTPConnection(*self.server.behind)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content, length = answer.read(), answer.headers.get("Content-Length")
        connection.close()
        if kind == "lose answer":
            self._cut()
            return
        kept = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server")
        }
        size = int(length) if length and self.command == "HEAD" else len(content)
        self._send(
            answer.status, kept, content[: len(content) // 2] if kind == "cut answer" else content, size
        )
        if kind == "cut answer":
            self._cut()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer

    def _send(self, status: int, headers: dict[str, str], content: bytes, size: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if size is None else size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
            self.wfile.flush()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()


@contextmanager
def s3_server(read_timeout: float = 60.0) -> Iterator[S3Server]:
    """Start the server and the proxy; s3:// in this process leads there for the block."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    proxy = _Proxy(("127.0.0.1", 0), _Handler)
    proxy.behind, proxy.stopped = moto.get_host_and_port(), threading.Event()
    proxy.state = S3Server(f"http://127.0.0.1:{proxy.server_address[1]}")
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in proxy.state.environment().items():
                patch.setenv(name, value)
            config = {"config_kwargs": {"read_timeout": read_timeout, "retries": {"max_attempts": 0}}}
            patch.setitem(fsspec.config.conf, "s3", config)
            fsspec.get_filesystem_class("s3").clear_instance_cache()  # they hold the last server's address
            yield proxy.state
    finally:
        proxy.stopped.set()
        proxy.shutdown()
        proxy.server_close()
        moto.stop()
        fsspec.get_filesystem_class("s3").clear_instance_cache()
