# SPDX-License-Identifier: Apache-2.0
"""Plain PyTorch datasets: what the shards hold, each sample once, for any loop."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from multishade.data.torch_dataset import ShardDataset, ShardStream
from multishade.errors import DataError, ShardError
from multishade.geometry.lights import ring
from multishade.photometry.shading import lambert
from multishade.shards.sample import FieldFormat, decode_sample
from multishade.shards.tar import read_shard
from tests.support.data_shards import COUNTS, key_of, write_shards
from tests.support.loopback import loopback

KEYS = [key_of(shard, number) for shard, count in enumerate(COUNTS) for number in range(count)]
EVERYTHING = (
    "image_*",
    "alpha",
    "mask",
    "normal",
    "normal_geometry",
    "depth",
    "shading",
    "directions",
    "meta",
)


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    torch.set_num_threads(1)
    return write_shards(tmp_path_factory.mktemp("plain"), normal_geometry=True)


def test_items_hold_what_was_asked_for_as_stored(tars: list[Path]) -> None:
    dataset = ShardDataset(tars, EVERYTHING)
    assert len(dataset) == sum(COUNTS)
    item = dataset[COUNTS[0] + 1]
    key, files = list(read_shard(tars[1]))[1]
    sample = decode_sample(key, files)
    assert item["key"] == key and item["meta"]["key"] == key
    for name, image in sample.images.items():
        np.testing.assert_array_equal(item[name], image.transpose(2, 0, 1))
    np.testing.assert_array_equal(item["mask"][0], sample.mask)
    np.testing.assert_allclose(item["alpha"][0], sample.alpha, atol=1e-6)
    np.testing.assert_allclose(item["normal"], sample.normal.transpose(2, 0, 1), atol=1e-3)
    assert torch.allclose(item["normal"].norm(dim=0), item["mask"][0], atol=1e-6)
    np.testing.assert_array_equal(item["depth"][0], sample.depth)
    np.testing.assert_array_equal(item["shading"], sample.shading)
    np.testing.assert_allclose(item["directions"], ring(9), atol=1e-6)
    assert dataset[-1]["key"] == KEYS[-1]
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_only_the_wanted_fields_come(tars: list[Path]) -> None:
    assert set(ShardDataset(tars)[0]) == {
        "key", "mask", "normal", "image_parallel", "image_point", "image_env0", "image_env1",
    }  # fmt: skip
    assert set(ShardDataset(tars, ("image_env0", "depth"))[0]) == {"key", "image_env0", "depth"}
    with pytest.raises(DataError, match="field 'gloss' is unknown; known are image_"):
        ShardDataset(tars, ("gloss",))
    with pytest.raises(ShardError, match=r"demo-000000.tar: sample 0: has no field 'image_sun'"):
        ShardDataset(tars, ("image_sun",))[0]


def test_shading_that_is_not_stored_is_derived(tmp_path: Path) -> None:
    (path,) = write_shards(tmp_path, (1,), FieldFormat(shading_stored=False))
    item = ShardDataset([path], ("shading", "normal"))[0]
    np.testing.assert_allclose(item["shading"], lambert(item["normal"].permute(1, 2, 0), ring(9)), atol=1e-6)
    (path,) = write_shards(tmp_path / "photometric", (1,), mode="photometric")
    assert ShardDataset([path], ("shading",))[0]["shading"].shape == (9, 3, 24, 24)


def test_a_loop_of_ones_own(tars: list[Path]) -> None:
    dataset = ShardDataset(tars, transform=lambda item: (item["image_env0"].mean(0), item["key"]))
    loader = DataLoader(dataset, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(1))
    keys = [key for images, names in loader for key in names]
    assert sorted(keys) == KEYS and keys != KEYS
    twin = pickle.loads(pickle.dumps(ShardDataset(tars)))
    assert twin[3]["key"] == KEYS[3]


def test_workers_read_each_sample_once(tars: list[Path]) -> None:
    for dataset in (
        ShardDataset(tars, ("mask",)),
        ShardStream(tars, ("mask",)),
        ShardStream(tars, ("mask",), shuffle=True),
    ):
        loader = DataLoader(dataset, batch_size=None, num_workers=2)
        assert sorted(item["key"] for item in loader) == KEYS


def test_a_stream_goes_through_once_in_order_or_shuffled_anew(tars: list[Path]) -> None:
    assert [item["key"] for item in ShardStream(tars, ("mask",))] == KEYS
    stream = ShardStream(tars, ("mask",), shuffle=True, seed=3)
    first = [item["key"] for item in stream]
    assert sorted(first) == KEYS and first != KEYS
    assert [item["key"] for item in stream] == first
    stream.set_epoch(1)
    assert [item["key"] for item in stream] != first


def test_ranks_of_a_stream_get_equal_parts(tars: list[Path]) -> None:
    parts = [[item["key"] for item in ShardStream(tars, ("mask",), rank=rank, ranks=4)] for rank in range(4)]
    assert [len(part) for part in parts] == [3] * 4 and len({key for part in parts for key in part}) == 12
    with pytest.raises(DataError, match="rank 4 of 4"):
        ShardStream(tars, rank=4, ranks=4)


def test_remote_shards_are_streamed(tars: list[Path]) -> None:
    with loopback() as server:
        for path in tars:
            server.files[f"/{path.name}"] = path.read_bytes()
            server.files[f"/{path.with_suffix('.json').name}"] = path.with_suffix(".json").read_bytes()
        place = f"{server.url}/demo-{{000000..000002}}.tar"
        keys = [item["key"] for item in ShardStream([place], ("normal",), shuffle=True, buffer=4)]
        assert sorted(keys) == KEYS and keys != KEYS
        assert [server.requests[f"/{path.name}"] for path in tars] == [1, 1, 1]
        with pytest.raises(DataError, match="cannot be read at random; use ShardStream"):
            ShardDataset([place])


def test_damage_is_raised_with_its_place(tars: list[Path], tmp_path: Path) -> None:
    content = tars[0].read_bytes()
    start = content.index(b".normal.exr") + 900
    spoiled = tmp_path / "spoiled.tar"
    spoiled.write_bytes(content[:start] + bytes(64) + content[start + 64 :])
    with pytest.raises(ShardError, match=rf"spoiled.tar: {key_of(0, 0)}: .*normal.exr"):
        ShardDataset([spoiled], ("normal",))[0]
