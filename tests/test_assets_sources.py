# SPDX-License-Identifier: Apache-2.0
"""The remote sources against servers that speak as the real ones do: manifests, resumption, and each way to fail."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import trimesh
from loopback import Loopback, loopback

from multishade.assets.fetch.download import FetchError, Policy
from multishade.assets.fetch.http import fetch_http, read_list
from multishade.assets.fetch.ingest import FetchResult, write_result
from multishade.assets.fetch.objaverse import ObjaverseOptions, fetch_objaverse, read_uids
from multishade.assets.fetch.polyhaven import PolyHavenOptions, fetch_polyhaven
from multishade.assets.guard import Limits
from multishade.assets.hashing import sha256_of_file
from multishade.assets.scan import ScanOptions
from multishade.assets.triage import TriageRules, judge_parts, triage_object
from multishade.errors import AssetError, ManifestError
from multishade.manifest import (
    EnvironmentRow,
    MaterialRow,
    ObjectRow,
    read_environments,
    read_objects,
    verify_file,
)

QUICK = Policy(workers=4, attempts=2, first_wait=0.01, failures_in_a_row=3)
LIMITS = Limits(seconds=60, workers=1)
UIDS = [f"{number:032x}" for number in range(1, 13)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with loopback() as running:
        yield running


def glb(*meshes: trimesh.Trimesh) -> bytes:
    scene = trimesh.Scene()
    for number, mesh in enumerate(meshes):
        scene.add_geometry(mesh, geom_name=f"m{number}", node_name=f"n{number}")
    return bytes(scene.export(file_type="glb"))


def ball(
    radius: float = 1.0, at: tuple[float, float, float] = (0, 0, 0), subdivisions: int = 2
) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return mesh.apply_translation(at)


def hdr(brightness: float, size: int = 16) -> bytes:
    ramp = np.linspace(0.1, brightness, size * 2 * size, dtype=np.float32).reshape(size, 2 * size, 1)
    done, data = cv2.imencode(".hdr", np.repeat(ramp, 3, axis=2))
    assert done
    return data.tobytes()


def reasons(result: FetchResult) -> dict[str, str]:
    return {each.name: each.reason for each in result.rejected}


# Poly Haven


def serve_hdris(server: Loopback) -> None:
    names = ["forest", "night_sky", "studio"]
    assets = {name: {"name": name, "type": 0, "categories": ["outdoor", name]} for name in names}
    contents = {name: {"1k hdr": hdr(3.0 + k), "2k hdr": hdr(3.0 + k, 32)} for k, name in enumerate(names)}
    server.serve_polyhaven(assets, contents)


def polyhaven(server: Loopback, folder: Path, **changes: Any) -> FetchResult:
    options = PolyHavenOptions(**({"resolution": "1k", "api": server.url} | changes))
    manifest = folder / "environments.jsonl"
    result = fetch_polyhaven(options, folder / "cache", manifest, QUICK, LIMITS)
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


def test_polyhaven_again_fetches_nothing_again_and_says_the_same(server: Loopback, tmp_path: Path) -> None:
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


def test_polyhaven_reports_each_file_that_cannot_be_had(server: Loopback, tmp_path: Path) -> None:
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


def test_polyhaven_that_answers_otherwise_is_named(server: Loopback, tmp_path: Path) -> None:
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
    result = fetch_http(list_path, folder / "cache", manifest, QUICK, options)
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
    assert "is no zip archive" in reasons(result)["bad.zip"]
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


def test_a_list_of_which_nothing_comes_says_why(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{server.url}/a.glb\n")
    with pytest.raises(FetchError, match=r"nothing of .*list\.txt came; the first reason: .*HTTP 404"):
        http(tmp_path / "list.txt", tmp_path)
    with pytest.raises(ManifestError, match="cannot be read"):
        http(tmp_path / "none.txt", tmp_path)


# Objaverse


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
    result = fetch_objaverse(options, folder / "cache", manifest, QUICK, LIMITS)
    write_result(result, manifest)
    return result


def test_objaverse_keeps_single_objects_and_says_why_not_the_others(server: Loopback, tmp_path: Path) -> None:
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


def test_an_interrupted_objaverse_run_goes_on(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = serve_objaverse(server)
    monkeypatch.setattr("multishade.assets.fetch.objaverse.BATCH", 2)
    import shutil

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
    with pytest.raises(AssetError, match="holds no uid of Objaverse"):
        read_uids(tmp_path / "list")
    (tmp_path / "list").write_text("[1, ")
    with pytest.raises(AssetError, match="is not JSON"):
        read_uids(tmp_path / "list")


# Triage


def boxes(*parts: tuple[tuple[float, float, float], tuple[float, float, float]]) -> np.ndarray:
    return np.array(parts, np.float64)


def test_a_table_is_an_object_and_a_chair_on_a_floor_is_a_scene() -> None:
    top, leg = ((-1.0, 0.95, -1.0), (1.0, 1.0, 1.0)), ((-0.9, 0.0, -0.9), (-0.8, 0.95, -0.8))
    floor = ((-9.0, 0.0, -9.0), (9.0, 0.01, 9.0))
    assert judge_parts(boxes(top, leg), TriageRules()) is None
    assert (
        judge_parts(boxes(top, leg, ((-1.1, 0.0, -1.1), (1.1, 0.01, 1.1))), TriageRules()) is None
    )  # on a rug
    assert "a scene" in (judge_parts(boxes(top, leg, floor), TriageRules()) or "")
    assert judge_parts(boxes(floor), TriageRules()) is None  # flatness is judged by itself


def test_many_or_scattered_parts_are_a_scene(rng: np.random.Generator) -> None:
    low = rng.uniform(-50, 50, (20, 3))
    scattered = np.stack([low, low + 1], axis=1)
    assert "small parts far apart" in (judge_parts(scattered, TriageRules()) or "")
    assert judge_parts(scattered[:5], TriageRules()) is None
    together = np.stack([low / 100, low / 100 + 1], axis=1)
    assert judge_parts(together, TriageRules()) is None
    many = np.tile(together, (20, 1, 1))
    assert "has 400 parts, more than 256" in (judge_parts(many, TriageRules()) or "")


def test_real_models_pass_the_triage(shared_dir: Path) -> None:
    meshes = shared_dir / "assets" / "meshes"
    for name in (
        "armchair/armchair.gltf",
        "tea_set_01_1k/tea_set_01_1k.gltf",
        "wooden_table_02_1k/wooden_table_02_1k.gltf",
    ):
        assert triage_object((str(meshes / name), TriageRules())).faces
    with pytest.raises(AssetError, match="has 61 triangles, fewer than 100"):
        triage_object((str(meshes / "AlphaBlendModeTest" / "AlphaBlendModeTest.glb"), TriageRules()))


# The command line


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
