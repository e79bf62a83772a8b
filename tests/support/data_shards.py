# SPDX-License-Identifier: Apache-2.0
"""Small shards of analytic spheres for the tests of training data: every sample tells its number by its tint."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from multishade.data.settings import Data
from multishade.shards.sample import FieldFormat, Sample
from tests.support.synthetic import make_sample, write_synthetic_shard

COUNTS = (5, 3, 7)  # uneven on purpose


@cache
def _sphere(**options: Any) -> Sample:
    return make_sample(**options)


def key_of(shard: int, number: int) -> str:
    return f"s{shard:06d}-g{number:04d}-v0"


def write_shards(
    folder: Path, counts: tuple[int, ...] = COUNTS, format: FieldFormat | None = None, **options: Any
) -> list[Path]:
    """demo-000000.tar ... with markers, samples of 24 x 24 pixels unless said otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for shard, count in enumerate(counts):
        sample = _sphere(**{"size": 24, **options})
        samples = []
        for number in range(count):
            key = key_of(shard, number)
            scale = 1 + 0.01 * (shard * 50 + number)
            images = {name: image * scale for name, image in sample.images.items()}
            samples.append(replace(sample, key=key, images=images, meta={**sample.meta, "key": key}))
        paths.append(folder / f"demo-{shard:06d}.tar")
        write_synthetic_shard(paths[-1], samples, format)
    return paths


def data(*places: Path | str, **settings: Any) -> Data:
    return Data(shards=tuple(map(str, places)), **settings)
