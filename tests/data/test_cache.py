# SPDX-License-Identifier: Apache-2.0
"""Decoded files that are kept: the same batches, and each file decoded once, as far as the memory goes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from multishade.data import view
from multishade.data.batches import Batch
from multishade.data.cache import GIBIBYTE
from multishade.data.fields import FieldSpec
from multishade.data.loader import Loader
from multishade.data.settings import Geometric
from multishade.shards.sample import FieldFormat
from tests.support.data_shards import data, write_shards

SAMPLES, EPOCHS = 4, 3
TURNED = Geometric(size=24, scale=(0.9, 1.2), shift=0.05, rotation_degrees=(-180, 180), mirror=0.5)
SEQUENCE = (FieldSpec("images", 5), FieldSpec("normal"), FieldSpec("mask"), FieldSpec("depth"))
PHOTO = (FieldSpec("image"), FieldSpec("normal"), FieldSpec("mask"), FieldSpec("intrinsics"))
GEOMETRY = (FieldSpec("normal"), FieldSpec("mask"))


def shards(folder: Path, fields: tuple[FieldSpec, ...]) -> Path:
    mode = {"mode": "photometric"} if fields == SEQUENCE else {}
    return write_shards(folder, (SAMPLES,), FieldFormat(image_compression="zip"), size=32, bump=0.0, **mode)[
        0
    ]


def batches(
    tar: Path, fields: tuple[FieldSpec, ...], cache: float, workers: int = 0, **more: Any
) -> list[Batch]:
    loader = Loader(
        data(tar, cache=cache, **more), None, fields=fields, batch_size=2, seed=5, workers=workers
    )
    iterator = iter(loader)
    return [next(iterator) for _ in range(EPOCHS * SAMPLES // 2)]


@pytest.mark.parametrize("geometric", [Geometric(), TURNED], ids=["as it is", "turned"])
@pytest.mark.parametrize("fields", [SEQUENCE, PHOTO], ids=["sequence", "photo"])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_bit_for_bit(
    fields: tuple[FieldSpec, ...], geometric: Geometric, workers: int, tmp_path: Path
) -> None:
    tar = shards(tmp_path, fields)
    plain = batches(tar, fields, 0, geometric=geometric)
    kept = batches(tar, fields, 1, workers, geometric=geometric)
    for one, other in zip(plain, kept, strict=True):
        assert one.keys == other.keys
        assert one.fields.keys() == other.fields.keys()
        for name, values in one.fields.items():
            assert torch.equal(values, other.fields[name]), name


@pytest.mark.parametrize(("room", "expected"), [(1.0, SAMPLES), (0.0, EPOCHS * SAMPLES)])
def test_a_file_is_decoded_once_if_there_is_room_for_it(
    room: float, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert count_decoded(shards(tmp_path, GEOMETRY), room, monkeypatch) == expected


def test_what_is_kept_stays_within_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    normals_of_two = 2 * 3 * 32 * 32 * 2
    decoded = count_decoded(shards(tmp_path, GEOMETRY), (normals_of_two + 1) / GIBIBYTE, monkeypatch)
    assert decoded == 2 + 2 * EPOCHS


def count_decoded(tar: Path, room: float, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many files are decoded in all epochs, if as many GiB may be kept."""
    decoded = 0
    decode = view.decode_exr

    def counting(*given: Any) -> Any:
        nonlocal decoded
        decoded += 1
        return decode(*given)

    monkeypatch.setattr(view, "decode_exr", counting)
    batches(tar, GEOMETRY, room)
    return decoded


def test_a_run_may_be_resumed_with_another_limit(tmp_path: Path) -> None:
    tar = shards(tmp_path, GEOMETRY)
    first = Loader(data(tar), None, fields=GEOMETRY, batch_size=2)
    next(iter(first))
    second = Loader(data(tar, cache=1), None, fields=GEOMETRY, batch_size=2)
    second.load_state_dict(first.state_dict())
    assert second.samples_seen == 2
