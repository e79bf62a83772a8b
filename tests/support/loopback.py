# SPDX-License-Identifier: Apache-2.0
"""Servers on the loopback with real protocols: files with ranges, Poly Haven's API, a Hugging Face Hub."""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub_uploads import SMALL, HubUploads

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Loopback(ThreadingHTTPServer):
    """Files under `files` by path ("/a.glb" -> bytes). What goes wrong is set from outside:

    status: path -> statuses to answer before the file comes. cut: path -> how many bytes come before the connection
    breaks, each used once. ranges: whether ranges are honoured. delay: path -> seconds before
    an answer. requests: how often each path was asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.status: dict[str, list[int]] = {}
        self.cut: dict[str, list[int]] = {}
        self.ranges = True
        self.delay: dict[str, float] = {}
        self.requests: Counter[str] = Counter()
        self.asked: list[tuple[str, str | None]] = []  # (path, range) in order
        self.agents: set[str] = set()
        self.hub: dict[str, dict[str, bytes]] = {}  # repository -> path -> content
        self.uploads = HubUploads(self.url, self.hub)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what some tests are about."""

    def serve_polyhaven(self, assets: dict[str, dict[str, Any]], files: dict[str, dict[str, bytes]]) -> None:
        """`files`: id -> "1k hdr" -> content; lists of files and their md5 follow from it."""
        self.files["/assets"] = json.dumps(assets).encode()
        for name, kinds in files.items():
            tree: dict[str, Any] = {"hdri": {}, "tonemapped": {"url": "x", "md5": "0", "size": 1}}
            for kind, content in kinds.items():
                size, suffix = kind.split()
                path = f"/file/ph-assets/HDRIs/{suffix}/{size}/{name}_{size}.{suffix}"
                self.files[path] = content
                entry = {
                    "url": self.url + path,
                    "md5": hashlib.md5(content).hexdigest(),
                    "size": len(content),
                }
                tree["hdri"].setdefault(size, {})[suffix] = entry
            self.files[f"/files/{name}"] = json.dumps(tree).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Loopback

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        sent = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            sent = self._read_chunks()
        path = unquote(urlsplit(self.path).path)
        answer = self.server.uploads.post(path, sent)
        if answer is not None:
            self._send(answer[0], json.dumps(answer[1]).encode(), {"Content-Type": "application/json"})
            return
        if path.startswith("/api/") and "/paths-info/" in path:
            asked = json.loads(sent) if sent.startswith(b"{") else parse_qs(sent.decode())
            names = asked.get("paths", [])
            repository = path.removeprefix("/api/datasets/").split("/paths-info/")[0]
            content = self.server.hub.get(repository, {})
            self._send_json([_entry(name, content[name]) for name in names if name in content])
            return
        self._send(404, b"")

    def do_PUT(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            sent = self._read_chunks()
        else:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(self.server.uploads.put(urlsplit(self.path).path, sent), b"")

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        server = self.server
        server.requests[path] += 1
        server.asked.append((path, self.headers.get("Range")))
        server.agents.add(self.headers.get("User-Agent", ""))
        time.sleep(server.delay.get(path, 0.0))
        waiting = server.status.get(path)
        if waiting:
            status = waiting.pop(0)
            self._send(status, b"no", {"Retry-After": "0"} if status in (429, 503) else {}, body)
            return
        if path in server.files:
            self._send_file(path, server.files[path], body)
        elif path.startswith("/api/datasets/"):
            self._send_hub_api(path)
        elif "/resolve/" in path:
            self._send_hub_file(path, body)
        else:
            self._send(404, b"not here", {}, body)

    def _send_file(self, path: str, content: bytes, body: bool, extra: dict[str, str] | None = None) -> None:
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes", **(extra or {})}
        start, end, status = 0, len(content), 200
        asked = self.headers.get("Range", "")
        unchanged = self.headers.get("If-Range", tag) == tag
        if self.server.ranges and asked.startswith("bytes=") and unchanged:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start = int(first)
            end = min(len(content), int(last) + 1) if last else len(content)
            if start >= len(content):
                self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"}, body)
                return
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
            status = 206
        cuts = self.server.cut.get(path)
        if cuts and body:
            sent = content[start : start + cuts.pop(0)]
            self._head(status, end - start, headers)
            self.wfile.write(sent)
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self._send(status, content[start:end], headers, body)

    def _send_hub_file(self, path: str, body: bool) -> None:
        repository, _, rest = path.strip("/").removeprefix("datasets/").partition("/resolve/")
        name = rest.partition("/")[2]
        content = self.server.hub.get(repository, {}).get(name)
        if content is None:
            known = repository in self.server.hub
            code = "EntryNotFound" if known else "RepoNotFound"
            self._send(404, b"", {"X-Error-Code": code, "X-Repo-Commit": COMMIT}, body)
            return
        sha256 = hashlib.sha256(content).hexdigest()
        headers = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Size": str(len(content)),
            "X-Linked-ETag": f'"{sha256}"',
        }
        stored = f"/storage/{sha256}"
        if name.endswith(SMALL):  # small files come from the Hub itself, large ones from its storage
            self._send_file(path, content, body, headers)
        else:
            self.server.files.setdefault(stored, content)
            self._send(
                302, b"", {**headers, "Location": self.server.url + stored, "ETag": f'"{sha256}"'}, body
            )

    def _send_hub_api(self, path: str) -> None:
        rest = path.removeprefix("/api/datasets/")
        for mark in ("/tree/", "/revision/"):
            repository, found, tail = rest.partition(mark)
            content = self.server.hub.get(repository)
            if not found or content is None:
                continue
            if mark == "/tree/":
                folder = tail.partition("/")[2]
                self._send_json(_listing(content, folder, "recursive=true" in self.path.lower()))
                return
            self._send_json(self._info(repository))
            return
        if rest in self.server.hub:
            self._send_json(self._info(rest))
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _info(self, repository: str) -> dict[str, Any]:
        names = [{"rfilename": name} for name in self.server.hub[repository]]
        return {
            "id": repository,
            "sha": COMMIT,
            "private": False,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": names,
            "lastModified": "2024-04-16T00:00:00.000Z",
        }

    def _send_json(self, data: Any) -> None:
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(
        self, status: int, content: bytes, headers: dict[str, str] | None = None, body: bool = True
    ) -> None:
        self._head(status, len(content), headers or {})
        if body:
            self.wfile.write(content)


def _entry(name: str, content: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    large = (
        {"lfs": {"oid": sha256, "size": len(content), "pointerSize": 130}} if not name.endswith(SMALL) else {}
    )
    return {"type": "file", "oid": git, "size": len(content), "path": name, **large}


def _listing(content: dict[str, bytes], folder: str, recursive: bool) -> list[dict[str, Any]]:
    """What the Hub's tree lists of a folder: its files and the folders in it."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for name in content:
        if not name.startswith(prefix):
            continue
        first, _, deeper = name.removeprefix(prefix).partition("/")
        if deeper:
            entries[prefix + first] = {"type": "directory", "oid": COMMIT, "size": 0, "path": prefix + first}
        if recursive or not deeper:
            entries[name] = _entry(name, content[name])
    return list(entries.values())


@contextmanager
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
