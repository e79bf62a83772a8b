# SPDX-License-Identifier: Apache-2.0
"""Shards -> arrays of square views, kept in one file; arrays and an order -> batches without end.

Views are small and few enough to stay in memory, so that a step waits for no file, on a processor or a GPU. With one
seed all arms see the same photos, turned and exposed alike, in the same order; a curriculum or a filter replaces only
which samples may be drawn.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.study_supervision.arms import CURRICULUM_END, CURRICULUM_START, KEPT, Order
from multishade.data.batches import Batch
from multishade.data.fields import FieldSpec
from multishade.data.loader import Loader
from multishade.data.settings import Data as DataSettings
from multishade.data.settings import Geometric
from multishade.errors import DataError
from multishade.shards.dataset import Dataset
from multishade.shards.locate import find_shards
from multishade.shards.marker import committed
from multishade.storage.local import atomic_file

AT_ONCE = 16
FIELDS = tuple(FieldSpec(name) for name in ("image", "normal", "mask", "depth", "intrinsics"))


@dataclass(frozen=True)
class Views:
    """N views with P photos each, S pixels a side.

    Attributes:
        image: (N, P, 3, S, S) uint8, display-encoded.
        normal: (N, 3, S, S) float16; 0 off the object.
        depth: (N, 1, S, S) float32.
        intrinsics: (N, 3, 3) float32.
        detail: (N,) mean angle in degrees between the normals of neighbouring pixels: what is plain and what is not.
        keys, objects, families, materials: (N,) text.
        photos: (P,) the names of the photos.
    """

    image: NDArray[np.uint8]
    normal: NDArray[np.float16]
    depth: NDArray[np.float32]
    intrinsics: NDArray[np.float32]
    detail: NDArray[np.float32]
    keys: NDArray[np.str_]
    objects: NDArray[np.str_]
    families: NDArray[np.str_]
    materials: NDArray[np.str_]
    photos: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.keys)


def fingerprint_of(places: Sequence[str | Path], size: int, frame: Geometric) -> str:
    """Of the content of shards, and of how views are cut from them: 16 hex digits."""
    markers = [committed(tar) for tar in find_shards(places)]
    content = [None if marker is None else marker.sha256 for marker in markers]
    options = [size, frame.frame, frame.margin]
    return hashlib.sha256(json.dumps([content, options]).encode()).hexdigest()[:16]


def load_views(places: Sequence[str | Path], size: int, frame: Geometric, kept: Path) -> Views:
    """Read all views of shards.

    Args:
        places: As for `find_shards`.
        size: Pixels a side.
        frame: How much of the image is seen: `frame` and `margin`.
        kept: Folder where the arrays are kept, under their fingerprint.

    Raises:
        DataError: If a camera is orthographic, or samples have different photos.
    """
    path = kept / f"{fingerprint_of(places, size, frame)}.npz"
    if not path.is_file():
        views = _read(places, size, frame)
        kept.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as stream:
            np.savez_compressed(stream, **views.__dict__)
    with np.load(path) as arrays:
        return Views(**{name: arrays[name] for name in arrays.files})


def _read(places: Sequence[str | Path], size: int, frame: Geometric) -> Views:
    infos, photos = [], []
    for tar in find_shards(places):
        data = Dataset(tar.url)
        infos += [(key, data.info(key)) for key in data]
        photos.append(tuple(Path(name).stem for name in data.fields if name.startswith("image_")))
    if len(set(photos)) != 1:
        raise DataError(f"shards with different photos ({sorted(set(photos))}); take shards of one recipe")
    count = len(infos)
    batch = max(number for number in range(1, AT_ONCE + 1) if count % number == 0)
    arrays: dict[str, Any] = {
        "image": np.zeros((count, len(photos[0]), 3, size, size), np.uint8),
        "normal": np.zeros((count, 3, size, size), np.float16),
        "depth": np.zeros((count, 1, size, size), np.float32),
        "intrinsics": np.zeros((count, 3, 3), np.float32),
    }
    square = Geometric(size=size, frame=frame.frame, margin=frame.margin)
    for number, name in enumerate(photos[0]):
        settings = DataSettings(shards=tuple(map(str, places)), images=(name,), geometric=square)
        loader = Loader(settings, None, fields=FIELDS, batch_size=batch)
        for made in islice(loader, loader.batches_per_epoch):
            rows = made.indices.numpy()
            if bool(made.orthographic.any()):
                raise DataError(
                    f"{made.keys[0]}: an orthographic camera; the study compares perspective depths"
                )
            arrays["image"][rows, number] = (made.image * 255).round().to(torch.uint8).numpy()
            arrays["normal"][rows] = made.normal.numpy()
            arrays["depth"][rows] = made.depth.numpy()
            arrays["intrinsics"][rows] = made.intrinsics.numpy()
    return Views(
        **arrays,
        detail=np.array([detail_of(normal) for normal in arrays["normal"]], np.float32),
        keys=np.array([key for key, _ in infos]),
        objects=np.array([info.object.id for _, info in infos]),
        families=np.array([str(info.object.family) for _, info in infos]),
        materials=np.array([info.material.kind for _, info in infos]),
        photos=np.array(photos[0]),
    )


def detail_of(normal: NDArray[np.floating]) -> float:
    """Compute the mean angle in degrees between the normals (3, H, W) of neighbours that are both on the object."""
    field = normal.astype(np.float32)
    angles = []
    for one, other in ((field[:, :, 1:], field[:, :, :-1]), (field[:, 1:], field[:, :-1])):
        both = (one != 0).any(axis=0) & (other != 0).any(axis=0)
        angles.append(np.degrees(np.arccos(np.clip((one * other).sum(axis=0)[both], -1, 1))))
    found = np.concatenate(angles)
    return float(found.mean()) if found.size else 0.0


def allowed(views: Views, order: Order, step: int, steps: int) -> NDArray[np.intp]:
    """Return the numbers of the views that may be drawn in a step, plainest first."""
    ranked = np.argsort(views.detail, kind="stable")
    share = {"random": 1.0, "filtered": KEPT}.get(order)
    if share is None:
        done = min(1.0, step / max(1.0, CURRICULUM_END * steps))
        share = CURRICULUM_START + (1 - CURRICULUM_START) * done
    return ranked[: max(1, round(share * len(ranked)))]


def batches(views: Views, size: int, order: Order, steps: int, seed: int, start: int = 0) -> Iterator[Batch]:
    """Return batches of `size` views without end, from number `start` on; each is made by its number alone."""
    number = start
    while True:
        rng = np.random.default_rng(np.random.SeedSequence([seed, number]))
        pool = allowed(views, order, number, steps)
        # Drawn as shares of the pool, so that another pool changes nothing else.
        rows = pool[(rng.random(size) * len(pool)).astype(np.intp)]
        photos = rng.integers(views.image.shape[1], size=size)
        turns, gamma, gain = (
            rng.integers(8, size=size),
            rng.uniform(0.8, 1.25, size),
            rng.uniform(0.75, 1.25, size),
        )
        image = torch.from_numpy(views.image[rows, photos].astype(np.float32) / 255)
        exponent, factor = (torch.from_numpy(each).float().view(-1, 1, 1, 1) for each in (gamma, gain))
        image = (image**exponent * factor).clamp(0, 1)
        yield turned(batch_of(views, rows, image, number), turns)
        number += 1


def batch_of(views: Views, rows: NDArray[np.intp], image: Tensor, number: int = 0) -> Batch:
    """Views as a batch. image: (B, 3, S, S), 0 to 1."""
    return Batch(
        keys=tuple(views.keys[rows]),
        epoch=0,
        number=number,
        indices=torch.from_numpy(rows),
        fields={
            "image": image.half(),
            "normal": torch.from_numpy(views.normal[rows]),
            "depth": torch.from_numpy(views.depth[rows]),
            "intrinsics": torch.from_numpy(views.intrinsics[rows]),
            "orthographic": torch.zeros(len(rows), dtype=torch.bool),
        },
        directions=torch.zeros(0, 3),
        linear=False,
        grey=False,
    )


def turned(batch: Batch, turns: NDArray[np.integer]) -> Batch:
    """Turn and mirror each sample, its normals and its camera too. turns: (B,) 0 to 7: bit 0 exchanges x and y, bit 1
    mirrors x, bit 2 mirrors y.
    """
    fields = {name: value.clone() for name, value in batch.fields.items()}
    normal, matrix, side = fields["normal"], fields["intrinsics"], batch.fields["image"].shape[-1]
    for bit in range(3):
        chosen = torch.from_numpy((turns >> bit & 1).astype(bool))
        if not bool(chosen.any()):
            continue
        for name in ("image", "normal", "depth"):
            part = fields[name][chosen]
            fields[name][chosen] = part.transpose(2, 3) if bit == 0 else part.flip(3 if bit == 1 else 2)
        part = normal[chosen]
        kept = matrix[chosen]
        if bit == 0:  # x (right) becomes down, the negative of y (up)
            normal[chosen] = torch.stack([-part[:, 1], -part[:, 0], part[:, 2]], dim=1)
            matrix[chosen] = kept[:, [1, 0, 2]][:, :, [1, 0, 2]]
        else:
            axis = bit - 1
            part[:, axis] = -part[:, axis]
            normal[chosen] = part
            kept[:, axis, 2] = side - kept[:, axis, 2]
            matrix[chosen] = kept
    return replace(batch, fields=fields)
