# SPDX-License-Identifier: Apache-2.0
"""Real models, materials, environments: scanned, rendered, inspected. Needs the assets beside the repository."""

import json
from pathlib import Path

import pytest

from multishade.cli import main
from multishade.cli.inspect import main as inspect
from multishade.shards.sample import decode_sample
from multishade.shards.tar import read_shard

pytestmark = [pytest.mark.blender, pytest.mark.usefixtures("one_process")]

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
SMALL = [
    "--set=camera={width: 64, height: 64}",
    "--set=views={count: 1, canonical: [front]}",
    "--set=objects.rotation=none",
    "--set=render.samples={parallel: 16, point: 16, environment: 16, mixed: 16, shading: 16}",
]


@pytest.fixture(scope="module")
def manifests(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manifests")
    for kind, place in (("objects", "meshes"), ("materials", "materials"), ("environments", "environments")):
        source, target = shared_dir / "assets" / place, folder / f"{kind}.jsonl"
        assert main(["assets", "scan", str(source), "-o", str(target), "--kind", kind]) == 0
    return folder


def test_every_real_model_renders_in_its_own_and_in_other_materials(manifests: Path, tmp_path: Path) -> None:
    count = len((manifests / "objects.jsonl").read_text().splitlines())
    sources = [
        f"--set=sources.{kind}={manifests / kind}.jsonl" for kind in ("objects", "materials", "environments")
    ]
    command = ["render", str(DEMO), *SMALL, *sources, f"--set=shards.groups={count}", "-o", str(tmp_path)]
    assert main([*command, "--shards", "0", "--workers", "1", "--cpus-per-worker", "2"]) == 0
    shard = tmp_path / "multishade-000000.tar"
    metas = [json.loads(files["meta.json"]) for _, files in read_shard(shard)]
    assert len({meta["object"]["id"] for meta in metas}) == count
    assert {meta["material"]["kind"] for meta in metas} == {"own", "metallic", "non-metallic"}
    assert inspect([str(shard)]) == 0


def test_the_shape_that_an_importer_draws_bones_with_is_no_part_of_the_object(
    manifests: Path, tmp_path: Path
) -> None:
    rows = (manifests / "objects.jsonl").read_text().splitlines()
    skinned = next(json.loads(row) for row in rows if "CesiumMan" in row)
    skinned["location"] = str((manifests / skinned["location"]).resolve())
    only = tmp_path / "only.jsonl"
    only.write_text(json.dumps(skinned) + "\n")
    sources = [
        f"--set=sources.objects={only}",
        f"--set=sources.environments={manifests / 'environments.jsonl'}",
    ]
    command = ["render", str(DEMO), *SMALL, *sources, "--set=shards.groups=1", "-o", str(tmp_path / "out")]
    assert main([*command, "--shards", "0", "--workers", "1"]) == 0
    sample = decode_sample(*next(iter(read_shard(tmp_path / "out" / "multishade-000000.tar"))))
    # A walking man seen from the front is much taller than wide; with the bones' ball he would be neither.
    rows_hit, columns_hit = sample.mask.any(axis=1).sum(), sample.mask.any(axis=0).sum()
    assert rows_hit > 1.5 * columns_hit
