# SPDX-License-Identifier: Apache-2.0
"""Search, facets, pictures and downloads of `multishade view`, and what it refuses, without a browser."""

import asyncio
import io
import json
import shlex
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from multishade import Dataset, write_shard
from multishade.errors import DataError, OutputError, ShardError
from multishade.shards.fields import FieldFormat
from multishade.shards.marker import commit_marker, read_marker
from multishade.shards.record import DatasetRecord, open_dataset
from multishade.shards.sample import encode_sample
from multishade.viewer.catalogue import Catalogue
from multishade.viewer.errors_table import read_errors
from multishade.viewer.server import application, serve
from multishade.viewer.thumbnails import ThumbnailCache, thumbnail
from multishade.viewer.viewer import Viewer
from tests.support.synthetic import make_sample, with_meta, write_synthetic_shard

KEY = "s000000-g0001-v0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of four samples; a group of the second could not be rendered."""
    folder = tmp_path_factory.mktemp("data")
    for shard in range(2):
        samples = []
        for group in range(4):
            sample = make_sample(f"s{shard:06d}-g{group:04d}-v0", size=24)
            sample = with_meta(sample, "object", id=f"object-{group}", licence=("CC0-1.0", "MIT")[shard])
            samples.append(with_meta(sample, "exposure", image_parallel=float(1 + group)))
        write_synthetic_shard(folder / f"multishade-{shard:06d}.tar", samples)
    tar = folder / "multishade-000001.tar"
    marker = read_marker(tar)
    assert marker is not None
    commit_marker(
        tar, marker, failures=[{"group": "s000001-g0009", "object": "<b>", "kind": "asset", "error": "no"}]
    )
    return folder


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> Iterator[Catalogue]:
    found = Catalogue(folder, {KEY: 12.5, "s000009-g0000-v0": 1.0})
    found.start()
    found.wait()
    yield found


@pytest.fixture(scope="module")
def viewer(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Viewer:
    return Viewer([catalogue], ThumbnailCache(tmp_path_factory.mktemp("cache")))


def ask(
    viewer: Viewer, path: str, query: str = "", method: str = "GET", host: str = "127.0.0.1:8347"
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request, by the ASGI protocol itself."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", host.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8347),
    }
    asyncio.run(application(viewer)(scope, receive, send))  # type: ignore[arg-type]
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def keys(viewer: Viewer, query: str) -> list[str]:
    status, _, body = ask(viewer, "/api/samples", query)
    assert status == 200, body
    return [row["key"] for row in json.loads(body)["rows"]]


def test_filters_combine_and_values_of_one_facet_add_up(viewer: Viewer) -> None:
    assert keys(viewer, "object=object-1") == [KEY, "s000001-g0001-v0"]
    assert keys(viewer, "object=object-1&licence=MIT") == ["s000001-g0001-v0"]
    assert len(keys(viewer, "object=object-1&object=object-2")) == 4
    assert keys(viewer, "light=mixed") == []
    assert keys(viewer, f"{quote('mask area')}=0.9,") == []


def test_text_finds_parts_of_keys_and_names(viewer: Viewer) -> None:
    assert keys(viewer, "q=OBJECT-3") == ["s000000-g0003-v0", "s000001-g0003-v0"]
    assert keys(viewer, "q=s000001-g0002") == ["s000001-g0002-v0"]
    assert keys(viewer, "q=mit&object=object-0") == ["s000001-g0000-v0"]


def test_samples_are_ordered_by_numbers_and_unknown_ones_come_last(viewer: Viewer) -> None:
    assert keys(viewer, "order=-error")[0] == KEY
    assert keys(viewer, "order=-exposure&limit=2") == ["s000000-g0003-v0", "s000001-g0003-v0"]


def test_pages_are_parts_of_the_whole(viewer: Viewer) -> None:
    every = keys(viewer, "")
    assert len(every) == 8 and keys(viewer, "offset=3&limit=2") == every[3:5]


def test_a_facet_counts_what_the_other_filters_leave(catalogue: Catalogue) -> None:
    found = catalogue.facets({"object": ("object-1",), "licence": ("MIT",)}, "")
    facets = {facet["name"]: dict(facet["values"]) for facet in found["labels"]}
    assert facets["object"] == {f"object-{group}": 1 for group in range(4)}, "of all objects under MIT"
    assert facets["licence"] == {"CC0-1.0": 1, "MIT": 1}
    assert facets["light"] == {"environment": 1, "parallel": 1, "point": 1}
    assert found["failures"] == [("asset", 1)] and found["scanned"] == found["measured"] == 8
    ranges = {each["name"]: each for each in found["numbers"]}
    assert ranges["exposure"]["high"] == 4 and sum(ranges["exposure"]["counts"]) == 1


