# SPDX-License-Identifier: Apache-2.0
"""Downloads against a server on the loopback: whole, resumed, retried, or refused for a named reason."""

import errno
import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from multishade.assets.fetch.client import FetchError, FetchPolicy, FetchStopped, fetch_json
from multishade.assets.fetch.download import download, download_all
from multishade.assets.fetch.transfer import Download
from tests.support.loopback import Loopback, loopback

CONTENT = np.random.default_rng(1).bytes(3_000_000)
CHUNK = 1 << 18  # what is written at a time
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = FetchPolicy(
    workers=4, attempts=3, first_wait=0.01, connect_seconds=2, read_seconds=5, failures_in_a_row=3
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with loopback() as running:
        running.files["/a.bin"] = CONTENT
        yield running


def item(server: Loopback, folder: Path, path: str = "/a.bin", **known: object) -> Download:
    return Download(server.url + path, folder / "sub" / Path(path).name, **known)  # type: ignore[arg-type]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_comes_whole_and_leaves_nothing_else(server: Loopback, tmp_path: Path) -> None:
    counted: list[int] = []
    fetched = download(item(server, tmp_path, sha256=SHA256, size=len(CONTENT)), QUICK, counted.append)
    assert (fetched.sha256, fetched.size, sum(counted)) == (SHA256, len(CONTENT), len(CONTENT))
    assert fetched.path.read_bytes() == CONTENT and left(tmp_path) == ["a.bin"]
    assert {agent.split("/")[0] for agent in server.agents} == {"MultiShade"}


def test_a_file_that_is_present_is_not_requested(server: Loopback, tmp_path: Path) -> None:
    wanted = item(server, tmp_path, sha256=SHA256)
    wanted.path.parent.mkdir()
    wanted.path.write_bytes(CONTENT)
    assert download(wanted, QUICK).sha256 == SHA256 and not server.requests
    wanted.path.write_bytes(b"another version")
    assert download(wanted, QUICK).sha256 == SHA256 and server.requests["/a.bin"] == 1


def test_a_broken_connection_continues_where_it_broke(server: Loopback, tmp_path: Path) -> None:
    server.cut["/a.bin"] = [4 * CHUNK, 5 * CHUNK]
    counted: list[int] = []
    fetched = download(item(server, tmp_path), QUICK, counted.append)
    assert fetched.path.read_bytes() == CONTENT and sum(counted) == len(CONTENT)
    assert [asked for _, asked in server.asked] == [None, f"bytes={4 * CHUNK}-", f"bytes={9 * CHUNK}-"]


def test_the_next_run_continues_the_part_of_the_last(server: Loopback, tmp_path: Path) -> None:
    server.cut["/a.bin"] = [CHUNK + 1000]
    once = FetchPolicy(attempts=1, first_wait=0.0)
    with pytest.raises(FetchError, match=r"a\.bin: cut short.*one attempt.*run again to continue"):
        download(item(server, tmp_path), once)
    assert left(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    assert download(item(server, tmp_path), once).sha256 == SHA256
    assert server.asked[-1] == ("/a.bin", f"bytes={CHUNK}-") and left(tmp_path) == ["a.bin"]


def test_the_rest_of_another_version_is_never_appended(server: Loopback, tmp_path: Path) -> None:
    server.cut["/a.bin"] = [500_000]
    with pytest.raises(FetchError):
        download(item(server, tmp_path), FetchPolicy(attempts=1))
    server.files["/a.bin"] = CONTENT[::-1]
    assert download(item(server, tmp_path), QUICK).path.read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_starts_over(server: Loopback, tmp_path: Path) -> None:
    server.ranges = False
    server.cut["/a.bin"] = [2_000_000]
    assert download(item(server, tmp_path), QUICK).path.read_bytes() == CONTENT


def test_a_complete_part_is_only_renamed(server: Loopback, tmp_path: Path) -> None:
    wanted = item(server, tmp_path, sha256=SHA256)
    wanted.path.parent.mkdir()
    part = wanted.path.with_name("a.bin.part")
    part.write_bytes(CONTENT)
    assert download(wanted, QUICK).sha256 == SHA256
    assert server.asked == [("/a.bin", f"bytes={len(CONTENT)}-")]
    wanted.path.unlink()
    part.write_bytes(CONTENT + b"more than there is")
    assert download(wanted, QUICK).path.read_bytes() == CONTENT


def test_a_missing_file_is_reported_and_requested_once(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"/none\.bin: HTTP 404 Not Found: there is no such file"):
        download(item(server, tmp_path, "/none.bin"), QUICK)
    assert server.requests["/none.bin"] == 1
    server.status["/a.bin"] = [403]
    with pytest.raises(FetchError, match="HTTP 403 Forbidden: access is refused"):
        download(item(server, tmp_path), QUICK)


def test_a_busy_server_is_tried_again(server: Loopback, tmp_path: Path) -> None:
    server.status["/a.bin"] = [503, 429]
    assert download(item(server, tmp_path), QUICK).sha256 == SHA256
    assert server.requests["/a.bin"] == 3
    server.status["/a.bin"] = [500] * 9
    with pytest.raises(FetchError, match=r"HTTP 500 .*\(3 attempts in a row\)"):
        download(item(server, tmp_path / "other"), QUICK)


def test_a_wrong_hash_is_fetched_once_more_and_then_refused(server: Loopback, tmp_path: Path) -> None:
    for known, kind in (({"sha256": "0" * 64}, "sha256"), ({"md5": "0" * 32}, "md5"), ({"size": 7}, "size")):
        server.requests.clear()
        with pytest.raises(FetchError, match=f"wrong {kind}: .* was promised, .* came"):
            download(item(server, tmp_path, **known), QUICK)
        assert server.requests["/a.bin"] == 2 and left(tmp_path) == []


def test_bytes_damaged_on_the_way_are_fetched_again(server: Loopback, tmp_path: Path) -> None:
    wanted = item(server, tmp_path, sha256=SHA256)
    wanted.path.parent.mkdir()
    wanted.path.with_name("a.bin.part").write_bytes(b"damaged" * 1000)
    assert download(wanted, QUICK).path.read_bytes() == CONTENT


def test_the_hash_that_a_hub_promises_is_verified(server: Loopback, tmp_path: Path) -> None:
    server.hub["allenai/objaverse"] = {"glbs/x.glb": CONTENT}
    path = "/datasets/allenai/objaverse/resolve/main/glbs/x.glb"
    assert download(item(server, tmp_path, path), QUICK).sha256 == SHA256
    server.files[f"/storage/{SHA256}"] = CONTENT[:-1] + b"!"
    with pytest.raises(FetchError, match=f"wrong sha256: {SHA256} was promised"):
        download(item(server, tmp_path / "again", path), QUICK)


def test_a_silent_server_is_named(server: Loopback, tmp_path: Path) -> None:
    server.delay["/a.bin"] = 1.0
    impatient = FetchPolicy(attempts=2, first_wait=0.0, read_seconds=0.1)
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:\d+ did not answer in time \(2 attempts") as error:
        download(item(server, tmp_path), impatient)
    assert error.value.network


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_network_that_is_gone_ends_the_run_and_not_only_one_file(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(FetchError, match=r"no network, or 127\.0\.0\.1:\d+ cannot be reached"):
        download(Download(f"{url}/a", tmp_path / "a"), QUICK)
    items = [Download(f"{url}/{number}", tmp_path / f"{number}") for number in range(50)]
    seen = []
    with pytest.raises(FetchStopped, match="stopped after 3 files in a row without a network"):
        for index, result in download_all(items, FetchPolicy(workers=2, attempts=1, failures_in_a_row=3)):
            assert isinstance(result, FetchError)
            seen.append(index)
    assert len(seen) == 3


def test_a_full_disk_is_reported_before_and_while_writing(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 << 20))
        with pytest.raises(FetchStopped, match=r"disk full: .*a\.bin needs 67 MiB, 10 MiB are free"):
            download(item(server, tmp_path), QUICK)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(FetchStopped, match=r"disk full while writing .*a\.bin; free space"):
            list(download_all([item(server, tmp_path)], QUICK))
    asked = len(server.asked)
    assert download(item(server, tmp_path), QUICK).sha256 == SHA256
    assert len(server.asked) == asked + 1 and server.asked[-1][1] is not None  # went on with what was there


def test_a_folder_that_cannot_be_written_is_named(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "sub").write_text("a file where a folder should be")
    with pytest.raises(FetchStopped, match="cannot be written"):
        download(item(server, tmp_path), QUICK)


def test_many_files_come_in_parallel_and_a_bad_one_does_not_stop_them(
    server: Loopback, tmp_path: Path
) -> None:
    for number in range(40):
        server.files[f"/{number}"] = b"%d" % number * 1000
    server.status["/7"] = [404]
    items = [Download(f"{server.url}/{number}", tmp_path / f"{number}") for number in range(40)]
    results = dict(download_all(items, QUICK))
    assert sorted(results) == list(range(40))
    assert isinstance(results[7], FetchError)
    assert all((tmp_path / str(n)).read_bytes() == b"%d" % n * 1000 for n in range(40) if n != 7)


def test_two_downloads_never_share_a_file(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"two downloads go to .*a\.bin"):
        list(download_all([item(server, tmp_path)] * 2, QUICK))


def test_leaving_early_stops_the_workers(server: Loopback, tmp_path: Path) -> None:

    for number in range(30):
        server.files[f"/{number}"] = CONTENT
    items = [Download(f"{server.url}/{number}", tmp_path / f"{number}") for number in range(30)]
    stream = download_all(items, FetchPolicy(workers=2))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert sum(server.requests.values()) < 30


def test_an_answer_that_is_not_json_is_named(server: Loopback) -> None:
    server.files["/j"] = b"<html>Sign in to the network</html>"
    with pytest.raises(FetchError, match="/j: the answer is not JSON .*is a proxy in the way"):
        fetch_json(f"{server.url}/j", QUICK)
    server.files["/k"] = b'{"a": 1}'
    server.status["/k"] = [502]
    assert fetch_json(f"{server.url}/k", QUICK) == {"a": 1}
    with pytest.raises(FetchError, match="no network"):
        fetch_json(f"http://127.0.0.1:{closed_port()}/x", QUICK)
