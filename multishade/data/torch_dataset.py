# SPDX-License-Identifier: Apache-2.0
"""Shards -> plain PyTorch datasets, sample by sample, for training loops that do their own batching and augmentation.

Fields are named as in the shards, by patterns; only files of the requested fields are read and decoded. A damaged
sample raises an exception; only the `Loader` replaces it.
"""

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from multishade.data.reader import LocalTars, Raw, StreamReader
from multishade.data.schedule import Schedule
from multishade.errors import DataError, ImageFileError, ShardError
from multishade.photometry.shading import lambert
from multishade.protocol.scene import PASSES
from multishade.shards.fields import decode_depth, decode_grey, decode_image, decode_rgb, decode_shading
from multishade.shards.locate import open_shards
from multishade.shards.material_passes import decode_pass
from multishade.shards.meta import SampleMeta, decode_meta

Item = dict[str, Any]
Transform = Callable[[Item], Any]
FIELDS = ("image_*", "normal", "mask")
_KNOWN = ("alpha", "mask", "normal", "normal_geometry", "depth", "shading", "directions", "meta", *PASSES)


class ShardDataset(Dataset[Any]):
    """Local shards as a sequence of samples, read at random: `len`, indexing, any sampler.

    An item is a dictionary with "key" and the requested fields, float32 unless stated otherwise:

    - image_*: (3, H, W) linear light; alpha, mask: (1, H, W), 0 to 1;
    - normal, normal_geometry: (3, H, W) unit vectors, camera frame, 0 off the mask;
    - depth: (1, H, W) along the camera's z axis, scene units, +inf off the mask;
    - shading: (K, H, W), or (K, 3, H, W) in mode photometric, stored or derived; directions: (K, 3) of its lights;
    - albedo, position: (3, H, W); roughness, metallic: (1, H, W); object_index: (1, H, W) int32: material passes, as in
      `Sample.passes`;
    - meta: the dictionary of meta.json (PyTorch's own collation cannot combine it).
    """

    def __init__(
        self,
        places: Iterable[str | Path],
        fields: Sequence[str] = FIELDS,
        transform: Transform | None = None,
    ) -> None:
        """Find the shards.

        Args:
            places: Tars, folders, patterns with * or braces; local.
            fields: Names or patterns of the fields of an item.
            transform: Applied to each item before it is returned.

        Raises:
            DataError: If there are no shards, some are remote, or a field is unknown.
        """
        self.shards = open_shards(places)
        remote = [shard.url for shard in self.shards if not shard.local]
        if remote:
            raise DataError(f"{remote[0]}: cannot be read at random; use ShardStream")
        self._decode = FieldDecoder(fields)
        self._transform = transform
        self._reader: StreamReader | None = None
        self._samples = sum(shard.samples for shard in self.shards)

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        if self._reader is None:
            self._reader = StreamReader(self.shards, LocalTars(self.shards), self._decode.may_need)
        item = self._decode(self._reader.read(index % len(self), self._decode.choose))
        return item if self._transform is None else self._transform(item)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}  # open files do not go to another process


