# SPDX-License-Identifier: Apache-2.0
"""`diligent:PATH` and its like -> the objects of that benchmark; and a folder of unknown layout -> its one object."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers import (
    cyclesps,
    depth_normals,
    diligent,
    diligent_variants,
    folder,
    luces,
    shards,
)

Reader = Callable[[Path, Path | None], Iterator[BenchmarkObject]]

READERS: dict[str, Reader] = {
    "diligent": diligent.read,
    "diligent96": diligent.read_all_images,
    "diligent102": diligent_variants.read_102,
    "diligentpi": diligent_variants.read_pi,
    "luces": luces.read,
    "cyclesps": cyclesps.read,
    "nyu": depth_normals.read,
    "ibims": depth_normals.read,
    "shards": shards.read,
    "folder": folder.read,
}


def open_benchmark(
    specs: str | Sequence[str], truth: Path | None = None, only: tuple[str, ...] = ()
) -> Iterator[BenchmarkObject]:
    """Objects of `READER:PATH`, in order. truth: normals kept apart from the images. only: names of objects to take.

    Several specs are places of shards, whose samples make one benchmark. Raises EvaluationError for an unknown reader
    at once, for damaged data when its object's turn comes, and when `only` names an object that is not there.
    """
    several = (specs,) if isinstance(specs, str) else tuple(specs)
    parts = [_parts(spec) for spec in several]
    spec = ", ".join(several)
    if all(name == shards.NAME for name, _ in parts):
        return _selected(shards.read_places([path for _, path in parts]), only, spec)
    if len(parts) > 1:
        raise EvaluationError(
            f"{spec}: only shards may lie in several places; measure the others one at a time"
        )
    name, path = parts[0]
    return _selected(READERS[name](Path(path), truth), only, spec)


def _parts(spec: str) -> tuple[str, str]:
    name, divider, path = spec.partition(":")
    if not divider or name not in READERS or not path:
        raise EvaluationError(
            f"benchmark {spec!r}: expected one of {', '.join(f'{reader}:PATH' for reader in READERS)}"
        )
    return name, path


def _selected(
    objects: Iterator[BenchmarkObject], only: tuple[str, ...], spec: str
) -> Iterator[BenchmarkObject]:
    seen: list[str] = []
    for target in objects:
        seen.append(target.name)
        if not only or target.name in only:
            yield target
    missing = [name for name in only if name not in seen]
    if missing:
        known = ", ".join(dict.fromkeys(seen))
        raise EvaluationError(f"{spec}: no object {', '.join(missing)}; it has {known}")


def read_folder(
    path: Path,
    light_file: Path | None = None,
    mask_file: Path | None = None,
    srgb: bool = False,
    ambient: Path | None = None,
    position_file: Path | None = None,
    aside: tuple[Path, ...] = (),
) -> BenchmarkObject:
    """The one object in a folder, or the sample SHARD#KEY of a shard.

    A folder's layout is recognised by files that only one benchmark has; else it is a plain folder.

    A DiLiGenT object's folder (`ballPNG` with its three text files) is read with the rules of that set: the damaged
    images of bear are left out. Any other argument makes it a plain folder.

    light_file, mask_file, srgb, ambient, position_file, aside: as for `folder.read_object`.
    """
    given = (light_file, mask_file, ambient, position_file)
    plain = srgb or any(each is not None for each in given)
    if shards.is_sample(path) and not path.is_dir():
        if plain:
            raise EvaluationError(f"{path}: a sample of a shard has its lights and its mask, and is linear")
        return shards.read_sample(path)
    if not path.is_dir():
        raise EvaluationError(f"{path}: no such folder")
    if not plain:
        if (path / luces.SETUP).is_file():
            return next(luces.read(path))
        if path.resolve().name.endswith("PNG") and (path / diligent.INTENSITIES).is_file():
            return next(diligent.read(path.resolve()))
    return folder.read_object(
        path,
        light_file,
        mask_file,
        srgb=srgb,
        ambient=ambient,
        position_file=position_file,
        aside=aside,
    )
