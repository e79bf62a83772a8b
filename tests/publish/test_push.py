# SPDX-License-Identifier: Apache-2.0
"""Uploads to a Hub on the loopback, through the real client: repository, LFS batches, storage, commits."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from multishade.errors import ShardError
from multishade.publish.push import COMMIT_BYTES, PushedFile, _batches, files_to_push
from multishade.storage.store import open_file
from tests.support.loopback import Loopback, loopback
from tests.support.synthetic import make_sample, write_synthetic_shard

CARD = """---
configs:
- config_name: preview
  data_files:
  - split: train
    path: preview/*.parquet
---
# synthetic
"""
READ = """
import datasets, sys
rows = datasets.load_dataset("webdataset", data_files={"train": "hf://datasets/user/spheres/*.tar"}, split="train",
  streaming=True)
for row in rows:
    print(row["__key__"], len(row["normal.exr"]), row["meta.json"]["object"]["id"])
"""


@pytest.fixture
def hub() -> Iterator[Loopback]:
    with loopback() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    for shard in range(3):
        samples = [make_sample(f"s{shard:06d}-g0000-v{view}", size=24) for view in range(2)]
        write_synthetic_shard(data / f"multishade-{shard:06d}.tar", samples)
    described = [
        {
            "name": tar.name,
            "sha256": sha256(tar.read_bytes()).hexdigest(),
            "encodingFormat": "application/x-tar",
        }
        for tar in sorted(data.glob("*.tar"))
    ]
    croissant = json.dumps({"distribution": described})
    for name, text in (("README.md", CARD), ("dataset.json", "{}"), ("croissant.json", croissant)):
        (data / name).write_text(text)
    return data


def run(hub: Loopback, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the client reads where the Hub is when it is imported."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": os.environ["TEST_HF_HOME"],
        "HF_TOKEN": "hf_test",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=240
    )


def push(hub: Loopback, folder: Path) -> subprocess.CompletedProcess[str]:
    return run(hub, "-m", "multishade", "push", str(folder), "user/spheres")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HF_HOME", str(tmp_path / "hf"))


def test_an_upload_that_breaks_off_is_continued_and_read_back_as_a_stream(
    hub: Loopback, folder: Path
) -> None:
    hub.uploads.refuse_after = 1
    broken = push(hub, folder)
    assert broken.returncode == 2 and "run the command again" in broken.stderr, broken.stderr
    assert "Traceback" not in broken.stderr
    hub.uploads.refuse_after = None

    pushed = push(hub, folder)
    assert pushed.returncode == 0, pushed.stderr
    content = hub.hub["user/spheres"]
    assert {name: content[name] for name in content} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert len(hub.uploads.stored) == len(set(hub.uploads.stored)), "an object was sent twice"

    again = push(hub, folder)
    assert again.returncode == 0 and "0 files sent" in again.stdout, again.stdout + again.stderr

    (folder / "README.md").write_text(CARD + "changed\n")
    changed = push(hub, folder)
    assert "1 files sent" in changed.stdout and content["README.md"].endswith(b"changed\n")

    read = run(hub, "-c", READ)
    assert read.returncode == 0, read.stderr
    assert [line.split()[0] for line in read.stdout.splitlines()] == [
        f"s{shard:06d}-g0000-v{view}" for shard in range(3) for view in range(2)
    ]
    assert "sphere" in read.stdout


def test_the_card_comes_last_and_each_shard_with_its_marker(folder: Path) -> None:
    names = [file.name for file in files_to_push(folder)]
    assert names[:2] == ["multishade-000000.tar", "multishade-000000.json"]
    assert names[-1] == "README.md"


def test_a_folder_without_a_card_or_with_an_unfinished_shard_is_refused(folder: Path) -> None:
    (folder / "multishade-000002.json").unlink()
    with pytest.raises(ShardError, match="is not finished"):
        files_to_push(folder)
    (folder / "multishade-000002.tar").unlink()
    (folder / "croissant.json").unlink()
    with pytest.raises(ShardError, match="multishade card"):
        files_to_push(folder)


def test_a_card_of_other_shards_is_refused(folder: Path) -> None:
    write_synthetic_shard(folder / "multishade-000003.tar", [make_sample("s000003-g0000-v0", size=24)])
    with pytest.raises(ShardError, match="written for other shards"):
        files_to_push(folder)
    (folder / "croissant.json").write_text("[]")
    with pytest.raises(ShardError, match="is no Croissant file"):
        files_to_push(folder)


def test_commits_stay_small(tmp_path: Path) -> None:
    file = open_file(tmp_path / "a")
    files = [PushedFile(file, str(number), COMMIT_BYTES // 4) for number in range(9)]
    assert [len(batch) for batch in _batches(files)] == [4, 4, 1]
    files = [PushedFile(file, str(number), 1) for number in range(130)]
    assert [len(batch) for batch in _batches(files)] == [64, 64, 2]
