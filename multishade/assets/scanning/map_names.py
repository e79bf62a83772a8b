# SPDX-License-Identifier: Apache-2.0
"""The name of an image file in, the map of a PBR set that it names out, as ambientCG, Poly Haven and others name them.

A name is split into words; the words at its end name the map, the others name the set. Marks of resolution, format,
level of detail (LOD0), variant (VAR2), copy ("(1)", "copy") and UDIM tile (1001, u1_v1) belong to neither.
"""

import re
from dataclasses import dataclass

from multishade.imaging.handedness import Convention

# The words (joined, lower case) that name a map; of several files for one map the earliest name here is used.
SUFFIXES: dict[str, tuple[str, ...]] = {
    "base_color": ("basecolor", "basecolour", "albedo", "color", "colour", "col", "diffuse", "diff", "base"),
    "roughness": ("roughness", "rough", "rgh"),
    "smoothness": ("smoothness", "smooth", "glossiness", "gloss"),
    "metallic": ("metallic", "metalness", "metallness", "metal"),
    "normal": ("normal", "nor", "nrm", "norm"),
    "height": ("height", "displacement", "disp", "bump"),
    "ao": ("ambientocclusion", "ao", "occlusion"),
    "opacity": ("opacity", "alpha"),
}
OPENGL, DIRECTX = ("gl", "opengl", "ogl"), ("dx", "directx", "d3d")
# Channels of a packed map whose name is not spelled by their letters: glTF's; Unity's, which have smoothness in alpha;
# and those of which roughness is not read, since their order is not stated.
PACKED_WORDS: dict[str, dict[str, str] | None] = {
    "occlusionroughnessmetallic": {"ao": "R", "roughness": "G", "metallic": "B"},
    "roughnessmetallic": {"roughness": "G", "metallic": "B"},
    "metallicroughness": {"roughness": "G", "metallic": "B"},
    "metallicsmoothness": {"metallic": "R", "roughness": "A"},
    "metallicgloss": {"metallic": "R", "roughness": "A"},
    "maskmap": {"metallic": "R", "ao": "G", "roughness": "A"},
    "rm": None,
    "mr": None,
}
_LETTERS = {
    "ao": "ao",
    "dp": "height",
    "a": "ao",
    "o": "ao",
    "r": "roughness",
    "m": "metallic",
    "d": "height",
    "h": "height",
}
_LETTER = "|".join(_LETTERS)  # "ao" and "dp" before "a" and "d"
_CHANNELS = ("R", "G", "B")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W_]")
_RESOLUTION = re.compile(r"(?:\d{1,2}k|\d{3,5}(?:x\d{3,5})?(?:px)?)", re.IGNORECASE)
_FORMATS = ("jpg", "png", "exr", "tif", "tiff", "webp", "8bit", "16bit", "4ch")
_COPY = re.compile(r"\s*\((\d{1,3})\)(?=[\s_.\-]|$)")
_VARIANT = re.compile(r"(?:lod|var)(\d{1,2})|copy()", re.IGNORECASE)
_TILE = re.compile(r"1[0-9]{3}")
FIRST_TILE, LAST_TILE = 1001, 1099
TILES_OR_SIZES = ("1024", "1080")  # a tile of a UDIM set only beside other tiles


@dataclass(frozen=True)
class MapName:
    """What the stem of a file says.

    Attributes:
        set: Name of the set; may be empty.
        resolution: "1k", "4096", or empty.
        map: One of `SUFFIXES`, or "packed" for several in the channels of one image, or "" if the words name no map.
        word: The words that name the map, joined, lower case.
        convention: Handedness of a normal map, if the name states it.
        channels: Of a packed map: map -> "R", "G", "B", or "A" of roughness that is given as smoothness; None if
            roughness is in none of them.
        variant: 0 for the file itself or its finest level of detail; larger for alternatives.
        tile: UDIM tile, or empty.
    """

    set: str
    resolution: str
    map: str
    word: str = ""
    convention: Convention | None = None
    channels: dict[str, str] | None = None
    variant: int = 0
    tile: str = ""


