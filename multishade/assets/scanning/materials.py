# SPDX-License-Identifier: Apache-2.0
"""Names of image files in, PBR map sets out, by the suffixes that ambientCG, Poly Haven, MatSynth and others use.

A name is taken apart into words; the words at its end say which map it is, what is left names the set. Files of one
folder with the same rest, at the same resolution, are one set.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from multishade.assets.scanning.map_images import MAP_SUFFIXES, read_map
from multishade.errors import AssetError
from multishade.imaging.handedness import Convention, Test, convention_of

# The words (joined, lower case) that name a map; of several files for one map the earliest name here is taken.
SUFFIXES: dict[str, tuple[str, ...]] = {
    "base_color": ("basecolor", "basecolour", "albedo", "color", "colour", "col", "diffuse", "diff", "base"),
    "roughness": ("roughness", "rough", "rgh"),
    "metallic": ("metallic", "metalness", "metallness", "metal"),
    "normal": ("normal", "nor", "nrm", "norm"),
    "height": ("height", "displacement", "disp", "bump"),
    "ao": ("ambientocclusion", "ao", "occlusion"),
    "opacity": ("opacity", "alpha"),
}
OPENGL, DIRECTX = ("gl", "opengl", "ogl"), ("dx", "directx", "d3d")
# Maps that carry roughness in a way that a material cannot use as it is.
PACKED = {
    "arm": "packed with others",
    "orm": "packed with others",
    "rma": "packed with others",
    "occlusionroughnessmetallic": "packed with others",
    "roughnessmetallic": "packed with others",
    "metallicroughness": "packed with others",
    "gloss": "given as glossiness",
    "glossiness": "given as glossiness",
}
METALLIC_FROM = 0.5  # mean of the metallic map from which a material counts as metallic

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W_]")
_RESOLUTION = re.compile(r"(?:\d{1,2}k|\d{3,5}(?:x\d{3,5})?(?:px)?)", re.IGNORECASE)
_FORMATS = ("jpg", "png", "exr", "tif", "tiff", "webp", "8bit", "16bit", "4ch")


@dataclass(frozen=True)
class MapSet:
    """One material's files in one folder; `maps` are file names by map. `problem`: why it cannot be used."""

    folder: Path
    name: str
    maps: dict[str, str]
    convention: Convention | None = None
    problem: str | None = None


@dataclass(frozen=True)
class MapSetFacts:
    """What reading a set's images tells. `convention_from` is the test that told, None where nothing did."""

    kind: Literal["metallic", "non-metallic"]
    convention: Convention | None
    convention_from: Literal["name"] | Test | None
    disputed: bool  # the file's name says one convention, its pixels the other
    width: int
    height: int


@dataclass
class _Draft:
    name: str
    maps: dict[str, list[tuple[int, int, str]]] = field(
        default_factory=dict
    )  # (rank of name, of format, file)
    conventions: dict[str, Convention | None] = field(default_factory=dict)
    packed: dict[str, str] = field(default_factory=dict)


def find_map_sets(files: Iterable[Path]) -> list[MapSet]:
    """Group image files into map sets, sorted by folder and name; files whose names say nothing are left out.

    Where both handednesses of a normal map are there, OpenGL's is taken. A set without a base colour, or with its
    roughness in a form that no material reads, comes with a `problem`; a lone texture with a map's name does, too.
    """
    drafts: dict[tuple[Path, str, str], _Draft] = {}  # by folder, name in lower case, resolution
    for file in sorted(files):
        if file.suffix.lower() not in MAP_SUFFIXES:
            continue
        parsed = map_of(file.stem)
        if parsed is None:
            continue
        name, resolution, kind, suffix, convention = parsed
        draft = drafts.setdefault((file.parent, name.lower(), resolution), _Draft(name))
        if kind == "packed":
            draft.packed[suffix] = file.name
            continue
        rank = SUFFIXES[kind].index(suffix)
        if kind == "normal":
            rank = {"opengl": 0, None: 1, "directx": 2}[convention]
            draft.conventions[file.name] = convention
        draft.maps.setdefault(kind, []).append((rank, MAP_SUFFIXES.index(file.suffix.lower()), file.name))
    return [
        _finish(folder, draft) for (folder, _, _), draft in sorted(drafts.items(), key=lambda item: item[0])
    ]