def test_mask_areas_are_those_of_the_samples(catalogue: Catalogue) -> None:
    row = catalogue.keys.index(KEY)
    area = catalogue.columns.numbers["mask area"][row]
    assert area == pytest.approx(catalogue.data[KEY].mask.mean(), abs=1e-6)


def test_a_sample_names_its_pictures_and_each_can_be_fetched(viewer: Viewer) -> None:
    sample = json.loads(ask(viewer, "/api/sample", f"key={KEY}")[2])
    assert sample["title"] == "object-1" and sample["meta"]["key"] == KEY
    names = [picture["name"] for picture in sample["pictures"]]
    assert {"parallel", "normal", "depth", "mask", "least squares"} <= set(names)
    for picture in [*sample["pictures"], *sample["frames"]]:
        path, _, query = picture["url"].partition("?")
        status, headers, body = ask(viewer, f"/{path}", query)
        assert status == 200 and headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(body)).size[0] > 8


def test_normals_arrive_exactly(viewer: Viewer, catalogue: Catalogue) -> None:
    body = ask(viewer, "/normals", f"key={KEY}")[2]
    side = int.from_bytes(body[:4], "little")
    got = np.frombuffer(body[4:], "<i2").reshape(side, side, 3) / 32767
    expected = catalogue.data[KEY].normal[catalogue.data[KEY].mask]
    found = got[(got != 0).any(axis=2)]
    assert len(found) == len(expected) and np.abs(found - expected).max() < 1e-4


def test_a_download_is_the_samples_folder(viewer: Viewer, folder: Path) -> None:
    status, headers, body = ask(viewer, "/download", f"key={KEY}")
    assert status == 200 and f'"{KEY}.zip"' in headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        content = {name.removeprefix(f"{KEY}/"): archive.read(name) for name in archive.namelist()}
    assert content == Dataset(folder).files(KEY)


def test_pages_of_other_sites_and_writes_are_refused(viewer: Viewer) -> None:
    assert ask(viewer, "/", host="evil.example")[0] == 400
    assert ask(viewer, "/api/sets", method="POST")[0] == 405
    assert ask(viewer, "/api/sets", method="DELETE")[0] == 405
    status, headers, _ = ask(viewer, "/")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/sample", "key=s000077-g0000-v0", 404),
        ("/api/sample", "key=../../etc/passwd", 400),
        ("/api/sample", "", 400),
        ("/picture", f"key={KEY}&number=999", 400),
        ("/picture", f"key={KEY}&number=few", 400),
        ("/thumbnail", f"key={KEY}&name=meta", 404),
        ("/thumbnail", f"key={KEY}&set=3", 400),
        ("/download", "key=s000077-g0000-v0", 404),
        ("/../pyproject.toml", "", 404),
        ("/secret.js", "", 404),
        ("/api/samples", "exposure=x,y", 400),
        ("/api/samples", "offset=-5&limit=999999999", 200),
    ],
)
def test_what_is_not_there_is_an_answer_and_no_traceback(
    viewer: Viewer, path: str, query: str, status: int
) -> None:
    assert ask(viewer, path, query)[0] == status


