# SPDX-License-Identifier: Apache-2.0
"""A data set's folder -> its recipe and the figures of its samples; a fixed random subset of large data sets."""

import sys
from collections.abc import Callable, Sequence
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
from multishade.storage.store import FilePlace, FolderPlace, StoredFile, open_store


@dataclass(frozen=True, eq=False)
class Statistics:
    """A data set's recipe, its size, and the figures of the samples that were read.

    Attributes:
        folder: The data set.
        config: Its recipe.
        shards: Number of its shards.
        total: Number of its samples.
        failures: Number of groups that could not be rendered.
        samples: Figures of the samples that were read.
    """

    folder: FolderPlace
    config: Config
    shards: int
    total: int
    failures: int
    samples: list[SampleFigures]


def gather(
    folder: FolderPlace,
    max_samples: int,
    max_images: int,
    workers: int = 1,
    seed: int = 0,
    places: Sequence[str | Path] = (),
) -> Statistics:
    """Measure the samples of a data set. Equal folders give equal statistics.

    Args:
        folder: The data set.
        max_samples: Read whole shards, chosen at random, until this number of samples is reached.
        max_images: Decode images and depth of this number of samples among them.
        workers: Shards read at a time.
        seed: Of the choices.
        places: Tars of the data set to which the statistics are limited; default: all.

    Returns:
        The statistics.

    Raises:
        ShardError: If the folder is no data set, has no finished shard, or a shard is damaged.
    """
    config = config_of(folder)
    markers = {
        path: marker
        for path in find_shards(places or [open_store(folder).url])
        if (marker := committed(path)) is not None
    }
    if not markers:
        raise ShardError(f"{folder}: has no finished shard; render some first")
    rng = np.random.default_rng(seed)
    paths = list(markers)
    chosen: list[StoredFile] = []
    for place in rng.permutation(len(paths)):
        if sum(markers[path].samples for path in chosen) >= max_samples:
            break
        chosen.append(paths[place])
    chosen.sort(key=paths.index)
    keys = [key for path in chosen for key in list_keys(path)]
    closely = frozenset(keys[place] for place in rng.permutation(len(keys))[:max_images])
    samples = _measure_all(chosen, closely, config.exposure.highlight_percentile, workers, len(keys))
    total = sum(marker.samples for marker in markers.values())
    failures = sum(len(marker.failures) for marker in markers.values())
    return Statistics(folder, config, len(markers), total, failures, samples)


def config_of(folder: FolderPlace) -> Config:
    """Return the recipe of a data set from its dataset.json; its manifests need not exist."""
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
    """Measure all samples of a tar, in order; decode the images of those in `closely`. Raises ShardError."""
    samples = []
    for key, files in read_shard(path):
        samples.append(measure(key, files, key in closely, percentile))
        seen()
    return samples