def map_of(stem: str) -> tuple[str, str, str, str, Convention | None] | None:
    """(name of the set, resolution, map, the word that said so, convention) of a file's stem; None if it is no map.

    "Bricks102_1K-JPG_NormalDX" -> ("Bricks102", "1k", "normal", "normal", "directx"). The map is "packed" for maps that
    cannot be used as they are.
    """
    pieces = [piece for piece in re.split(r"[\s_.\-]+", stem) if piece]
    resolution = ""
    kept = []
    for position, piece in enumerate(pieces):
        if position and _RESOLUTION.fullmatch(piece):
            resolution = piece.lower()
        elif not (position and piece.lower() in _FORMATS):
            kept.append(piece)
    words = [(index, word) for index, piece in enumerate(kept) for word in _WORD.findall(piece)]
    if words and words[-1][1].lower() in ("map", "tex", "texture"):
        words.pop()
    for take in (4, 3, 2, 1):  # "ambient occlusion", "normal gl": the longest ending that means something
        if take > len(words):
            continue
        ending = "".join(word for _, word in words[-take:]).lower()
        found = _meaning(ending)
        if found is None:
            continue
        first = words[-take][0]
        # Words of a piece in front of the ending ("RustyMetal" in "RustyMetalNormal") still belong to the name.
        inside = "".join(word for index, word in words[:-take] if index == first)
        name = "_".join([*kept[:first], *([inside] if inside else [])])
        return (name, resolution, *found)
    return None


def _meaning(ending: str) -> tuple[str, str, Convention | None] | None:
    """(map, name of the map, convention) that an ending means."""
    convention: Convention | None = None
    for marks, meant in ((OPENGL, "opengl"), (DIRECTX, "directx")):
        for mark in marks:
            if ending.endswith(mark) and ending.removesuffix(mark) in SUFFIXES["normal"]:
                convention = "opengl" if meant == "opengl" else "directx"
                return "normal", ending.removesuffix(mark), convention
    for kind, suffixes in SUFFIXES.items():
        if ending in suffixes:
            return kind, ending, None
    return ("packed", ending, None) if ending in PACKED else None


def _finish(folder: Path, draft: _Draft) -> MapSet:
    maps = {kind: min(choices)[2] for kind, choices in draft.maps.items()}
    problem = None
    if "base_color" not in maps:
        found = ", ".join(sorted(maps)) or ", ".join(sorted(draft.packed))
        problem = f"has no base colour map (found: {found}); its name has to end in 'basecolor', 'albedo' or 'color'"
    elif "roughness" not in maps and draft.packed:
        word, file = sorted(draft.packed.items())[0]
        problem = f"has its roughness {PACKED[word]} in {file}; add a map of roughness alone"
    elif len(maps) == 1:
        problem = "is a base colour alone, without a roughness or normal map: it looks like a plain texture"
    convention = draft.conventions.get(maps["normal"]) if "normal" in maps else None
    return MapSet(folder, draft.name or folder.name, maps, convention, problem)


def check_map_set(found: MapSet) -> MapSetFacts:
    """Read every image of a set. Raises AssetError with the reason for refusing it; run it through `assets.guard`."""
    images = {kind: read_map(found.folder / name) for kind, name in found.maps.items()}
    height, width = images["base_color"].shape[:2]
    for kind, image in images.items():
        if not np.isfinite(image).all():
            raise AssetError(f"{found.maps[kind]} has infinite or NaN values")
        if abs(image.shape[1] * height - image.shape[0] * width) > 0.01 * image.shape[1] * height:
            raise AssetError(
                f"{found.maps[kind]} is {image.shape[1]} x {image.shape[0]}, {found.maps['base_color']} is {width} x "
                f"{height}: another shape"
            )
    metallic = "metallic" in images and float(images["metallic"].mean()) >= METALLIC_FROM
    measured = convention_of(images["normal"], images.get("height")) if "normal" in images else None
    told: Literal["name"] | Test | None
    convention, told = (found.convention, "name") if found.convention else measured or (None, None)
    return MapSetFacts(
        kind="metallic" if metallic else "non-metallic",
        convention=convention,
        convention_from=told,
        disputed=measured is not None and measured[0] != convention,
        width=width,
        height=height,
    )


def map_set_files(sets: Sequence[MapSet]) -> set[Path]:
    """Every file that belongs to one of the sets."""
    return {each.folder / PurePosixPath(name) for each in sets for name in each.maps.values()}
