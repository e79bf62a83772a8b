# SPDX-License-Identifier: Apache-2.0
"""Shards over HTTP, from a server on the loopback: whole, broken off and resumed, missing, replaced."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from multishade.data.loader import DamagedDataWarning, Loader
from multishade.errors import DataError, ShardError
from multishade.geometry.lights import ring
from multishade.shards.locate import open_shards
from multishade.shards.marker import marker_of
from multishade.storage import http
from multishade.storage.http import open_http
from multishade.storage.retry import RetryPolicy
from tests.support.data_shards import COUNTS, data, write_shards
from tests.support.loopback import Loopback, loopback

FAST = RetryPolicy(first_wait=0.001)
CONTENT = np.random.default_rng(1).bytes(300_000)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback() as running:
        running.files["/a.bin"] = CONTENT
        yield running


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_shards(tmp_path_factory.mktemp("http"))


def read(url: str) -> bytes:
    with open_http(url, policy=FAST) as stream:
        return stream.read()


def test_a_file_comes_whole_in_one_request(server: Loopback) -> None:
    assert read(f"{server.url}/a.bin") == CONTENT
    assert server.requests["/a.bin"] == 1


def test_a_broken_connection_is_resumed_where_it_broke(server: Loopback) -> None:
    server.cut["/a.bin"] = [100_000, 50_000]
    assert read(f"{server.url}/a.bin") == CONTENT
    starts = [asked for _, asked in server.asked]
    assert starts[0] is None and starts[1] is not None and starts[1].startswith("bytes=")
    assert len(starts) == 3


def test_a_server_without_ranges_is_read_anew_up_to_there(server: Loopback) -> None:
    server.ranges = False
    server.cut["/a.bin"] = [100_000]
    assert read(f"{server.url}/a.bin") == CONTENT


def test_a_busy_server_is_asked_again(server: Loopback) -> None:
    server.status["/a.bin"] = [503, 429]
    assert read(f"{server.url}/a.bin") == CONTENT


def test_what_cannot_be_had_is_named(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ShardError, match=r"/missing: the server answers 404"):
        read(f"{server.url}/missing")
    assert server.requests["/missing"] == 1  # asking again would change nothing
    server.status["/a.bin"] = [503] * 9
    with pytest.raises(ShardError, match="503 .*; gave up after 5 attempts"):
        read(f"{server.url}/a.bin")
    with pytest.raises(ShardError, match="refused.*gave up"):
        read("http://127.0.0.1:9/a.bin")


def test_a_file_that_is_replaced_meanwhile_is_not_mixed(server: Loopback) -> None:
    server.cut["/a.bin"] = [100_000]
    with open_http(f"{server.url}/a.bin", policy=FAST) as stream:
        stream.read(10)
        server.files["/a.bin"] = CONTENT[::-1]
        with pytest.raises(ShardError, match="was replaced on the server"):
            stream.read()


def serve(server: Loopback, tars: list[Path], markers: bool = True) -> str:
    for path in tars:
        server.files[f"/{path.name}"] = path.read_bytes()
        if markers:
            server.files[f"/{marker_of(path).name}"] = marker_of(path).read_bytes()
    return f"{server.url}/demo-{{000000..000002}}.tar"


def test_training_over_http_gives_the_batches_of_the_local_shards(server: Loopback, tars: list[Path]) -> None:
    settings = {"run": "shard", "streams": 2, "buffer": 3}
    local = Loader(data(tars[0].parent, **settings), ring(9), batch_size=3, seed=4)
    remote = Loader(data(serve(server, tars), **settings), ring(9), batch_size=3, seed=4)
    assert remote.batches_per_epoch == sum(COUNTS) // 3
    for _, here, there in zip(range(12), local, remote, strict=False):
        assert here.keys == there.keys
        assert torch.equal(here.fields["image"], there.fields["image"])
    # A stream opens each tar that it reads once an epoch, however many samples it takes of it.
    assert sum(server.requests[f"/{path.name}"] for path in tars) <= 3 * (len(tars) + 2)


def test_a_resumed_remote_run_goes_on_with_the_same_batches(server: Loopback, tars: list[Path]) -> None:
    settings = data(serve(server, tars), streams=2, buffer=4)
    through = [
        batch.keys
        for _, batch in zip(range(8), Loader(settings, ring(9), batch_size=2, seed=4), strict=False)
    ]
    first = Loader(settings, ring(9), batch_size=2, seed=4)
    for _ in zip(range(3), first, strict=False):
        pass
    second = Loader(settings, ring(9), batch_size=2, seed=4)
    second.load_state_dict(first.state_dict())
    assert [batch.keys for _, batch in zip(range(5), second, strict=False)] == through[3:]


def test_remote_shards_without_markers_are_counted_by_reading(server: Loopback, tars: list[Path]) -> None:
    assert [shard.samples for shard in open_shards([serve(server, tars, markers=False)])] == list(COUNTS)
    with pytest.raises(DataError, match="/other.tar: the server answers 404"):
        open_shards([f"{server.url}/other.tar"])


def test_a_remote_shard_that_vanishes_is_replaced_and_counted(
    server: Loopback, tars: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "RETRY", RetryPolicy(attempts=1))
    loader = Loader(data(serve(server, tars), streams=1, buffer=16), ring(9), batch_size=3, seed=1)
    del server.files["/demo-000000.tar"]
    with pytest.warns(DamagedDataWarning, match="demo-000000.tar: the server answers 404"):
        keys = [key for _, batch in zip(range(5), loader, strict=False) for key in batch.keys]
    assert len(keys) == sum(COUNTS) and not any(key.startswith("s000000") for key in keys)
    assert loader.damage == {f"{server.url}/demo-000000.tar": COUNTS[0]}


def test_random_access_over_http_is_refused(server: Loopback, tars: list[Path]) -> None:
    with pytest.raises(DataError, match="run 1: remote tars are read from first to last"):
        Loader(data(serve(server, tars), run=1), ring(9), batch_size=2)
