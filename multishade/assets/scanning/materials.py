# SPDX-License-Identifier: Apache-2.0
"""Names of image files in, PBR map sets out, by the suffixes that ambientCG, Poly Haven, MatSynth and others use.

A name is split into words; the words at its end name the map, the others name the set. Files of one folder with the
same set name, at the same resolution, are one set.
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

# The words (joined, lower case) that name a map; of several files for one map the earliest name here is used.
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
# Maps that contain roughness in a form that a material cannot use.
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
    """One material's files in one folder.

    Attributes:
        folder: The folder.
        name: Name of the set.
        maps: File names by map.
        convention: Handedness of the normal map by its name, None if the name does not state it.
        problem: Why the set cannot be used, None if it can.
    """

    folder: Path
    name: str
    maps: dict[str, str]
    convention: Convention | None = None
    problem: str | None = None


@dataclass(frozen=True)
class MapSetFacts:
    """Facts of a set's images.

    Attributes:
        kind: Whether it is a metal.
        convention: Handedness of the normal map, None if undetermined.
        convention_from: The test that determined it.
        disputed: Whether the file's name states one convention and its pixels show the other.
        width: Pixels of the base colour.
        height: Pixels of the base colour.
    """

    kind: Literal["metallic", "non-metallic"]
    convention: Convention | None
    convention_from: Literal["name"] | Test | None
    disputed: bool
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
    """Group image files into map sets.

    If a normal map exists in both conventions, OpenGL's is used. A set without a base colour, with its roughness in a
    form that a material cannot use, or with a base colour only, has a `problem`.

    Args:
        files: Any files; those whose names name no map are left out.

    Returns:
        The sets, sorted by folder and name.
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
    """Split a file's stem into (name of the set, resolution, map, the word that names the map, convention).

    "Bricks102_1K-JPG_NormalDX" -> ("Bricks102", "1k", "normal", "normal", "directx"). The map is "packed" if it is one
    of `PACKED`. Returns None if the stem names no map.
    """
    pieces = [piece for piece in re.split(r"[\s_.\-]+", stem) if piece]
    resolution = ""
    remaining = []
    for position, piece in enumerate(pieces):
        if position and _RESOLUTION.fullmatch(piece):
            resolution = piece.lower()
        elif not (position and piece.lower() in _FORMATS):
            remaining.append(piece)
    words = [(index, word) for index, piece in enumerate(remaining) for word in _WORD.findall(piece)]
    if words and words[-1][1].lower() in ("map", "tex", "texture"):
        words.pop()
    for take in (4, 3, 2, 1):  # the longest ending with a meaning: "ambient occlusion", "normal gl"
        if take > len(words):
            continue
        ending = "".join(word for _, word in words[-take:]).lower()
        meaning = _meaning(ending)
        if meaning is None:
            continue
        first = words[-take][0]
        # Words of a piece in front of the ending ("RustyMetal" in "RustyMetalNormal") still belong to the name.
        inside = "".join(word for index, word in words[:-take] if index == first)
        name = "_".join([*remaining[:first], *([inside] if inside else [])])
        return (name, resolution, *meaning)
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
        present = ", ".join(sorted(maps)) or ", ".join(sorted(draft.packed))
        problem = f"has no base colour map (found: {present}); its name has to end in 'basecolor', 'albedo' or 'color'"
    elif "roughness" not in maps and draft.packed:
        word, file = sorted(draft.packed.items())[0]
        problem = f"has its roughness {PACKED[word]} in {file}; add a map of roughness alone"
    elif len(maps) == 1:
        problem = "is a base colour alone, without a roughness or normal map: it looks like a plain texture"
    convention = draft.conventions.get(maps["normal"]) if "normal" in maps else None
    return MapSet(folder, draft.name or folder.name, maps, convention, problem)


def check_map_set(map_set: MapSet) -> MapSetFacts:
    """Read and check every image of a set; call this through `sandbox.run_sandboxed`.

    Args:
        map_set: The set.

    Returns:
        Kind, convention of the normal map and size.

    Raises:
        AssetError: If the set cannot be used, with the reason.
    """
    images = {kind: read_map(map_set.folder / name) for kind, name in map_set.maps.items()}
    height, width = images["base_color"].shape[:2]
    for kind, image in images.items():
        file, base = map_set.maps[kind], map_set.maps["base_color"]
        if not np.isfinite(image).all():
            raise AssetError(f"{file} has infinite or NaN values")
        if abs(image.shape[1] * height - image.shape[0] * width) > 0.01 * image.shape[1] * height:
            raise AssetError(
                f"{file} is {image.shape[1]} x {image.shape[0]}, {base} is {width} x {height}: another shape"
            )
    metallic = "metallic" in images and float(images["metallic"].mean()) >= METALLIC_FROM
    measured = convention_of(images["normal"], images.get("height")) if "normal" in images else None
    source: Literal["name"] | Test | None
    convention, source = (map_set.convention, "name") if map_set.convention else measured or (None, None)
    return MapSetFacts(
        kind="metallic" if metallic else "non-metallic",
        convention=convention,
        convention_from=source,
        disputed=measured is not None and measured[0] != convention,
        width=width,
        height=height,
    )


def map_set_files(sets: Sequence[MapSet]) -> set[Path]:
    """Return every file that belongs to one of the sets."""
    return {each.folder / PurePosixPath(name) for each in sets for name in each.maps.values()}