class ShardStream(IterableDataset[Any]):
    """Shards, local or remote, as a stream of samples that ends after one pass. Items are those of `ShardDataset`.

    Each rank gets the same number of samples (the remainder is left out), and each worker of a rank its own.
    """

    def __init__(
        self,
        places: Iterable[str | Path],
        fields: Sequence[str] = FIELDS,
        transform: Transform | None = None,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
        buffer: int = 256,
    ) -> None:
        """Find the shards.

        Args:
            places: Tars, folders, patterns with * or braces, URLs.
            fields: Names or patterns of the fields of an item.
            transform: Applied to each item before it is returned.
            shuffle: Shuffle the samples if all tars are local; else the tars, and `buffer` samples at a time. The order
                changes with `set_epoch`.
            seed: Decides the order.
            rank: Number of this process among `ranks`, from 0.
            ranks: Processes that share the samples.
            buffer: Samples that are read ahead and shuffled.

        Raises:
            DataError: If there are no shards, or a field is unknown.
        """
        if not 0 <= rank < ranks:
            raise DataError(f"rank {rank} of {ranks}: ranks count from 0")
        self.shards = open_shards(places)
        self._decode = FieldDecoder(fields)
        self._transform = transform
        self._rank, self._epoch = rank, 0
        local = all(shard.local for shard in self.shards)
        self._schedule = Schedule(
            counts=tuple(shard.samples for shard in self.shards),
            seed=seed,
            batch=1,
            ranks=ranks,
            run=1 if shuffle and local else None,
            buffer=buffer,
            shuffled=shuffle,
        )

    def set_epoch(self, epoch: int) -> None:
        """Choose the shuffled order of the next pass."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        mine = self._schedule.batches  # samples of this rank
        order = self._schedule.reading_order(self._epoch)[self._rank * mine : (self._rank + 1) * mine]
        reads = order[mine * worker // workers : mine * (worker + 1) // workers]
        stream = self._schedule.buffered(reads, self._epoch, self._rank, worker)
        reader = StreamReader(self.shards, LocalTars(self.shards), self._decode.may_need)
        pool: dict[int, Raw] = {}
        read = 0
        for position, place in enumerate(stream.output_order):
            while read < min(len(stream.reads), position + stream.buffer):
                pool[read] = reader.read(int(stream.reads[read]), self._decode.choose)
                read += 1
            item = self._decode(pool.pop(int(place)))
            yield item if self._transform is None else self._transform(item)
        reader.close()


class FieldDecoder:
    """Patterns of fields -> the files that are needed, and tensors of their content."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        for pattern in fields:
            names = (*_KNOWN, pattern) if pattern.startswith("image") else _KNOWN
            if not fnmatch.filter(names, pattern):
                raise DataError(f"field '{pattern}' is unknown; known are image_*, {', '.join(_KNOWN)}")

    def may_need(self, name: str) -> bool:
        """Whether a file of this name (without the key) can be needed by any sample."""
        return bool(self.choose([name], complete=False))

    def choose(self, names: Sequence[str], complete: bool = True) -> list[str]:
        """Choose the files to read, by their names. Raises ShardError if a requested field is missing."""
        chosen = [name for name in names if self._wants(name.split(".")[0])]
        if self._wants("directions") or self._wants("shading"):
            chosen += [name for name in names if name == "meta.json" or name.startswith("light_")]
        if self._wants("shading") and not any(name.startswith(("light_", "shading.")) for name in names):
            chosen += [name for name in names if name in ("normal.exr", "mask.png")]
        if complete:
            for pattern in self._fields:
                if pattern not in ("shading", "directions") and not any(
                    fnmatch.fnmatchcase(name.split(".")[0], pattern) for name in names
                ):
                    raise ShardError(f"has no field '{pattern}'; it has {', '.join(names)}")
        return list(dict.fromkeys(chosen))

    def __call__(self, raw: Raw) -> Item:
        """The chosen files -> an item. Raises ShardError, naming tar and file, for damaged ones."""
        try:
            return self._item(raw.key, raw.files)
        except (ImageFileError, ShardError, ValueError, KeyError) as error:
            raise ShardError(f"{raw.place}: {raw.key}: {error}") from error

    def _wants(self, field: str) -> bool:
        return any(fnmatch.fnmatchcase(field, pattern) for pattern in self._fields)

    def _item(self, key: str, files: Mapping[str, bytes]) -> Item:
        item: Item = {"key": key}
        for name, data in files.items():
            field = name.split(".")[0]
            if not self._wants(field):
                continue
            if field.startswith("image_"):
                item[field] = _planar(decode_image(key, name, data))
            elif field in ("normal", "normal_geometry"):
                item[field] = _planar(_unit(decode_rgb(key, name, data)))
            elif field in ("alpha", "mask"):
                item[field] = _tensor(decode_grey(key, name, data)[None] / np.float32(255))
            elif field == "depth":
                item[field] = _tensor(decode_depth(key, data)[None])
            elif field == "object_index":
                item[field] = torch.from_numpy(decode_pass(key, field, data)[None].astype(np.int32))
            elif field in PASSES:
                values = decode_pass(key, field, data)
                item[field] = _planar(values) if values.ndim == 3 else _tensor(values[None])
        if self._wants("shading"):
            item["shading"] = self._shading(key, files)
        if self._wants("directions"):
            item["directions"] = _tensor(
                np.asarray(SampleMeta.decode(key, files["meta.json"]).shading.directions)
            )
        if self._wants("meta"):
            item["meta"] = decode_meta(key, files["meta.json"])
        return item

    def _shading(self, key: str, files: Mapping[str, bytes]) -> Tensor:
        stored = decode_shading(key, files)
        if stored is not None:
            return _tensor(stored if stored.ndim == 3 else stored.transpose(0, 3, 1, 2))
        shading = SampleMeta.decode(key, files["meta.json"]).shading
        if shading.mode != "lambert":
            raise ShardError(f"its sequence of mode {shading.mode} is not stored, and cannot be derived")
        normal = _unit(decode_rgb(key, "normal.exr", files["normal.exr"]))
        return _tensor(lambert(normal, shading.directions, decode_grey(key, "mask.png", files["mask.png"])))


def _unit(normal: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 3) at unit length; 0 stays 0."""
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)


def _planar(image: NDArray[np.float32]) -> Tensor:
    return _tensor(image.transpose(2, 0, 1))


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
