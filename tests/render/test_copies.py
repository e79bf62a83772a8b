# SPDX-License-Identifier: Apache-2.0
"""Blender reads PNG and JPEG in place and copies of all else; meta names the environment itself."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from multishade.assets.manifest import write_rows
from multishade.assets.scanning.scan import ScanOptions, scan
from multishade.cli import main
from multishade.config import load_config
from multishade.errors import AssetError
from multishade.imaging.blender_formats import CopyTask
from multishade.imaging.read import read_image
from multishade.render.copies import Copier, copy_here, forget_old_copies, readable_views
from multishade.render.plan import Plan, PlannedGroup, make_plan
from multishade.shards.sample import decode_sample
from multishade.shards.tar import read_shard
from tests.support import case_maps

pytestmark = pytest.mark.usefixtures("one_process")

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
SUN = (20, 100)  # the row and column of a map of 64 x 128


def write_sky(path: Path, negative: float = 1.0, extra: bool = False) -> Path:
    image = np.ones((64, 128), np.float32)
    image[SUN[0] - 1 : SUN[0] + 2, SUN[1] - 1 : SUN[1] + 2] = 300.0
    image[SUN[0] - 3, SUN[1] - 3 : SUN[1] + 4] = negative
    return case_maps.write_exr(path, {name: image for name in ("R", "G", "B", *(("AO.Y",) if extra else ()))})


def plan_of(folder: Path, *overrides: str) -> Plan:
    rows = scan(
        folder, folder / "environments.jsonl", ScanOptions(kind="environments", licence="CC0-1.0")
    ).rows
    write_rows(folder / "environments.jsonl", rows)
    return make_plan(load_config(DEMO, [f"sources.environments=[{folder}/environments.jsonl]", *overrides]))


def used(group: PlannedGroup, copies: Path, copier: Copier = copy_here) -> set[Path]:
    copies.mkdir(exist_ok=True)
    lights = [light for view in readable_views(group, copies, copier) for light in view.lights]
    return {Path(light.environment) for light in lights if light.environment}


def test_a_sound_environment_is_copied_as_it_is(tmp_path: Path) -> None:
    sky = write_sky(tmp_path / "sky.exr")
    (copy,) = used(plan_of(tmp_path).group(0, 0), tmp_path / "copies")
    assert copy.parent == tmp_path / "copies"
    np.testing.assert_array_equal(read_image(copy).pixels, read_image(sky).pixels)


def test_copies_that_were_used_longest_ago_are_forgotten(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"x" * 100)
        os.utime(tmp_path / f"{number}.png", ns=(number, number))
    forget_old_copies(tmp_path, most=250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.png", "3.png"]


def test_a_repaired_copy_has_no_negatives_and_is_made_once(tmp_path: Path) -> None:
    write_sky(tmp_path / "sky.exr", -40.0)
    plan = plan_of(tmp_path)
    (copy,) = used(plan.group(0, 0), tmp_path / "copies")
    original, repaired = read_image(tmp_path / "sky.exr").pixels, read_image(copy).pixels
    np.testing.assert_array_equal(repaired, np.maximum(original, 0))

    def again(task: CopyTask) -> str:
        raise AssertionError("it is made again")

    assert used(plan.group(0, 1), tmp_path / "copies", again) == {copy}


def test_ambient_light_is_read_from_the_copy_too(tmp_path: Path) -> None:
    sky = write_sky(tmp_path / "sky.exr", -40.0)
    group = plan_of(tmp_path).group(0, 0)
    light = next(light for light in group.views[0].lights if light.environment)
    view = group.views[0]
    view = dataclasses.replace(view, sequence=dataclasses.replace(view.sequence, ambient=light))
    (tmp_path / "copies").mkdir()
    (changed,) = readable_views(dataclasses.replace(group, views=(view,)), tmp_path / "copies")
    assert changed.sequence.ambient is not None and changed.sequence.ambient.environment != str(sky)


def test_a_file_that_is_damaged_since_it_was_scanned_is_an_asset_error(tmp_path: Path) -> None:
    sky = write_sky(tmp_path / "sky.exr", -40.0)
    group = plan_of(tmp_path).group(0, 0)
    sky.write_bytes(sky.read_bytes()[:200])
    with pytest.raises(AssetError, match=r"sky\.exr"):
        used(group, tmp_path / "copies")


@pytest.mark.blender
def test_a_map_set_with_layers_and_a_sky_with_ringing_are_rendered(tmp_path: Path) -> None:
    for name in ("materials", "environments"):
        (tmp_path / name).mkdir()
    case_maps.layered_exr_set(tmp_path / "materials")
    write_sky(tmp_path / "environments" / "ringing.exr", -40.0, extra=True)
    sources = []
    for kind in ("materials", "environments"):
        manifest = tmp_path / kind / "m.jsonl"
        arguments = ["--kind", kind, "--licence", "CC0-1.0"]
        assert main(["assets", "scan", str(manifest.parent), "-o", str(manifest), *arguments]) == 0
        sources.append(f"--set=sources.{kind}=[{manifest}]")
    small = [
        "--set=camera={width: 48, height: 48}",
        "--set=views={count: 1, canonical: [front]}",
        "--set=materials={own: 0, metallic: 0, non_metallic: 1}",
        "--set=render.samples={parallel: 4, point: 4, environment: 8, mixed: 4, shading: 4}",
        "--set=shards.groups=1",
    ]
    command = ["render", str(DEMO), *small, *sources, "-o", str(tmp_path / "out"), "--shards", "0"]
    assert main([*command, "--workers", "1"]) == 0
    key, files = next(iter(read_shard(tmp_path / "out" / "multishade-000000.tar")))
    meta = json.loads(files["meta.json"])
    assert meta["lights"]["image_env0"]["environment"] == "ringing"
    assert meta["material"]["id"] == "materials"
    sample = decode_sample(key, files)
    assert sample.images["image_env0"][sample.mask].mean() > 0.05
