# SPDX-License-Identifier: Apache-2.0
"""Samples of a data set -> one Parquet file of small JPEGs, since the viewers of hubs cannot show EXR."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multishade.extras import require
from multishade.imaging.display import Picture, fit_height
from multishade.report.pictures import jpeg
from multishade.shards.dataset import Dataset
from multishade.shards.pictures import named_pictures
from multishade.shards.sample import Sample, shading_of
from multishade.storage.local import atomic_file

FOLDER = "preview"
SIDE, BATCH = 192, 100
PICTURES = ("image", "normal", "shading")
TEXTS = ("key", "object", "family", "material", "material_kind", "light", "licence")


def write_preview(
    path: Path, data: Dataset, keys: Sequence[str], seen: Callable[[], object] = lambda: None
) -> None:
    """Write a Parquet file that `datasets` and the Hub's viewer show: names and three pictures of each sample.

    Args:
        path: The file; its folder is made.
        data: The data set.
        keys: The samples.
        seen: Called for each sample.

    Raises:
        ShardError: If a sample cannot be read, or the file cannot be written.
        MissingPackageError: If pyarrow is not installed.
    """
    require("pyarrow", extra="hub")
    import pyarrow
    from pyarrow import parquet

    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    columns = [(name, pyarrow.string()) for name in TEXTS] + [(name, picture) for name in PICTURES]
    features: dict[str, Any] = {name: {"dtype": "string", "_type": "Value"} for name in TEXTS}
    features |= {name: {"_type": "Image"} for name in PICTURES}
    schema = pyarrow.schema(columns, {"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as stream, parquet.ParquetWriter(stream, schema) as writer:
        for batch in _batches(data, keys, seen):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema))


def spread_keys(keys: Sequence[str], count: int) -> list[str]:
    """Choose at most `count` keys at even distances."""
    shown = min(count, len(keys))
    return [keys[number * len(keys) // shown] for number in range(shown)]


def _batches(
    data: Dataset, keys: Sequence[str], seen: Callable[[], object]
) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(keys), BATCH):
        rows = []
        for key in keys[first : first + BATCH]:
            rows.append(_row(data[key]))
            seen()
        yield rows


def _row(sample: Sample) -> dict[str, Any]:
    """One line of the table. The image is that of the first light; three frames of the shading stand side by side."""
    info, pictures = sample.info, dict(_pictures(sample))
    frames = [picture for name, picture in pictures.items() if name.startswith("shading ")]
    first = next(iter(sample.images))
    shown = {
        "image": pictures[first.removeprefix("image_")],
        "normal": pictures["normal"],
        "shading": np.concatenate(frames, axis=1),
    }
    light = info.lights.get(first)
    return {
        "key": sample.key,
        "object": info.object.id,
        "family": info.object.family or info.object.source,
        "material": info.material.id,
        "material_kind": info.material.kind,
        "light": light.type if light else first,
        "licence": info.object.licence,
    } | {
        name: {"bytes": jpeg(picture), "path": f"{sample.key}.{name}.jpg"} for name, picture in shown.items()
    }


def _pictures(sample: Sample) -> list[tuple[str, Picture]]:
    side = min(SIDE, sample.mask.shape[0])
    found = named_pictures(sample.images, sample.normal, sample.depth, sample.mask, shading_of(sample))
    return [(name, fit_height(picture, side)) for name, picture in found]
