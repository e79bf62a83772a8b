# SPDX-License-Identifier: Apache-2.0
"""A folder of shards -> card, preview, Croissant file and Energon index, read back by other readers."""

import hashlib
import json
import re
import sqlite3
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from multishade import Dataset
from multishade.config import Config
from multishade.errors import ShardError
from multishade.publish.card import literal, size_category, size_text
from multishade.publish.contents import survey
from multishade.publish.croissant import croissant
from multishade.publish.energon import write_index
from multishade.publish.preview import spread_keys, write_preview
from multishade.publish.write import CardOptions, write_card
from multishade.shards.record import DatasetRecord, open_dataset
from tests.support.synthetic import make_sample, with_meta, write_synthetic_shard

HOSTILE = "<img src=x onerror=alert(1)>|`*[x](javascript:y)"
ENVIRONMENTS = """\
{"id": "sky", "source": "builtin", "location": "city.exr", "licence": "CC0-1.0", "split": "train"}
{"id": "sunset", "source": "builtin", "location": "sunset.exr", "licence": "CC-BY-4.0", "split": "train"}
"""


def make_folder(folder: Path, hostile: bool = False, environments: bool = True) -> Path:
    """Two shards of two groups of two views, and their dataset.json."""
    folder.mkdir()
    manifest = folder.parent / "environments.jsonl"
    if environments:
        manifest.write_text(ENVIRONMENTS)
        credits = (
            "id\ttitle\tauthor\tlink\tlicence\nsunset\tA sunset\tA. Uthor\thttps://example.org/s\tCC-BY-4.0\n"
        )
        manifest.with_name("environments.jsonl.credits.tsv").write_text(credits)
    config = Config.model_validate(
        {
            "name": "spheres",
            "seed": 1,
            "sources": {"objects": ["o.jsonl"], "environments": [str(manifest)]},
            "materials": {"own": 1, "metallic": 0, "non_metallic": 0},
            "views": {"count": 2},
            "shards": {"count": 2, "groups": 2},
        }
    )
    plan = {"shards": 2, "samples": 8, "images": 32, "sources": config.sources.model_dump(mode="json")}
    from multishade.config import fingerprint_fields

    open_dataset(folder, DatasetRecord(fingerprint_fields(config), {"objects/0": "0" * 64}, plan))
    for shard in range(2):
        samples = []
        for group in range(2):
            for view in range(2):
                sample = make_sample(f"s{shard:06d}-g{group:04d}-v{view}", size=32)
                name = HOSTILE if hostile else f"sphere-{group}"
                samples.append(with_meta(sample, "object", id=name, licence="CC-BY-3.0"))
        write_synthetic_shard(folder / f"multishade-{shard:06d}.tar", samples)
    return folder


@pytest.fixture(scope="module")
def carded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("card") / "data")
    write_card(folder, CardOptions(preview=5))
    return folder


def header(folder: Path) -> dict[str, Any]:
    text = (folder / "README.md").read_text()
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_the_card_names_the_licence_that_follows_from_all_assets(carded: Path) -> None:
    assert header(carded)["license"] == "cc-by-4.0", "the sunset's, which no sample's meta.json states"
    text = (carded / "README.md").read_text()
    assert "| environment | sunset | CC-BY-4.0 | 8 | A sunset | A. Uthor | https://example.org/s |" in text
    assert "| object | sphere-1 | CC-BY-3.0 | 4 |" in text


def test_the_card_has_the_names_that_hubs_search_by(carded: Path) -> None:
    found = header(carded)
    assert found["annotations_creators"] == ["machine-generated"]
    assert found["size_categories"] == ["n<1K"]
    assert found["configs"][0]["config_name"] == "preview"
    assert "normal-estimation" in found["tags"]


def test_the_card_states_that_the_manifests_were_not_there(carded: Path) -> None:
    assert re.search(r"Not compared with the manifests: .*o\.jsonl", (carded / "README.md").read_text())


def test_a_preview_of_an_earlier_call_is_removed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data")
    write_card(folder, CardOptions(preview=1))
    assert list(folder.glob("preview/*.parquet"))
    write_card(folder, CardOptions(preview=0))
    assert not list(folder.glob("preview/*.parquet"))


def test_pictures_of_the_card_exist(carded: Path) -> None:
    text = (carded / "README.md").read_text()
    names = [part.split(")")[0] for part in text.split("](")[1:] if part.startswith("card/")]
    assert "card/normals.png" in names
    assert all((carded / name).is_file() for name in names)


