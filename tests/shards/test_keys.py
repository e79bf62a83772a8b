# SPDX-License-Identifier: Apache-2.0
"""Names of samples and files have one form, and are read back from it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import multishade
from multishade.errors import ShardError
from multishade.shards.keys import SampleKey, format_group_key, group_key_of, natural_order, require_valid_key
from multishade.shards.layout import failures_name, marker_name, shard_file, shard_number, tar_name

NUMBER = st.integers(0, 10**9)


@given(NUMBER, NUMBER, NUMBER)
def test_a_key_is_read_back_from_its_text(shard: int, group: int, view: int) -> None:
    key = SampleKey(shard, group, view)
    assert SampleKey.parse(str(key)) == key
    assert group_key_of(str(key)) == key.group_key == format_group_key(shard, group)
    require_valid_key(str(key))


def test_the_form_of_a_key_is_the_documented_one() -> None:
    assert str(SampleKey(123, 7, 3)) == "s000123-g0007-v3"
    assert format_group_key(1234567, 12345) == "s1234567-g12345"
    assert group_key_of("apple-left") == "apple" and group_key_of("apple") == "apple"


@pytest.mark.parametrize("text", ["", "s0-g0-v0", "s000000-g0001", "s000000-g0001-v0 ", "s000000-g0001-v0.x"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ShardError, match=re.escape(f"{text!r} is not a sample's key, such as s000000")):
        SampleKey.parse(text)


@given(st.lists(st.builds(SampleKey, NUMBER, NUMBER, NUMBER)))
def test_keys_and_their_texts_have_the_same_order(keys: list[SampleKey]) -> None:
    assert sorted(map(str, keys), key=natural_order) == list(map(str, sorted(keys)))


def test_files_of_a_shard_are_named_after_its_tar() -> None:
    assert tar_name(123) == "multishade-000123.tar" and shard_number(tar_name(123)) == 123
    assert shard_number("train-7.tar") == 7 and shard_number("train.tar") is None
    assert marker_name("a.tar") == "a.json" and failures_name("a.tar") == "a.failures.json"
    assert marker_name("a.tar?token=1") == "a.json?token=1"
    assert shard_file("memory://bucket/demo", 4).url == "memory://bucket/demo/multishade-000004.tar"


def test_only_the_owner_formats_or_parses_keys() -> None:
    pattern = re.compile(r':06d\}-g|\(\\d\{6,\}\)-g|rsplit\("-|rpartition\("-"\)')
    sources = Path(multishade.__path__[0]).rglob("*.py")
    users = [path.name for path in sources if pattern.search(path.read_text())]
    assert users == ["keys.py"]
