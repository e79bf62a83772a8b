# SPDX-License-Identifier: Apache-2.0
"""The markers of a data set -> the index that Megatron-Energon reads: `.nv-meta/` and a `.tar.idx` beside each tar.

Written from the positions in the markers, without reading the tars. Versions 5 to 7 open it without `energon prepare`:
`.info.yaml` serves version 5 and 6, `.info.json` and `index.sqlite` version 7.
"""

import contextlib
import json
import sqlite3
import struct
import uuid
from collections.abc import Sequence
from pathlib import Path

import yaml

from multishade.errors import ShardError
from multishade.shards.index import BLOCK, Members, end_of, find_members
from multishade.shards.marker import Marker
from multishade.storage.local import atomic_file, write_text
from multishade.storage.store import StoredFile

FOLDER = ".nv-meta"
INDEX_SUFFIX = ".idx"
SPLITS = ("train", "val", "test")
# The types of version 7.4; later versions read them too.
_TABLES = """
CREATE TABLE samples (tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, sample_index INTEGER NOT NULL,
  byte_offset INTEGER, byte_size INTEGER);
CREATE TABLE sample_parts (tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, content_byte_offset INTEGER,
  content_byte_size INTEGER);
"""
_INDEXES = """
CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index);
CREATE INDEX idx_sample_parts_seq ON sample_parts(tar_file_id, sample_index, content_byte_offset);
CREATE INDEX idx_sample_parts_full ON sample_parts(tar_file_id, sample_index, part_name, content_byte_offset,
  content_byte_size);
"""


def write_index(folder: Path, shards: Sequence[tuple[StoredFile, Marker]], split: str) -> list[Path]:
    """Write `.nv-meta/` and the `.tar.idx` files. Equal data sets give equal files but for the SQLite file's bytes.

    Args:
        folder: The data set.
        shards: Its tars with their markers, in order; they lie directly in the folder.
        split: The split that all of them belong to: train, val or test.

    Returns:
        The files.

    Raises:
        ShardError: If a key occurs twice, a tar has no positions and cannot be walked, or a file cannot be written.
    """
    members = [marker.members or find_members(file) for file, marker in shards]
    names = [file.name for file, _ in shards]
    meta = folder / FOLDER
    meta.mkdir(exist_ok=True)
    counts = {"shard_counts": {name: len(found.keys) for name, found in zip(names, members, strict=True)}}
    parts = {each: names if each == split else [] for each in SPLITS}
    texts = {
        ".info.json": json.dumps(counts, indent=2) + "\n",
        ".info.yaml": yaml.safe_dump(counts),
        "split.yaml": yaml.safe_dump({"split_parts": parts, "exclude": []}),
        "dataset.yaml": yaml.safe_dump({"__module__": "megatron.energon", "__class__": "CrudeWebdataset"}),
    }
    for name, text in texts.items():
        write_text(meta / name, text)
    _write_database(meta / "index.sqlite", names, members)
    digest = "".join(marker.sha256 for _, marker in shards)
    write_text(meta / "index.uuid", str(uuid.uuid5(uuid.NAMESPACE_URL, digest)))
    indexes = []
    for name, found in zip(names, members, strict=True):
        path = folder / f"{name}{INDEX_SUFFIX}"
        starts = [int(offset) - BLOCK for offset in found.offsets[:, 0]]
        with atomic_file(path) as stream:
            stream.write(struct.pack(f"<{len(starts) + 1}Q", *starts, _end(found, len(starts) - 1)))
        indexes.append(path)
    return [meta / name for name in (*texts, "index.sqlite", "index.uuid")] + indexes


def _end(members: Members, row: int) -> int:
    """The byte after the last file of a sample."""
    return end_of(int(members.offsets[row, -1]), int(members.sizes[row, -1]))


def _write_database(path: Path, names: Sequence[str], members: Sequence[Members]) -> None:
    """Position of each sample and each of its files; a new file replaces an old one in one step."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(temporary)) as database:
            database.executescript(_TABLES)
            for number, found in enumerate(members):
                rows = range(len(found.keys))
                starts = [int(offset) - BLOCK for offset in found.offsets[:, 0]]
                database.executemany(
                    "INSERT INTO samples VALUES (?, ?, ?, ?, ?)",
                    ((number, found.keys[i], i, starts[i], _end(found, i) - starts[i]) for i in rows),
                )
                database.executemany(
                    "INSERT INTO sample_parts VALUES (?, ?, ?, ?, ?)",
                    (
                        (number, i, field, int(found.offsets[i, k]), int(found.sizes[i, k]))
                        for i in rows
                        for k, field in enumerate(found.fields)
                    ),
                )
            database.executescript(_INDEXES)
            database.commit()
        temporary.replace(path)
    except sqlite3.IntegrityError as error:
        raise ShardError(
            f"{path}: a key occurs in two shards ({error}); check them with multishade-inspect"
        ) from error
    except (sqlite3.Error, OSError) as error:
        raise ShardError(
            f"{path}: cannot be written ({error}); free space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
