# SPDX-License-Identifier: Apache-2.0
"""YAML: what it would resolve in silence, or by filling the memory, is a short error that names the line."""

from pathlib import Path

import pytest

from multishade.config import load_config
from multishade.config.yaml_tree import parse_yaml
from multishade.errors import ConfigError

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
LAUGHS = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}' if i else 'lol'] * 9)}]\n" for i in range(10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: demo\nseed: 1\nseed: 2\n", "o.yaml:3: 'seed' is set twice, before in line 2"),
        ("views:\n  count: 2\n  count: 3\n", "o.yaml:3: 'count' is set twice"),
        ("views: {count: 2, count: 3}", "o.yaml:1: 'count' is set twice"),
        (LAUGHS + "name: *x9\n", "stands for more than 100,000 values through its aliases"),
        ("a: &a [*a]\n", "o.yaml:1: contains itself through an alias"),
        ("a: &a {b: *a}\n", "contains itself"),
        ("[" * 5000, "nested too deeply"),
        ("a: 2026-13-45\n", "holds a value that cannot be read: month must be in 1..12"),
        ("a: [1\n", "is not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []\n", "is not valid YAML"),
    ],
)
def test_what_yaml_resolves_in_silence_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "o.yaml", ConfigError)
    assert message in str(caught.value) and len(str(caught.value)) < 400


def test_anchors_aliases_and_merged_keys_are_read() -> None:
    text = "a: &a {count: 2, size: 3}\nb: {<<: *a, count: 4}\nc: *a\n"
    _, tree = parse_yaml(text, "o.yaml", ConfigError)
    assert tree["b"] == {"count": 4, "size": 3} and tree["c"] == {"count": 2, "size": 3}


def test_an_override_is_read_by_the_same_rules() -> None:
    with pytest.raises(ConfigError, match=r"--set camera=.*'width' is set twice"):
        load_config("demo", ["camera={width: 64, width: 128}"])


@pytest.mark.parametrize("value", ["x" * 5000, f"[{', '.join(['long'] * 5000)}]"])
def test_a_long_value_is_shown_by_its_beginning(value: str, tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text(f"extends: {DEMO}\ncamera: {{width: {value}}}\n")
    with pytest.raises(ConfigError, match=r"o\.yaml:2: 'camera\.width'") as caught:
        load_config(path)
    assert len(str(caught.value)) < 600
