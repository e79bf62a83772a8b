# SPDX-License-Identifier: Apache-2.0
"""A CyclesPS folder (Ikehata, ECCV 2018) -> one object for each `<name>.obj` folder and material kind.

Layout: `PRPS/<name>.obj/` and `PRPS_Diffuse/<name>.obj/`, each with `light.txt`, `gt_normal.tif` (16 bit),
`inboundary.png`, `onboundary.png`, and the images as `images_diffuse/`, `images_specular/` or
`images_metallic/00000.tif`; newer releases have `00000_direct.tif` and `00000_indirect.tif` in the object's
folder itself. All lights have strength one.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.evaluation.readers.folder_files import visible
from multishade.evaluation.readers.photographs import PhotographFiles
from multishade.geometry import lights
from multishade.imaging.normal_maps import read_normal_map
from multishade.imaging.read import read_mask

NAME = "cyclesps"
LIGHTS, TRUTH = "light.txt", "gt_normal.tif"


def read(root: Path, truth: Path | None = None) -> Iterator[BenchmarkObject]:
    """Every object and material kind under `root`, by path. Truth lies beside the images; `truth` is not used."""
    if not root.is_dir():
        raise EvaluationError(f"{root}: no such folder")
    folders = [root] if (root / LIGHTS).is_file() else sorted(path.parent for path in root.rglob(LIGHTS))
    is_empty = True
    for folder in folders:
        for kind, paths in _sequences(folder).items():
            is_empty = False
            # PRPS and PRPS_Diffuse hold folders of one name, so the set is part of the object's.
            prefix = "" if folder == root else "/".join(folder.relative_to(root).parts[:-1])
            shape = folder.name.removesuffix(".obj")
            yield _read_object(folder, "/".join(filter(None, (prefix, shape, kind))), shape, kind, paths)
    if is_empty:
        raise EvaluationError(
            f"{root}: no folder with {LIGHTS} and images_*/00000.tif; is it a CyclesPS set?"
        )


def _sequences(folder: Path) -> dict[str, list[Path]]:
    sequences = {
        sub.name.removeprefix("images_"): visible(sub.glob("*.tif"))
        for sub in sorted(folder.glob("images_*"))
        if sub.is_dir()
    }
    for kind in ("direct", "indirect"):
        sequences[kind] = visible(folder.glob(f"*_{kind}.tif"))
    return {kind: paths for kind, paths in sequences.items() if paths}


def _read_object(folder: Path, name: str, shape: str, kind: str, paths: list[Path]) -> BenchmarkObject:
    directions = lights.read_directions(folder / LIGHTS)
    if len(directions) != len(paths):
        raise EvaluationError(
            f"{folder}: {len(paths)} images of kind {kind}, {len(directions)} rows in {LIGHTS}"
        )
    photographs = PhotographFiles(paths)
    normal = read_normal_map(folder / TRUTH) if (folder / TRUTH).is_file() else None
    return BenchmarkObject(
        name=name,
        benchmark=NAME,
        mask=_mask(folder, normal),
        image_names=tuple(path.name for path in paths),
        load_image=photographs.load,
        clipped=photographs.clipped,
        directions=directions,
        normal=normal,
        tags={"family": shape, "material": kind},
    )


def _mask(folder: Path, normal: Float32 | None) -> NDArray[np.bool_]:
    """The pixels inside and on the object's outline; without those files, where the truth has a normal."""
    parts = [folder / name for name in ("inboundary.png", "onboundary.png") if (folder / name).is_file()]
    if parts:
        return np.logical_or.reduce([read_mask(part) for part in parts])
    if normal is None:
        raise EvaluationError(
            f"{folder}: neither inboundary.png nor {TRUTH}: nothing says where the object is"
        )
    return (normal != 0).any(axis=2)
