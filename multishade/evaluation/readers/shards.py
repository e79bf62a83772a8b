# SPDX-License-Identifier: Apache-2.0
"""Shards that `multishade render` wrote -> one object a sample (a view of an object in a material).

The photographs under known lights are the sample's shading sequence, in its mode: `lambert`, `cast` or
`photometric`. Single-image methods get the input images (`image_parallel`, ...). Rows of one object's views
share the object's name, so that statistics take the object as the unit.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.shards.dataset import Dataset
from multishade.shards.locate import find_shards
from multishade.shards.sample import Sample, decode_sample, shading_of
from multishade.shards.tar import read_shard

NAME = "shards"


def read(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """Every sample of a .tar, or of all tars in a folder, in order. Truth lies in the shards; `truth` is not used."""
    return read_places([root])


def read_places(places: Sequence[str | Path]) -> Iterator[BenchmarkObject]:
    """Every sample of tars, folders of them, patterns or URLs, in order. Raises DataError if a place has no tar."""
    for tar in find_shards(places):
        for key, files in read_shard(tar):
            yield object_of(decode_sample(key, files))


def is_sample(place: Path) -> bool:
    """Whether a place is a shard or a sample in one: SHARD.tar or PLACE#KEY."""
    return "#" in place.name or place.suffix == ".tar"


def read_sample(place: Path) -> BenchmarkObject:
    """Read the object of one sample.

    Args:
        place: PLACE#KEY, where PLACE is a tar or a folder of tars; without #KEY, a tar of one sample.

    Raises:
        EvaluationError: If the key is missing and there are several samples.
        ShardError: If there is no such sample, or it cannot be read.
    """
    shard, _, key = str(place).partition("#")
    data = Dataset(shard)
    if not key:
        keys = list(data)
        if len(keys) != 1:
            raise EvaluationError(
                f"{shard}: has {len(keys)} samples ({', '.join(keys[:3])}, ...); name one with --key, or as "
                f"{shard}#{keys[0]}"
            )
        key = keys[0]
    return object_of(data[key])


def object_of(sample: Sample) -> BenchmarkObject:
    """One sample as a benchmark object; tags: family, source, material, mode."""
    info = sample.info
    directions = np.asarray(info.shading.directions, dtype=np.float64)
    cache: list[Float32] = []

    def load_image(index: int) -> Float32:
        # Derived or decoded once, for all of the object's images.
        if not cache:
            cache.append(shading_of(sample))
        frame = cache[0][index]
        return np.repeat(frame[..., None], 3, axis=2) if frame.ndim == 2 else frame

    fields = tuple(sample.images)
    return BenchmarkObject(
        name=info.object.id,
        view=sample.key,
        benchmark=NAME,
        mask=sample.mask,
        image_names=tuple(f"L{index:02d}" for index in range(len(directions))),
        load_image=load_image,
        directions=directions,
        normal=np.where(sample.mask[..., None], sample.normal, 0),
        depth=np.where(sample.mask, sample.depth, 0).astype(np.float32),
        camera=np.asarray(info.camera.K, dtype=np.float64),
        orthographic=info.camera.type == "orthographic",
        input_names=fields,
        load_input=lambda index: sample.images[fields[index]],
        tags={
            "family": str(info.object.family),
            "source": info.object.source,
            "material": info.material.kind,
            "mode": info.shading.mode,
        },
    )
