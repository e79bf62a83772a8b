# SPDX-License-Identifier: Apache-2.0
"""Scanning folders: manifests of what can be rendered, reasons for the rest, licences, ids, splits, exit codes."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from multishade.assets.manifest import read_environments, read_materials, read_objects
from multishade.assets.sandbox import Limits, run_sandboxed
from multishade.assets.scanning.environments import check_environment
from multishade.assets.scanning.licences import licence_of, licences_in, normalise
from multishade.assets.scanning.names import slug, unique_ids
from multishade.assets.scanning.scan import ScanOptions, scan, write_scan
from multishade.assets.schema import ObjectRow
from multishade.assets.verify import verify_file
from multishade.errors import AssetError
from multishade.imaging.codecs import write_exr

QUICK = Limits(seconds=60, workers=2)


def run_cli(arguments: Sequence[object]) -> int:
    """`multishade assets ...`, with only this sub-command loaded."""
    import argparse

    from multishade.cli import assets

    parser = argparse.ArgumentParser()
    assets.add_parser(parser.add_subparsers())
    args = parser.parse_args(["assets", *map(str, arguments)])
    return int(args.run(args))


def make_meshes(folder: Path) -> None:
    """Two chairs, one of them twice, one lamp alone in its folder, a point cloud, a half file, a note."""
    for name, extents in (
        ("chairs/a.ply", (1, 2, 3)),
        ("chairs/b.ply", (1, 1, 3)),
        ("lamp/model.stl", (1, 1, 1)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        trimesh.creation.box(extents=extents).export(folder / name)
    shutil.copy(folder / "chairs" / "a.ply", folder / "chairs" / "copy.ply")
    trimesh.PointCloud(np.eye(3)).export(folder / "points.ply")
    (folder / "half.glb").write_bytes(trimesh.creation.box().export(file_type="glb")[:100])
    (folder / "old.dae").write_text("<COLLADA/>")
    (folder / "lamp" / "LICENSE.txt").write_text("Creative Commons Attribution 4.0 International")
    (folder / ".hidden.ply").write_text("")


def test_a_folder_of_meshes_becomes_a_manifest_and_a_list_of_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_meshes(tmp_path / "in")
    size = len(trimesh.creation.box().export(file_type="glb"))
    manifest = tmp_path / "out" / "objects.jsonl"
    assert run_cli(["scan", tmp_path / "in", "-o", manifest, "--licence", "MIT"]) == 0
    rows = {row.id: row for row in read_objects(manifest)}
    assert list(rows) == ["a", "b", "lamp"]
    assert rows["a"].location == "../in/chairs/a.ply" and rows["a"].faces == 12
    assert [row.family for row in rows.values()] == ["chairs", "chairs", "file"]
    assert [row.licence for row in rows.values()] == ["MIT", "MIT", "CC-BY-4.0"]
    for row in rows.values():
        verify_file(row)
    rejected = manifest.with_name("objects.jsonl.rejected.jsonl").read_text().splitlines()
    reasons = {Path(each["location"]).name: each["reason"] for each in map(json.loads, rejected)}
    assert reasons == {
        "copy.ply": "is the same, byte for byte, as ../in/chairs/a.ply",
        "points.ply": "has no faces (only points or lines, or nothing at all)",
        "half.glb": f"is cut short or padded: its header states {size} bytes, it has 100",
        "old.dae": "is a .dae file, which is not read; convert it to glTF",
    }
    printed = capsys.readouterr().out
    assert all(f"{name}: {reason}" in printed for name, reason in reasons.items())
    assert "3 objects usable, 4 rejected" in printed


def test_a_second_scan_writes_the_same_bytes_and_clears_old_reasons(tmp_path: Path) -> None:
    make_meshes(tmp_path / "in")
    manifest = tmp_path / "objects.jsonl"
    written = []
    for _ in range(2):
        write_scan(scan(tmp_path / "in", manifest, ScanOptions(limits=QUICK)), manifest)
        written.append(
            manifest.read_bytes() + manifest.with_name("objects.jsonl.rejected.jsonl").read_bytes()
        )
    assert written[0] == written[1]
    for name in ("points.ply", "half.glb", "old.dae", "chairs/copy.ply"):
        (tmp_path / "in" / name).unlink()
    assert write_scan(scan(tmp_path / "in", manifest, ScanOptions(limits=QUICK)), manifest) is None
    assert not manifest.with_name("objects.jsonl.rejected.jsonl").exists()


def test_nothing_usable_is_exit_code_1_and_no_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.obj").write_text("v 0 0 0\n")
    assert run_cli(["scan", tmp_path / "in", "-o", tmp_path / "objects.jsonl"]) == 1
    assert "0 objects usable, 1 rejected; no manifest written" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "objects.jsonl.rejected.jsonl"]


def test_a_folder_that_is_missing_empty_or_of_two_kinds_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    with pytest.raises(AssetError, match="there is no such folder to scan"):
        scan(tmp_path / "none", manifest, ScanOptions())
    (tmp_path / "in").mkdir()
    with pytest.raises(AssetError, match="holds no mesh file, no map set and no environment map"):
        scan(tmp_path / "in", manifest, ScanOptions())
    with pytest.raises(AssetError, match=r"holds no map sets \(image files whose names end in"):
        scan(tmp_path / "in", manifest, ScanOptions(kind="materials"))
    trimesh.creation.box().export(tmp_path / "in" / "a.stl")
    (tmp_path / "in" / "a.hdr").write_bytes(b"#?RADIANCE\n")
    with pytest.raises(AssetError, match="holds 1 objects, 1 environments; say which with --kind"):
        scan(tmp_path / "in", manifest, ScanOptions())
    assert len(scan(tmp_path / "in", manifest, ScanOptions(kind="objects", limits=QUICK)).rows) == 1


def test_the_textures_of_a_mesh_are_not_taken_for_a_material(tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / "a.stl")
    for name in ("a_color.png", "a_roughness.png"):
        Image.new("L", (8, 8), 128).save(tmp_path / name)
    assert scan(tmp_path, tmp_path / "m.jsonl", ScanOptions(limits=QUICK)).kind == "objects"


def test_links_are_followed_once_and_not_out_of_the_folder(tmp_path: Path) -> None:
    for name in ("in/real/a.stl", "far/b.stl"):
        (tmp_path / name).parent.mkdir(parents=True)
        trimesh.creation.box().export(tmp_path / name)
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "inside").symlink_to(tmp_path / "in" / "real")
    (tmp_path / "in" / "outside").symlink_to(tmp_path / "far")
    (tmp_path / "in" / "b.stl").symlink_to(tmp_path / "far" / "b.stl")
    found = scan(tmp_path / "in", tmp_path / "m.jsonl", ScanOptions(limits=QUICK))
    assert [row.location for row in found.rows] == ["in/inside/a.stl"]
    assert sorted(each.location for each in found.rejections) == ["in/b.stl", "in/outside"]
    assert all("outside of the scanned folder" in each.reason for each in found.rejections)


def test_an_unwritable_path_is_reported_before_the_work(tmp_path: Path) -> None:
    make_meshes(tmp_path / "in")
    (tmp_path / "file").write_text("")
    from multishade.errors import OutputError

    with pytest.raises(OutputError, match="is not a folder"):
        run_cli(["scan", tmp_path / "in", "-o", tmp_path / "file" / "m.jsonl"])
    with pytest.raises(OutputError, match="it is a folder"):
        run_cli(["scan", tmp_path / "in", "-o", tmp_path / "in"])


def test_a_folder_of_materials_becomes_a_manifest(tmp_path: Path) -> None:
    for name, metal in (("iron", 255), ("oak", 0)):
        (tmp_path / "in" / name).mkdir(parents=True)
        for kind, value in (("basecolor", 90), ("roughness", 128), ("metallic", metal)):
            Image.new("L", (16, 16), value).save(tmp_path / "in" / name / f"{kind}.png")
    (tmp_path / "in" / "bare").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "in" / "bare" / "roughness.png")
    manifest = tmp_path / "materials.jsonl"
    assert run_cli(["scan", tmp_path / "in", "-o", manifest, "--split", "test"]) == 0
    iron, oak = read_materials(manifest)
    assert (iron.id, iron.kind, iron.location, iron.split) == ("iron", "metallic", "in/iron", "test")
    assert (oak.id, oak.kind, oak.licence) == ("oak", "non-metallic", "unknown")
    verify_file(iron)
    (only,) = manifest.with_name("materials.jsonl.rejected.jsonl").read_text().splitlines()
    assert "in/bare" in only and "has no base colour map (found: roughness)" in only


def test_the_real_folders_are_scanned(shared_dir: Path, tmp_path: Path) -> None:
    assets = shared_dir / "assets"
    for name, count in (("meshes", 29), ("materials", 6), ("environments", 3)):
        manifest = tmp_path / f"{name}.jsonl"
        result = scan(assets / name, manifest, ScanOptions(limits=QUICK))
        assert len(result.rows) == count and not result.rejections
        assert all(row.licence != "unknown" for row in result.rows)
        write_scan(result, manifest)
    objects = {row.id: row for row in read_objects(tmp_path / "meshes.jsonl")}
    assert objects["NormalTangentTest"].licence == "CC-BY-4.0" and objects["bob_tri"].licence == "CC0-1.0"
    assert objects["koala_low_resolution"].licence == "CC-BY-3.0"
    # The guitar names a grey bump map as its normal map.
    assert objects["market_guitar_draco"].tags == ("draco", "normal-map-left-out", "unchecked")
    assert len(read_environments(tmp_path / "environments.jsonl")) == 3
    for row in objects.values():
        verify_file(row)


def test_damaged_environments_are_refused_one_by_one(shared_dir: Path, tmp_path: Path) -> None:
    for path in (shared_dir / "assets" / "broken" / "openexr").iterdir():
        (tmp_path / f"{path.name}.exr").write_bytes(path.read_bytes())
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    assert len(files) > 40
    outcomes = list(run_sandboxed(check_environment, files, Limits(seconds=30), [tmp_path]))
    assert all(outcome.reason for outcome in outcomes) and len(outcomes) == len(files)


def test_an_environment_has_to_be_equirectangular_finite_and_lit(tmp_path: Path) -> None:
    path = tmp_path / "e.exr"
    cases: list[tuple[np.ndarray, str | None]] = [
        (np.full((8, 16), 2.0), None),
        (np.full((8, 8), 2.0), "is 8 x 8; an equirectangular map is twice as wide as high"),
        (np.zeros((8, 16)), "is black"),
        (np.full((8, 16), np.inf), "has 128 pixels that are NaN or infinite"),
        (np.linspace(-1, 2, 128).reshape(8, 16), "has negative radiance"),
    ]
    for values, reason in cases:
        write_exr(path, {name: values.astype(np.float32) for name in "RGB"})
        if reason is None:
            assert check_environment(str(path)).tags == ()
        else:
            with pytest.raises(AssetError, match=reason):
                check_environment(str(path))
    write_exr(path, {"Z": np.ones((8, 16), np.float32)})
    with pytest.raises(AssetError, match=r"has no channel R \(it has Z\)"):
        check_environment(str(path))
    write_exr(path, {name: np.full((8, 16), 0.5, np.float32) for name in "RGB"})
    assert check_environment(str(path)).tags == ("clipped",)


def test_a_cut_or_false_hdr_is_refused(shared_dir: Path, tmp_path: Path) -> None:
    whole = (shared_dir / "assets" / "environments" / "venice_sunset_1k.hdr").read_bytes()
    for data, reason in ((whole[:-5000], "cut short or damaged"), (b"<html>", "is not a Radiance HDR file")):
        (tmp_path / "e.hdr").write_bytes(data)
        with pytest.raises(AssetError, match=reason):
            check_environment(str(tmp_path / "e.hdr"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CC0-1.0 (Poly Haven)", ("CC0-1.0",)),
        ("dedicated under CC0 1.0 Universal.", ("CC0-1.0",)),
        ("CC-BY-4.0 (http://creativecommons.org/licenses/by/4.0/)", ("CC-BY-4.0",)),
        ("Creative Commons Attribution 4.0 International (CC BY 4.0) license", ("CC-BY-4.0",)),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0", ("CC-BY-NC-SA-4.0",)),
        ("https://creativecommons.org/licenses/by-sa/3.0/", ("CC-BY-SA-3.0",)),
        ("Licensed under the Apache License, Version 2.0", ("Apache-2.0",)),
        ("MIT/Apache-2.0", ("Apache-2.0", "MIT")),
        ("(c) someone, CC BY", ("CC-BY",)),
        ("All rights reserved; submit your work, permitted mit Textur", ()),
    ],
)
def test_licences_are_recognised_in_text(text: str, expected: tuple[str, ...]) -> None:
    assert licences_in(text) == expected


def test_a_licence_comes_from_the_nearest_statement(tmp_path: Path) -> None:
    mesh = tmp_path / "set" / "one" / "a.glb"
    mesh.parent.mkdir(parents=True)
    mesh.write_bytes(b"")
    found = [licence_of(mesh, None, tmp_path, None), licence_of(mesh, None, tmp_path, "CC-BY-4.0")]
    (tmp_path / "LICENSE").write_text("MIT License")
    found.append(licence_of(mesh, None, tmp_path / "set", "CC-BY-4.0"))  # above the root: not ours to read
    found.append(licence_of(mesh, None, tmp_path, "CC-BY-4.0"))
    (tmp_path / "SOURCES.tsv").write_text('path\tlicence\nset/one/a.glb\tCC0-1.0 ("x)\n')
    found.append(licence_of(mesh, None, tmp_path, None))
    found.append(licence_of(mesh, "Copyright me, CC-BY 4.0", tmp_path, None))
    assert found == ["unknown", "CC-BY-4.0", "CC-BY-4.0", "MIT", "CC0-1.0", "CC-BY-4.0"]
    other = tmp_path / "two" / "b.glb"
    other.parent.mkdir()
    (other.parent / "README.md").write_text("Mesh: CC BY 4.0. Code: MIT License.")
    assert (
        licence_of(other, None, other.parent, None) == "unknown"
    )  # two licences: it does not say which is whose
    assert normalise("by-nc") == "CC-BY-NC-4.0" and normalise(" my own \n terms ") == "my own terms"


@given(st.lists(st.text(min_size=1, max_size=12), max_size=12, unique=True))
def test_ids_are_unique_and_without_dots(paths: list[str]) -> None:
    ids = unique_ids(paths)
    assert len({name.lower() for name in ids}) == len(paths)
    for name in ids:
        ObjectRow.model_validate(
            {
                "id": name,
                "source": "builtin",
                "location": "blob/1",
                "licence": "x",
                "split": "train",
                "family": "blob",
            }
        )


def test_ids_are_as_short_as_they_can_be() -> None:
    assert unique_ids(["a/x", "b/x", "b/y", "c/model", "Café/No. 5"]) == ["a-x", "b-x", "y", "c", "No-5"]
    assert unique_ids(["a/x", "A/X", "a.x", "a x"]) == ["a-x-1", "A-X-2", "a-x-3", "a-x-4"]
    assert slug("Ünïcode ❤ name.v2") == "Unicode-name-v2"


def test_the_automatic_split_follows_the_content(tmp_path: Path) -> None:
    for size in range(1, 40):
        trimesh.creation.box(extents=(1, 1, size / 10)).export(tmp_path / f"{size:02d}.stl")
    options = ScanOptions(split="auto", limits=QUICK)
    split = {row.sha256: row.split for row in scan(tmp_path, tmp_path / "m.jsonl", options).rows}
    assert {"train", "val", "test"} >= set(split.values()) and list(split.values()).count("train") >= 28
    (tmp_path / "other").mkdir()
    os.rename(tmp_path / "07.stl", tmp_path / "other" / "z.stl")
    again = scan(tmp_path / "other", tmp_path / "m.jsonl", options).rows
    assert {row.sha256: row.split for row in again}.items() <= split.items()
