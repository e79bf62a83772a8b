# SPDX-License-Identifier: Apache-2.0
"""Poly Haven's API and lists of URLs, served on the loopback: manifests, resumption, and each way to fail."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from multishade.assets.fetch.client import FetchError
from multishade.assets.fetch.ingest import FetchJob, FetchResult, write_result
from multishade.assets.fetch.polyhaven import PolyHavenOptions, fetch_polyhaven
from multishade.assets.fetch.url_list import fetch_url_list, read_list
from multishade.assets.manifest import read_environments, read_objects
from multishade.assets.scanning.scan import ScanOptions
from multishade.assets.schema import EnvironmentRow, MaterialRow
from multishade.assets.verify import verify_file
from multishade.errors import ManifestError
from tests.support.asset_samples import LIMITS, QUICK, ball, glb, reasons
from tests.support.loopback import Loopback, loopback


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with loopback() as running:
        yield running


def hdr(brightness: float, size: int = 16) -> bytes:
    ramp = np.linspace(0.1, brightness, size * 2 * size, dtype=np.float32).reshape(size, 2 * size, 1)
    done, data = cv2.imencode(".hdr", np.repeat(ramp, 3, axis=2))
    assert done
    return data.tobytes()


# Poly Haven


def serve_hdris(server: Loopback) -> None:
    names = ["forest", "night_sky", "studio"]
    assets = {name: {"name": name, "type": 0, "categories": ["outdoor", name]} for name in names}
    contents = {name: {"1k hdr": hdr(3.0 + k), "2k hdr": hdr(3.0 + k, 32)} for k, name in enumerate(names)}
    server.serve_polyhaven(assets, contents)


def polyhaven(server: Loopback, folder: Path, **changes: Any) -> FetchResult:
    options = PolyHavenOptions(**({"resolution": "1k", "api": server.url} | changes))
    manifest = folder / "environments.jsonl"
    result = fetch_polyhaven(options, FetchJob(folder / "cache", manifest, QUICK, LIMITS))
    write_result(result, manifest)
    return result


def test_polyhaven_gives_environments_with_licence_hash_and_categories(
    server: Loopback, tmp_path: Path
) -> None:
    serve_hdris(server)
    result = polyhaven(server, tmp_path)
    rows = read_environments(tmp_path / "environments.jsonl")
    assert [row.id for row in rows] == ["forest_1k", "night_sky_1k", "studio_1k"] and not result.rejected
    for row in rows:
        verify_file(row)
        assert isinstance(row, EnvironmentRow) and (row.width, row.height, row.licence) == (32, 16, "CC0-1.0")
    assert rows[0].tags == ("polyhaven", "outdoor", "forest")
    assert rows[0].location == "cache/polyhaven/hdris/1k/forest_1k.hdr"
    assert all(agent.startswith("MultiShade/") for agent in server.agents)


def test_a_second_polyhaven_run_fetches_nothing_and_gives_the_same_manifest(
    server: Loopback, tmp_path: Path
) -> None:
    serve_hdris(server)
    first = polyhaven(server, tmp_path)
    server.asked.clear()
    second = polyhaven(server, tmp_path)
    assert first == second
    assert not [path for path, _ in server.asked if path.startswith("/file/")]


def test_polyhaven_keeps_to_count_and_a_split_that_does_not_depend_on_it(
    server: Loopback, tmp_path: Path
) -> None:
    serve_hdris(server)
    few = polyhaven(server, tmp_path / "a", count=2)
    every = polyhaven(server, tmp_path / "b", resolution="2k")
    assert len(few.rows) == 2
    splits = {row.id.removesuffix("_2k"): row.split for row in every.rows}
    assert all(splits[row.id.removesuffix("_1k")] == row.split for row in few.rows)


def test_polyhaven_reports_each_file_that_cannot_be_fetched(server: Loopback, tmp_path: Path) -> None:
    serve_hdris(server)
    tree = json.loads(server.files["/files/forest"])
    tree["hdri"]["1k"]["hdr"]["md5"] = "0" * 32
    server.files["/files/forest"] = json.dumps(tree).encode()
    del server.files["/files/studio"]
    path = "/file/ph-assets/HDRIs/hdr/1k/night_sky_1k.hdr"
    server.files[path] = hdr(4.0)[:-20]
    tree = json.loads(server.files["/files/night_sky"])
    tree["hdri"]["1k"]["hdr"] = {"url": server.url + path}
    server.files["/files/night_sky"] = json.dumps(tree).encode()
    result = polyhaven(server, tmp_path)
    found = reasons(result)
    assert not result.rows
    assert "wrong md5" in found["forest"] and "HTTP 404" in found["studio"]
    assert "cannot be decoded: it is cut short or damaged" in found["night_sky"]
    other = reasons(polyhaven(server, tmp_path, resolution="8k"))
    assert other["forest"] == "is not published as 8k hdr; there is 1k hdr, 2k hdr"


def test_an_answer_of_polyhaven_of_another_form_is_an_error(server: Loopback, tmp_path: Path) -> None:
    server.files["/assets"] = b"[]"
    with pytest.raises(FetchError, match="the API has changed"):
        polyhaven(server, tmp_path)
    server.files["/assets"] = b"{}"
    with pytest.raises(FetchError, match="no HDRI fits the categories snow"):
        polyhaven(server, tmp_path, categories=("snow",))
    with pytest.raises(FetchError, match="no network"):
        polyhaven(server, tmp_path, api="http://127.0.0.1:9")


# A list of URLs


def http(list_path: Path, folder: Path, **changes: Any) -> FetchResult:
    options = ScanOptions(**({"limits": LIMITS} | changes))
    manifest = folder / "manifest.jsonl"
    result = fetch_url_list(list_path, options, FetchJob(folder / "cache", manifest, QUICK, LIMITS))
    write_result(result, manifest)
    return result


def test_a_list_of_urls_becomes_a_manifest(server: Loopback, tmp_path: Path) -> None:
    server.files |= {
        "/x/a.glb": glb(ball()),
        "/b%20c.stl": b"",
        "/b c.stl": ball(2.0).export(file_type="stl"),
    }
    lines = [
        "# comment",
        f"{server.url}/x/a.glb - CC-BY-4.0",
        json.dumps({"url": f"{server.url}/b%20c.stl", "licence": "CC0", "path": "sub/ball.stl"}),
        f"{server.url}/gone.glb",
    ]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    result = http(tmp_path / "list.txt", tmp_path)
    rows = {row.id: row for row in read_objects(tmp_path / "manifest.jsonl")}
    assert {name: row.licence for name, row in rows.items()} == {"a": "CC-BY-4.0", "ball": "CC0-1.0"}
    assert "HTTP 404" in reasons(result)["gone.glb"]
    for row in rows.values():
        verify_file(row)


def test_an_archive_is_unpacked_and_its_licence_reaches_its_files(server: Loopback, tmp_path: Path) -> None:
    packed = io.BytesIO()
    image = cv2.imencode(".png", np.full((16, 16, 3), 99, np.uint8))[1].tobytes()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("Bricks_1K_Color.png", "Bricks_1K_Roughness.png", "../../escape.png", "note.txt"):
            archive.writestr(name, image)
    server.files |= {"/Bricks_1K.zip": packed.getvalue(), "/bad.zip": b"PK not really"}
    (tmp_path / "list.txt").write_text(f"{server.url}/Bricks_1K.zip - CC0-1.0\n{server.url}/bad.zip\n")
    result = http(tmp_path / "list.txt", tmp_path, kind="materials")
    (row,) = result.rows
    assert isinstance(row, MaterialRow) and row.maps is not None
    assert (row.licence, row.maps.roughness) == ("CC0-1.0", "Bricks_1K_Roughness.png")
    assert "cannot be unpacked as a zip archive" in reasons(result)["bad.zip"]
    inside = tmp_path / "cache" / "http"
    assert all(inside in path.parents for path in tmp_path.rglob("escape.png"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ftp://a/b.glb", "'ftp://a/b.glb' is not an http or https URL"),
        ("http://a/b.glb abc", "field 'sha256': 'abc' is not 64 hex digits"),
        ('{"url": "http://a/b", "hash": "x"}', "field 'hash' is unknown; allowed are url, sha256, md5"),
        ('{"url": "http://a/b", "path": "../b"}', "field 'path': '../b' is not a relative path"),
        ("http://a/b/", "is not a relative path below the cache"),
        ("http://a/x.glb\nhttp://b/x.glb", "a second file for 'x.glb'; give it a PATH of its own"),
    ],
)
def test_a_wrong_line_of_a_list_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "list.txt").write_text(line)
    with pytest.raises(ManifestError, match=f"^list.txt:.*{re.escape(message)}"):
        read_list(tmp_path / "list.txt")


def test_a_list_without_any_file_gives_the_first_reason(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{server.url}/a.glb\n")
    with pytest.raises(
        FetchError, match=r"no file of .*list\.txt could be fetched; the first reason: .*HTTP 404"
    ):
        http(tmp_path / "list.txt", tmp_path)
    with pytest.raises(ManifestError, match="cannot be read"):
        http(tmp_path / "none.txt", tmp_path)
