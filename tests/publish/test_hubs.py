# SPDX-License-Identifier: Apache-2.0
"""The card's files in the programs that they are made for: mlcroissant and Megatron-Energon (`make test-hubs`)."""

import itertools
from pathlib import Path

import pytest

from multishade.publish.write import CardOptions, write_card
from tests.publish.test_card import make_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = make_folder(tmp_path_factory.mktemp("hubs") / "data")
    write_card(data, CardOptions(preview=3))
    return data


def test_mlcroissant_finds_no_fault_and_reads_both_record_sets(folder: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="run `make test-hubs`")
    described = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not described.metadata.ctx.issues.errors and not described.metadata.ctx.issues.warnings
    samples = list(described.records("samples"))
    assert sorted(row["samples/key"].decode() for row in samples) == [
        f"s{shard:06d}-g{group:04d}-v{view}"
        for shard, group, view in itertools.product(range(2), range(2), range(2))
    ]
    assert all(b'"schema":1' in bytes(row["samples/meta"]) for row in samples)
    preview = list(described.records("preview"))
    assert len(preview) == 3 and preview[0]["preview/normal"].size == (32, 32)


def test_energon_opens_the_folder_without_preparation(folder: Path) -> None:
    energon = pytest.importorskip("megatron.energon", reason="run `make test-hubs`")

    class Encoder(energon.DefaultTaskEncoder):  # type: ignore[misc, name-defined]
        cookers = [energon.Cooker(energon.stateless(lambda sample: sample))]

        def batch(self, samples: list) -> list:
            return samples

    data = energon.get_val_dataset(
        str(folder),
        worker_config=energon.WorkerConfig(rank=0, world_size=1, num_workers=0),
        batch_size=1,
        split_part="train",
        task_encoder=Encoder(),
    )
    samples = [sample for batch in energon.get_loader(data) for sample in batch]
    assert len(samples) == 8
    assert samples[0]["__key__"] == "s000000-g0000-v0"
    assert samples[0]["meta.json"]["object"]["id"] == "sphere-0"
    assert tuple(samples[0]["mask.png"].shape[-2:]) == (32, 32)
