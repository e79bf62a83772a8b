# SPDX-License-Identifier: Apache-2.0
"""Without a network every command ends after two attempts, in one line; a server that answered before is waited for."""

import socket
from pathlib import Path

import pytest
from PIL import Image

from multishade.assets.fetch.client import FetchError, FetchPolicy, fetch_json
from multishade.cli import main
from multishade.errors import FileMissing, ShardError
from multishade.storage import hosts, retry
from multishade.storage.http import open_http
from multishade.storage.retry import UNREACHED_ATTEMPTS, RetryPolicy
from tests.support.loopback import loopback

FAST = RetryPolicy(attempts=5, first_wait=0.001)


@pytest.fixture
def closed() -> str:
    """The address of a port on which nothing listens: connections are refused at once, as without a network."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waited.append)
    return waited


def test_a_server_that_never_answered_is_tried_twice(closed: str, waits: list[float]) -> None:
    with pytest.raises(FetchError, match=rf"cannot be reached \({UNREACHED_ATTEMPTS} attempts in a row\)"):
        fetch_json(f"{closed}/list", FetchPolicy())
    assert len(waits) == 1


def test_a_server_that_answered_before_is_waited_for(waits: list[float]) -> None:
    with loopback() as server:
        server.files["/a"] = b"[]"
        assert fetch_json(f"{server.url}/a", FetchPolicy()) == []
    with pytest.raises(FetchError, match=r"\(5 attempts in a row\)"):
        fetch_json(f"{server.url}/a", FetchPolicy(attempts=5))
    assert [wait for wait in waits if wait] == [1.0, 2.0, 4.0, 8.0]


def test_a_server_that_answers_with_an_error_has_answered(waits: list[float]) -> None:
    with loopback() as server, pytest.raises(FileMissing, match="404"):
        open_http(f"{server.url}/missing", policy=FAST)
    assert hosts.has_answered(server.url)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("hf-mirror.org", "http"),
        ("file:///x", "http"),
        ("http://a..b", "label"),
        ("http://127.0.0.1:99999", "0-65535"),
    ],
)
def test_an_address_that_no_server_has_is_a_reason(address: str, reason: str) -> None:
    assert reason in (hosts.unreachable(address) or "")


@pytest.mark.parametrize("address", ["http://a..b", "http://" + "a" * 300, "http://127.0.0.1:port"])
def test_an_address_that_no_server_has_is_named(address: str) -> None:
    with pytest.raises(ShardError, match=address):
        open_http(f"{address}/a.tar", policy=FAST)


def test_names_with_blanks_and_letters_beyond_ascii_are_found() -> None:
    with loopback() as server:
        server.files["/ä b.tar"] = b"content"
        for name in ("ä b.tar", "%C3%A4%20b.tar"):
            assert open_http(f"{server.url}/{name}?signature=a%2Fb+c", policy=FAST).read() == b"content"


def test_why_a_server_cannot_be_reached(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hosts.unreachable(closed) == "Connection refused"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert hosts.unreachable(closed) is None, "the proxy would connect, or say why not"
    with loopback() as server:
        monkeypatch.delenv("http_proxy")
        assert hosts.unreachable(server.url) is None


@pytest.mark.parametrize(
    "line",
    [
        "inspect {host}/multishade-000000.tar",
        "show {host}/multishade-000000.tar",
        "evaluate ols --on shards:{host}/multishade-000000.tar -o {out}",
        "assets fetch http {list} -o {out}/objects.jsonl --cache {out}/cache",
        "assets fetch polyhaven --api {host} --limit 1 -o {out}/maps.jsonl --cache {out}/cache",
        "assets fetch objaverse --endpoint {host} --limit 1 -o {out}/objects.jsonl --cache {out}/cache",
        "assets fetch matsynth --limit 1 -o {out}/materials.jsonl --cache {out}/cache",
        "infer {photo} --model some/name -o {out}",
    ],
)
def test_commands_end_in_one_line(
    line: str,
    closed: str,
    waits: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", closed)
    monkeypatch.setenv("HF_ENDPOINT", closed)
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    (tmp_path / "list.txt").write_text(f"{closed}/a.glb {'0' * 64}\n")
    given = {"host": closed, "out": tmp_path, "list": tmp_path / "list.txt", "photo": tmp_path / "photo.png"}
    assert main(line.format(**given).split()) == 2
    errors = [
        text for text in capsys.readouterr().err.splitlines() if not text.startswith(("threads:", "1 thread"))
    ]
    assert len([text for text in errors if text.startswith("error: ")]) == 1, errors
    assert closed.removeprefix("http://") in errors[-1]
    assert sum(waits) < 5