def test_thumbnails_are_small_and_drawn_once(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask(viewer, "/thumbnail", f"key={KEY}&name=normal")[2]
    assert Image.open(io.BytesIO(first)).format == "JPEG" and len(first) < 20_000
    monkeypatch.setattr("multishade.viewer.viewer.thumbnail", lambda *arguments: pytest.fail("drawn again"))
    assert ask(viewer, "/thumbnail", f"key={KEY}&name=normal")[2] == first


def test_the_folder_of_thumbnails_stays_within_its_limit(tmp_path: Path) -> None:
    cache = ThumbnailCache(tmp_path, limit=10_000)
    for number in range(40):
        assert cache.get(str(number), lambda: b"x" * 1000) == b"x" * 1000
        assert sum(path.stat().st_size for path in tmp_path.glob("*.jpg")) <= 10_000
    assert ThumbnailCache(tmp_path, limit=10_000).get("39", lambda: b"other") == b"x" * 1000


@pytest.mark.parametrize("name", ["image_point", "normal", "depth", "mask"])
def test_a_small_picture_needs_no_other_files(folder: Path, name: str) -> None:
    picture = Image.open(io.BytesIO(thumbnail(Dataset(folder), KEY, name, 16)))
    assert picture.size == (16, 16)


def test_an_unknown_small_picture_is_named(folder: Path) -> None:
    with pytest.raises(ShardError, match="has no picture 'shading'"):
        thumbnail(Dataset(folder), KEY, "shading", 16)


def test_a_damaged_sample_is_listed_as_such_and_its_page_says_why(tmp_path: Path) -> None:
    broken = {"meta.json": b'{"object": 3}', "mask.png": b"x"}
    files = encode_sample(make_sample(KEY, size=24), FieldFormat())
    entry = (KEY, [(name, broken.get(name, data)) for name, data in files])
    write_shard(tmp_path / "multishade-000000.tar", [entry])
    damaged = Catalogue(tmp_path)
    damaged.start()
    damaged.wait()
    assert damaged.columns.labels["object"].get(0) == "(unreadable)"
    status, _, body = ask(Viewer([damaged], ThumbnailCache(tmp_path / "cache")), "/api/sample", f"key={KEY}")
    assert status == 404 and KEY in json.loads(body)["error"]


def test_two_data_sets_are_compared_by_key(folder: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_synthetic_shard(other / "multishade-000000.tar", [make_sample(KEY, size=24, bump=0.3)])
    second = Catalogue(other)
    viewer = Viewer([catalogue, second], ThumbnailCache(tmp_path / "cache"))
    sample = json.loads(ask(viewer, "/api/sample", f"key={KEY}")[2])
    differences = [picture for picture in sample["pictures"] if picture["set"] == "difference"]
    assert differences[0]["name"] == "normal" and "apart on average" in differences[0]["note"]
    path, _, query = differences[0]["url"].partition("?")
    assert ask(viewer, f"/{path}", query)[0] == 200
    alone = json.loads(ask(viewer, "/api/sample", "key=s000001-g0001-v0")[2])
    assert {picture["set"] for picture in alone["pictures"]} == {folder.name}


def test_a_replay_command_names_the_folder_of_its_sample(tmp_path: Path) -> None:
    folders = [tmp_path / "first set", tmp_path / "second"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        config = {"name": folder.name, "split": ("train", "val")[number]}
        open_dataset(folder, DatasetRecord(config, {}, {}))
        key = f"s{number:06d}-g0000-v0"
        write_synthetic_shard(folder / f"multishade-{number:06d}.tar", [make_sample(key, size=24)])
    both = Catalogue([str(folder) for folder in folders])
    both.start()
    both.wait()
    assert [both.columns.labels["split"].get(row) for row in range(2)] == ["train", "val"]
    viewer = Viewer([both], ThumbnailCache(tmp_path / "cache"))
    for number, folder in enumerate(folders):
        key = f"s{number:06d}-g0000-v0"
        command = json.loads(ask(viewer, "/api/sample", f"key={key}")[2])["command"]
        assert shlex.split(command) == ["multishade", "replay", str(folder), key]


def test_two_folders_with_samples_of_one_key_are_refused(folder: Path, tmp_path: Path) -> None:
    write_synthetic_shard(tmp_path / "multishade-000000.tar", [make_sample(KEY, size=24)])
    with pytest.raises(DataError, match=f"two shards hold {KEY}; .*--against"):
        Catalogue([str(folder), str(tmp_path)])


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_number_that_is_no_port_is_named(viewer: Viewer, port: int) -> None:
    with pytest.raises(OutputError, match=f"port {port}: .*65535"):
        serve(viewer, port, lambda address: pytest.fail("serves"))


def test_errors_are_read_by_key_from_any_column(tmp_path: Path) -> None:
    table = tmp_path / "results.csv"
    table.write_text(f"object,image,mean\n{KEY},image_point,10\n{KEY},image_env0,20\nall,all,15\n")
    assert read_errors(table) == {KEY: 15.0}
    table.write_text("object,mean\nbear,3\n")
    with pytest.raises(DataError, match="names no sample"):
        read_errors(table)
    table.write_text("object,median\nbear,3\n")
    with pytest.raises(DataError, match="has no column 'mean'"):
        read_errors(table)
