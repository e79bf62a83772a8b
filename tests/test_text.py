# SPDX-License-Identifier: Apache-2.0
"""Text of any editor is read to the same letters; what is no text is named with its line and column."""

from pathlib import Path

import pytest

from multishade.assets.manifest import read_objects
from multishade.config.load import load_config
from multishade.errors import ConfigError, ManifestError, SolveError
from multishade.evaluation.readers.folder import _camera
from multishade.geometry.lights import read_directions
from multishade.text import read_lines, read_text

WORDS = "grün\n日本\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_every_marked_encoding_and_line_end_gives_the_same_text(
    tmp_path: Path, encoding: str, ends: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(WORDS.replace("\n", ends).encode(encoding))
    assert read_text(path, SolveError) == WORDS
    assert read_lines(path, SolveError) == ["grün", "日本", ""]


def test_big_endian_by_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xfe\xff" + WORDS.encode("utf-16-be"))
    assert read_text(tmp_path / "a.txt", SolveError) == WORDS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("fein\ngrün\n".encode("latin-1"), r"a\.txt:2:3: byte 0xFC is not UTF-8; save it as UTF-8"),
        ("ab".encode("utf-16-le"), r"a\.txt:1:2: a zero byte"),
        (b"\xff\xfe\x00", "is not UTF-16-LE"),
    ],
)
def test_other_bytes_are_named_with_their_place(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        read_text(tmp_path / "a.txt", ConfigError)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SolveError, match=r"a\.txt: cannot be read \(no such file\)"):
        read_text(tmp_path / "a.txt", SolveError)
    with pytest.raises(SolveError, match="cannot be read"):
        read_text(tmp_path, SolveError)


def test_lists_manifests_lights_and_configurations_use_it(tmp_path: Path) -> None:
    (tmp_path / "lights.txt").write_bytes("0 0 1\r\n0.6 0 0.8\r\n".encode("utf-16"))
    assert read_directions(tmp_path / "lights.txt").shape == (2, 3)
    (tmp_path / "K.txt").write_bytes(b"\xef\xbb\xbf1000 0 32\n0 1000 32\n0 0 1\n")
    camera = _camera(tmp_path)
    assert camera is not None and camera[0, 2] == 32
    (tmp_path / "c.yaml").write_bytes("name: x\n# grün\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"c\.yaml:2:5: byte 0xFC is not UTF-8"):
        load_config(tmp_path / "c.yaml")
    (tmp_path / "o.jsonl").write_bytes(b'\xef\xbb\xbf{"id": 3}\n')
    with pytest.raises(ManifestError) as caught:
        read_objects(tmp_path / "o.jsonl")
    assert "not JSON" not in str(caught.value) and "'id'" in str(caught.value)