def test_without_the_manifest_an_environment_has_no_known_licence(tmp_path: Path) -> None:
    found = survey(make_folder(tmp_path / "data", environments=False))
    assert found.licence.hub == "other"
    assert any("sky, sunset" in note for note in found.notes)


def test_names_from_shards_are_not_interpreted(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data", hostile=True)
    write_card(folder, CardOptions(preview=0))
    text = (folder / "README.md").read_text()
    assert "\\<img src=x onerror=alert\\(1\\)\\>" in text
    assert "<img" not in text.replace("\\<img", "")
    assert header(folder)["configs"][0]["data_files"] == [{"split": "train", "path": "*.tar"}]


def test_the_preview_is_read_by_datasets(carded: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.load_dataset(
        str(carded), "preview", split="train", cache_dir=str(carded.parent / "cache")
    )
    assert len(rows) == 5
    row = rows[0]
    assert row["image"].size == (32, 32) and row["shading"].size == (96, 32)
    sample = Dataset(carded)[row["key"]]
    normal = np.asarray(row["normal"], np.float32)[16, 16] / 255 * 2 - 1
    assert np.abs(normal - sample.normal[16, 16]).max() < 0.1, "JPEG of n / 2 + 1/2"


def test_croissant_states_the_hash_of_each_file(carded: Path) -> None:
    content = json.loads((carded / "croissant.json").read_text())
    files = {entry["name"]: entry for entry in content["distribution"] if entry["@type"] == "cr:FileObject"}
    assert set(files) == {
        "multishade-000000.tar",
        "multishade-000001.tar",
        "preview/train-00000-of-00001.parquet",
    }
    for name, entry in files.items():
        assert entry["sha256"] == hashlib.sha256((carded / name).read_bytes()).hexdigest()
    name = "preview/train-00000-of-00001.parquet"
    assert content == croissant(survey(carded), (name, (carded / name).read_bytes()))


def test_the_energon_index_points_at_the_members(carded: Path) -> None:
    with sqlite3.connect(carded / ".nv-meta/index.sqlite") as database:
        rows = database.execute(
            "SELECT tar_file_id, sample_key, byte_offset, byte_size FROM samples"
        ).fetchall()
        parts = database.execute("SELECT * FROM sample_parts WHERE part_name = 'meta.json'").fetchall()
    assert len(rows) == len(parts) == 8
    for shard in range(2):
        path = carded / f"multishade-{shard:06d}.tar"
        data = path.read_bytes()
        with tarfile.open(path) as tar:
            starts = [member.offset for member in tar if member.name.endswith("image_parallel.exr")]
            end = tar.offset
        index = (path.parent / f"{path.name}.idx").read_bytes()
        assert list(struct.unpack(f"<{len(index) // 8}Q", index)) == [*starts, end]
        mine = [row for row in rows if row[0] == shard]
        assert [row[2] for row in mine] == starts and mine[-1][2] + mine[-1][3] == end
        for _, number, _, offset, size in (part for part in parts if part[0] == shard):
            assert json.loads(data[offset : offset + size])["key"] == mine[number][1]
    split = yaml.safe_load((carded / ".nv-meta/split.yaml").read_text())["split_parts"]
    assert split == {"train": ["multishade-000000.tar", "multishade-000001.tar"], "val": [], "test": []}


def test_a_key_in_two_shards_is_refused(tmp_path: Path) -> None:
    found = survey(make_folder(tmp_path / "data"))
    with pytest.raises(ShardError, match="occurs in two shards"):
        write_index(tmp_path / "data", [found.shards[0], found.shards[0]], "train")


def test_shards_are_not_touched(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_card(folder, CardOptions(preview=1))
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"dataset\.json"):
        write_card(tmp_path)


def test_equal_data_give_an_equal_preview(carded: Path, tmp_path: Path) -> None:
    data = Dataset(carded)
    for name in ("a.parquet", "b.parquet"):
        write_preview(tmp_path / name, data, spread_keys(list(data), 3))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_sizes() -> None:
    assert [size_category(count) for count in (999, 1000, 64_000, 5_000_000)] == [
        "n<1K",
        "1K<n<10K",
        "10K<n<100K",
        "1M<n<10M",
    ]
    assert size_text(5_300_000) == "5.3 MB" and size_text(12) == "12 bytes"
    assert literal("a_b-c 1.0") == "a_b-c 1.0" and literal("<b>\n*") == "\\<b\\> \\*"
