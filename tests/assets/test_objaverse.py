# SPDX-License-Identifier: Apache-2.0
"""Objaverse from a Hub on the loopback: accepted and refused objects, and interrupted runs."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trimesh

from multishade.assets.fetch.client import FetchError
from multishade.assets.fetch.ingest import FetchJob, FetchResult, write_result
from multishade.assets.fetch.objaverse import ObjaverseOptions, fetch_objaverse
from multishade.assets.fetch.uid_list import read_uids
from multishade.assets.hashing import sha256_of_file
from multishade.assets.manifest import read_objects
from multishade.assets.schema import ObjectRow
from multishade.assets.verify import verify_file
from multishade.errors import AssetError
from tests.support.asset_samples import LIMITS, QUICK, ball, glb, reasons
from tests.support.loopback import Loopback, loopback

UIDS = [f"{number:032x}" for number in range(1, 13)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with loopback() as running:
        yield running


def serve_objaverse(server: Loopback) -> dict[str, bytes]:
    """Twelve objects: balls, a scan, a scene, a triangle, one that is damaged, one of another licence, one without its
    annotation, one not in the catalogue, one twice."""
    contents = {uid: glb(ball(1.0 + k / 10)) for k, uid in enumerate(UIDS)}
    contents[UIDS[4]] = glb(trimesh.creation.box(extents=(9, 0.01, 9)).subdivide().subdivide())
    ground = trimesh.creation.box(extents=(40, 0.05, 40))
    contents[UIDS[5]] = glb(ground, ball(at=(3, 1, 0)), ball(at=(-3, 1, 2)))
    contents[UIDS[6]] = glb(trimesh.creation.box())
    contents[UIDS[7]] = contents[UIDS[7]][:-50]
    contents[UIDS[10]] = contents[UIDS[0]]
    paths = {uid: f"glbs/000-{k % 2:03d}/{uid}.glb" for k, uid in enumerate(UIDS)}
    annotations = {
        uid: {
            "uid": uid,
            "name": f"Thing {k}",
            "license": "by-nc" if k == 8 else "cc0" if k == 1 else "by",
            "faceCount": 320,
            "viewerUrl": f"https://example.org/{uid}",
            "user": {"username": "jo", "displayName": "Jo\tDoe"},
            "archives": {"glb": {"size": None if k % 2 else len(contents[uid])}},
        }
        for k, uid in enumerate(UIDS)
    }
    del annotations[UIDS[9]]
    annotations[UIDS[2]]["archives"]["glb"]["size"] = 900_000_000
    lvis = {"ball": [UIDS[0], UIDS[1], UIDS[2]], "plate": [UIDS[4]], "basketball": [UIDS[3]]}
    hub = {"object-paths.json.gz": paths, "lvis-annotations.json.gz": lvis}
    for shard in ("000-000", "000-001"):
        inside = {uid: annotations[uid] for uid in annotations if f"/{shard}/" in paths[uid]}
        hub[f"metadata/{shard}.json.gz"] = inside
    files = {name: gzip.compress(json.dumps(data).encode(), mtime=0) for name, data in hub.items()}
    files |= {paths[uid]: contents[uid] for uid in UIDS if uid != UIDS[11]}
    server.hub["allenai/objaverse"] = files
    return files


def objaverse(server: Loopback, folder: Path, **changes: Any) -> FetchResult:
    options = ObjaverseOptions(**({"endpoint": server.url} | changes))
    manifest = folder / "objects.jsonl"
    result = fetch_objaverse(options, FetchJob(folder / "cache", manifest, QUICK, LIMITS))
    write_result(result, manifest)
    return result


def test_objaverse_accepts_single_objects_and_gives_reasons_for_the_others(
    server: Loopback, tmp_path: Path
) -> None:
    serve_objaverse(server)
    result = objaverse(server, tmp_path, uids=(*UIDS, "f" * 32))
    rows = {row.id: row for row in read_objects(tmp_path / "objects.jsonl")}
    assert sorted(rows) == [UIDS[0], UIDS[1], UIDS[3]]
    for row in rows.values():
        assert isinstance(row, ObjectRow) and row.faces == 320
        verify_file(row)
    assert [(row.licence, row.family) for row in rows.values()] == [
        ("CC-BY-4.0", "ball"),
        ("CC0-1.0", "ball"),
        ("CC-BY-4.0", "basketball"),
    ]
    found = reasons(result)
    for uid, reason in [
        (UIDS[2], "is 900 MB, more than 100 (by its annotation)"),
        (UIDS[4], "is flat: its thinnest side is 0.1% of its longest"),
        (UIDS[5], "stands on a ground that is much wider than it: a scene"),
        (UIDS[6], "has 12 triangles, fewer than 100"),
        (UIDS[7], "is cut short or padded"),
        (UIDS[8], "its licence 'by-nc' is not among by, cc0"),
        (UIDS[9], "has no annotation, so its licence is unknown"),
        (UIDS[10], f"is the same, byte for byte, as {UIDS[0]}"),
        (UIDS[11], "HTTP 404"),
        ("f" * 32, "is not in Objaverse 1.0"),
    ]:
        assert reason in found[uid]
    credits = (tmp_path / "objects.jsonl.credits.tsv").read_text().splitlines()
    assert credits[1].split("\t") == [
        UIDS[0],
        "Thing 0",
        "Jo Doe",
        f"https://example.org/{UIDS[0]}",
        "CC-BY-4.0",
    ]


def test_objaverse_by_category_and_limit(server: Loopback, tmp_path: Path) -> None:
    serve_objaverse(server)
    rows = objaverse(server, tmp_path, categories=("ball", "basketball"), limit=2).rows
    assert [row.id for row in rows] == [UIDS[0], UIDS[1]]
    rows = objaverse(server, tmp_path, categories=("ball",), uids=(UIDS[1], UIDS[3]), licences=()).rows
    assert [row.id for row in rows] == [UIDS[1]]
    rows = objaverse(server, tmp_path, licences=("cc0",)).rows
    assert [row.id for row in rows] == [UIDS[1]]
    with pytest.raises(AssetError, match="'bal' is no LVIS category; there is ball, basketball"):
        objaverse(server, tmp_path, categories=("bal",))
    with pytest.raises(AssetError, match="'gpl' is not one of by, by-sa"):
        objaverse(server, tmp_path, licences=("gpl",))


def test_the_objaverse_package_finds_what_was_fetched(server: Loopback, tmp_path: Path) -> None:
    serve_objaverse(server)
    objaverse(server, tmp_path, uids=(UIDS[0],))
    import objaverse as package

    server.requests.clear()
    (path,) = package.load_objects([UIDS[0]]).values()
    assert trimesh.load(path, force="mesh").faces.shape == (320, 3) and not server.requests


def test_an_interrupted_objaverse_run_continues(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = serve_objaverse(server)
    monkeypatch.setattr("multishade.assets.fetch.objaverse.BATCH", 2)

    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        seen = {"calls": 0}

        def filling(_: object) -> object:
            seen["calls"] += 1
            return usage if seen["calls"] <= 6 else usage._replace(free=0)

        patch.setattr(shutil, "disk_usage", filling)
        stopped = objaverse(server, tmp_path, uids=tuple(UIDS))
    assert stopped.stopped is not None and "disk full" in stopped.stopped
    assert 0 < len(stopped.rows) < 3
    had = {path for path, _ in server.asked if path.endswith(".glb")}
    server.asked.clear()
    whole = objaverse(server, tmp_path, uids=tuple(UIDS))
    assert [row.id for row in whole.rows] == [UIDS[0], UIDS[1], UIDS[3]] and whole.stopped is None
    asked = {path.rpartition("/")[2] for path, _ in server.asked if path.endswith(".glb")}
    present = {Path(path).name for path in had} & {Path(row.location).name for row in stopped.rows}
    assert present and not present & asked
    assert len(files) > len(asked)


def test_a_damaged_or_missing_catalogue_is_named(server: Loopback, tmp_path: Path) -> None:
    files = serve_objaverse(server)
    whole = files["object-paths.json.gz"]
    files["object-paths.json.gz"] = whole[:-10]
    with pytest.raises(FetchError, match=r"object-paths\.json\.gz: came damaged"):
        objaverse(server, tmp_path, uids=(UIDS[0],))
    files["object-paths.json.gz"] = whole
    assert len(objaverse(server, tmp_path, uids=(UIDS[0],)).rows) == 1
    del server.hub["allenai/objaverse"]
    with pytest.raises(FetchError, match="HTTP 404"):
        objaverse(server, tmp_path / "new", uids=(UIDS[0],))
    with pytest.raises(FetchError, match="no network"):
        objaverse(server, tmp_path / "new", uids=(UIDS[0],), endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(UIDS[:2]),
        json.dumps({UIDS[0]: f"glbs/000-000/{UIDS[0]}.glb", "more": [UIDS[1]]}),
        f"{UIDS[0]}\n{UIDS[1]}\n",
        f"uid,name\n{UIDS[0]},a\n{UIDS[1]},b",
        f"glbs/000-001/{UIDS[0]}.glb\n'{UIDS[1]}'\n{UIDS[0]}\n",
    ],
)
def test_published_lists_are_read_in_their_many_forms(tmp_path: Path, text: str) -> None:
    (tmp_path / "list").write_text(text)
    assert read_uids(tmp_path / "list") == (UIDS[0], UIDS[1])


def test_a_list_without_uids_is_named(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("chair\ntable\n")
    with pytest.raises(AssetError, match="contains no uid of Objaverse"):
        read_uids(tmp_path / "list")
    (tmp_path / "list").write_text("[1, ")
    with pytest.raises(AssetError, match="is not JSON"):
        read_uids(tmp_path / "list")


def run_cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = (
        "import argparse, sys\n"
        "from multishade.cli import assets\n"
        "from multishade.errors import MultiShadeError\n"
        "parser = argparse.ArgumentParser()\n"
        "assets.add_parser(parser.add_subparsers())\n"
        "args = parser.parse_args(sys.argv[1:])\n"
        "try:\n"
        "    sys.exit(args.run(args))\n"
        "except MultiShadeError as error:\n"
        "    print('error:', error)\n"
        "    sys.exit(2)\n"
    )
    command = [sys.executable, "-c", code, "assets", "fetch", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "NO_PROXY": "127.0.0.1"}
    )


def test_the_command_line_fetches_tells_and_returns(server: Loopback, tmp_path: Path) -> None:
    serve_objaverse(server)
    server.files["/list.json"] = json.dumps([UIDS[0], UIDS[8]]).encode()
    manifest = tmp_path / "objects.jsonl"
    common = ["-o", manifest, "--cache", tmp_path / "cache", "--endpoint", server.url, "--attempts", "1"]
    done = run_cli("objaverse", *common, "--filter-list", f"{server.url}/list.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"rejected: {UIDS[8]}: its licence 'by-nc' is not among by, cc0" in done.stdout
    assert "1 usable, 1 rejected" in done.stdout
    (row,) = read_objects(manifest)
    assert row.sha256 == sha256_of_file(row.path)
    done = run_cli("objaverse", *common, "--lvis", "plate")
    assert done.returncode == 1 and "is flat" in done.stdout
    done = run_cli("polyhaven", *common[:4], "--api", "http://127.0.0.1:9", "--attempts", "1")
    assert done.returncode == 2 and "no network" in done.stdout
