# SPDX-License-Identifier: Apache-2.0
"""Configurations that attack the reader end in a short error that names file and line, in no time and little memory."""

import os
from pathlib import Path

import pytest

from multishade.config import load_config
from multishade.config.yaml_tree import parse_yaml
from multishade.errors import ConfigError
from tests.support.hostile_configs import hostile_texts

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"


@pytest.mark.parametrize("name", sorted(hostile_texts(DEMO)))
def test_a_hostile_configuration_is_a_short_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_bytes(hostile_texts(DEMO)[name])
    with pytest.raises(ConfigError, match=r"o\.yaml") as caught:
        load_config(path)
    message = str(caught.value)
    assert len(message) < 8000 and message.encode() and "\0" not in message


@pytest.mark.parametrize(
    "place", ["/dev/zero", "/dev/tty", "pipe.yaml", "folder.yaml", "loop.yaml", "o.yaml", "huge.yaml"]
)
def test_what_extends_no_file_is_a_short_error(place: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to("o.yaml")
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "o.yaml").write_text(f"extends: {place}\n")
    with pytest.raises(ConfigError, match="cannot be read|extends itself") as caught:
        load_config(tmp_path / "o.yaml")
    assert len(str(caught.value)) < 600
    if place in ("pipe.yaml", "huge.yaml", "folder.yaml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(tmp_path / place)


def test_a_chain_of_files_ends(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    with pytest.raises(ConfigError, match="is the 21th file that extends another"):
        load_config(tmp_path / "0.yaml")


@pytest.mark.parametrize(
    "text", ["1: a\n0x1: b\n", "yes: a\ntrue: b\n", "~: a\nnull: b\n", "1.0: a\n1.00: b\n"]
)
def test_equal_keys_are_found_however_they_are_written(text: str) -> None:
    with pytest.raises(ConfigError, match="o.yaml:2: .* is set twice, before in line 1"):
        parse_yaml(text, "o.yaml", ConfigError)
