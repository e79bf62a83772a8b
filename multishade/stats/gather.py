# SPDX-License-Identifier: Apache-2.0
"""A data set's folder -> its recipe and the figures of its samples; of many, a sample that is always the same."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from multishade.config import Config
from multishade.errors import ShardError
from multishade.shards.locate import find_shards
from multishade.shards.marker import committed
from multishade.shards.record import read_dataset
from multishade.shards.tar import list_keys, read_shard
from multishade.stats.measure import SampleFigures, measure
from multishade.storage.store import FilePlace, StoredFile


@dataclass(frozen=True, eq=False)
class Survey:
    """What a folder says that it holds, and what was measured. shards, total, failures: samples and groups left out
    of all that is there; samples: those looked at."""

    folder: Path
    config: Config
    shards: int
    total: int
    failures: int
    samples: list[SampleFigures]


def survey(folder: Path, most: int, images: int, workers: int = 1, seed: int = 0) -> Survey:
    """Look at a folder. most: samples read (whole shards, drawn without replacement, as many as it takes); images:
    samples among them whose images and depth are decoded. Equal folders give equal surveys.

    Raises ShardError for a folder that is no data set's, and damaged shards.
    """
    config = config_of(folder)
    markers = {path: marker for path in find_shards([folder]) if (marker := committed(path)) is not None}
    if not markers:
        raise ShardError(f"{folder}: holds no finished shard; render some first")
    rng = np.random.default_rng(seed)
    paths = list(markers)
    chosen: list[StoredFile] = []
    for place in rng.permutation(len(paths)):
        if sum(markers[path].samples for path in chosen) >= most:
            break
        chosen.append(paths[place])
    chosen.sort(key=paths.index)
    keys = [key for path in chosen for key in list_keys(path)]
    closely = frozenset(keys[place] for place in rng.permutation(len(keys))[:images])
    samples = _measure_all(chosen, closely, config.exposure.highlight_percentile, workers, len(keys))
    total = sum(marker.samples for marker in markers.values())
    failures = sum(len(marker.failures) for marker in markers.values())
    return Survey(folder, config, len(markers), total, failures, samples)


def config_of(folder: Path) -> Config:
    """The recipe of a folder, from its dataset.json; the manifests need not be there."""
    return read_dataset(folder).recipe()


def _measure_all(
    paths: list[StoredFile], closely: frozenset[str], percentile: float, workers: int, total: int
) -> list[SampleFigures]:
    with tqdm(total=total, unit=" samples", disable=not sys.stderr.isatty(), leave=False) as bar:
        if workers == 1 or len(paths) == 1:
            return [
                figures
                for path in paths
                for figures in measure_shard(path, closely, percentile, lambda: bar.update())
            ]
        samples = []
        with ProcessPoolExecutor(min(workers, len(paths)), mp_context=get_context("spawn")) as pool:
            for found in pool.map(measure_shard, paths, repeat(closely), repeat(percentile)):
                samples += found
                bar.update(len(found))
        return samples


def measure_shard(
    path: FilePlace, closely: frozenset[str], percentile: float, seen: Callable[[], object] = lambda: None
) -> list[SampleFigures]:
    """The figures of every sample of a tar, in order; those of `closely` with their images. Raises ShardError."""
    samples = []
    for key, files in read_shard(path):
        samples.append(measure(key, files, key in closely, percentile))
        seen()
    return samples