def parse_name(stem: str) -> MapName:
    """Split a file's stem: "Bricks102_1K-JPG_NormalDX" -> set "Bricks102", resolution "1k", map "normal", "directx".

    If the words name no map, `map` is empty and `set` holds all of them.
    """
    variant = sum(int(number) for number in _COPY.findall(stem))
    pieces = [piece for piece in re.split(r"[\s_.\-]+", _COPY.sub("", stem)) if piece]
    pieces, tile = _without_tile(pieces)
    resolution = ""
    remaining: list[str] = []
    for position, piece in enumerate(pieces):
        if position and (mark := _VARIANT.fullmatch(piece)):
            variant += int(mark.group(1) or 1)
        elif position and _RESOLUTION.fullmatch(piece):
            resolution = piece.lower()
        elif not (position and piece.lower() in _FORMATS):
            remaining.append(piece)
    words = [(index, word) for index, piece in enumerate(remaining) for word in _WORD.findall(piece)]
    if words and words[-1][1].lower() in ("map", "tex", "texture") and not _is_mask_map(words):
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
        return MapName(name, resolution, *meaning, variant, tile)
    return MapName("_".join(remaining), resolution, "", variant=variant, tile=tile)


def packed_channels(word: str) -> dict[str, str] | None:
    """Read the letters of a packed map in the order of its channels: "mrao" -> metallic R, roughness G, ao B.

    Returns None if `word` is not spelled by three or four different maps, one of which is roughness in R, G or B.
    """
    if not re.fullmatch(f"(?:{_LETTER}){{3,4}}", word):
        return None
    maps = [_LETTERS[letter] for letter in re.findall(_LETTER, word)]
    if len(set(maps)) < len(maps) or len(maps) > 4 or "roughness" not in maps[: len(_CHANNELS)]:
        return None
    return dict(zip(maps, _CHANNELS, strict=False))  # a fourth would be in alpha, which is not read


def _meaning(
    ending: str,
) -> tuple[str, str, Convention | None, dict[str, str] | None] | None:
    """(map, its name, convention, channels) that an ending means."""
    for mark in (*OPENGL, *DIRECTX):
        if ending.endswith(mark) and ending.removesuffix(mark) in SUFFIXES["normal"]:
            return "normal", ending.removesuffix(mark), "opengl" if mark in OPENGL else "directx", None
    for kind, suffixes in SUFFIXES.items():
        if ending in suffixes:
            return kind, ending, None, None
    if ending in PACKED_WORDS:
        return "packed", ending, None, PACKED_WORDS[ending]
    channels = packed_channels(ending)
    return None if channels is None else ("packed", ending, None, channels)


def _is_mask_map(words: list[tuple[int, str]]) -> bool:
    """Whether a name ends in Unity's "MaskMap"; other names of maps may have "map" behind them."""
    return len(words) > 1 and words[-2][1].lower() == "mask" and words[-1][1].lower() == "map"


def _without_tile(pieces: list[str]) -> tuple[list[str], str]:
    """The pieces without that of a UDIM tile: 1001 to 1099, or u1 and v1; and the tile."""
    if (
        len(pieces) > 2
        and re.fullmatch(r"u\d{1,2}", pieces[-2], re.I)
        and re.fullmatch(r"v\d{1,2}", pieces[-1], re.I)
    ):
        return pieces[:-2], "_".join(pieces[-2:]).lower()
    for position, piece in enumerate(pieces):
        number = int(piece) if _TILE.fullmatch(piece) else 0
        if position and FIRST_TILE <= number <= LAST_TILE and piece not in TILES_OR_SIZES:
            return pieces[:position] + pieces[position + 1 :], piece
    return pieces, ""
