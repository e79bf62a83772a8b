# SPDX-License-Identifier: Apache-2.0
"""Image files in, PBR map sets out: files of one folder with the same set name, at the same resolution, are one set.

Names are read by `map_names`. Smoothness is inverted roughness; of a map that packs several in its channels each one is
taken that has no file of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from multishade.assets.scanning.map_images import MAP_SUFFIXES, read_alpha, read_map
from multishade.assets.scanning.map_names import SUFFIXES, TILES_OR_SIZES, MapName, parse_name
from multishade.errors import AssetError
from multishade.imaging.handedness import Convention, Test, convention_of

METALLIC_FROM = 0.5  # mean of the metallic map from which a material counts as metallic
HEIGHT_BOUNDS = (
    -0.01,
    1.01,
)  # float heights within are a share of the relief, others are in a unit of their own
HEIGHT_PERCENTILES = (0.1, 99.9)  # a few stray pixels do not decide the range


@dataclass(frozen=True)
class MapSet:
    """One material's files in one folder.

    Attributes:
        folder: The folder.
        name: Name of the set.
        maps: File names by map.
        convention: Handedness of the normal map by its name, None if the name does not state it.
        problem: Why the set cannot be used, None if it can.
        channels: For each map that is one channel of a packed image: "R", "G", "B" or "A".
        inverted: Maps whose files hold one minus the value: roughness that is given as smoothness.
        unread: Image files of the set that are not used, with the reason.
    """

    folder: Path
    name: str
    maps: dict[str, str]
    convention: Convention | None = None
    problem: str | None = None
    channels: dict[str, str] = field(default_factory=dict)
    inverted: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


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
        height_span: Range of a height map in a unit of its own, such as metres; None if its values are from 0 to 1.
    """

    kind: Literal["metallic", "non-metallic"]
    convention: Convention | None
    convention_from: Literal["name"] | Test | None
    disputed: bool
    width: int
    height: int
    height_span: float | None = None


@dataclass
class _Draft:
    name: str
    maps: dict[str, list[tuple[int, int, int, str]]] = field(
        default_factory=dict
    )  # (variant, rank of name, of format, file)
    names: dict[str, MapName] = field(default_factory=dict)  # by file
    unread: dict[str, str] = field(default_factory=dict)  # file -> reason
    tiles: set[str] = field(default_factory=set)


def find_map_sets(files: Iterable[Path]) -> list[MapSet]:
    """Group image files into map sets.

    If a normal map exists in both conventions, OpenGL's is used. A set without a base colour, with its roughness in a
    form that a material cannot use, with a base colour only, or of UDIM tiles has a `problem`.

    Args:
        files: Any files; those whose names name no map are left out, but named in `unread` of the set they belong to.

    Returns:
        The sets, sorted by folder and name.
    """
    drafts: dict[tuple[Path, str, str], _Draft] = {}  # by folder, name in lower case, resolution
    others: list[tuple[Path, MapName]] = []
    for file in sorted(files):
        if file.suffix.lower() not in MAP_SUFFIXES:
            continue
        name = parse_name(file.stem)
        if not name.map:
            others.append((file, name))
            continue
        draft = drafts.setdefault((file.parent, name.set.lower(), name.resolution), _Draft(name.set))
        draft.names[file.name] = name
        draft.tiles |= {name.tile} if name.tile else set()
        if name.map == "packed":
            rank = 0
        elif name.map == "normal":
            rank = {"opengl": 0, None: 1, "directx": 2}[name.convention]
        else:
            rank = SUFFIXES[name.map].index(name.word)
        choice = (name.variant, rank, MAP_SUFFIXES.index(file.suffix.lower()), file.name)
        draft.maps.setdefault(name.map, []).append(choice)
    _join_tiles(drafts)
    _add_unread(drafts, others)
    return [
        _finish(folder, draft) for (folder, _, _), draft in sorted(drafts.items(), key=lambda item: item[0])
    ]


def _join_tiles(drafts: dict[tuple[Path, str, str], _Draft]) -> None:
    """A number that may be a resolution or a UDIM tile is a tile beside other tiles of the same name."""
    for key in [key for key in drafts if key[2] in TILES_OR_SIZES]:
        whole = drafts.get((key[0], key[1], ""))
        if whole is not None and whole.tiles:
            whole.tiles.add(key[2])
            del drafts[key]


def _add_unread(drafts: dict[tuple[Path, str, str], _Draft], others: list[tuple[Path, MapName]]) -> None:
    """Name each image whose words continue the name of a set in its folder: a map of a kind that is not read."""
    for file, name in others:
        for (folder, start, resolution), draft in drafts.items():
            continues = name.set.lower().startswith(f"{start}_" if start else "")
            if folder == file.parent and continues and name.resolution in ("", resolution):
                draft.unread.setdefault(file.name, "its name is of no map that is read")


def _finish(folder: Path, draft: _Draft) -> MapSet:
    chosen = {kind: min(choices)[3] for kind, choices in draft.maps.items()}
    maps = {kind: file for kind, file in chosen.items() if kind not in ("packed", "smoothness")}
    channels: dict[str, str] = {}
    inverted: tuple[str, ...] = ()
    if "roughness" not in maps and "smoothness" in chosen:
        maps["roughness"], inverted = chosen["smoothness"], ("roughness",)
    packed = chosen.get("packed")
    if packed is not None:
        for kind, channel in (draft.names[packed].channels or {}).items():
            if kind not in maps:
                maps[kind], channels[kind] = packed, channel
                inverted += (kind,) if channel == "A" else ()
    unread = dict(draft.unread)
    for kind, choices in draft.maps.items():
        for variant, _, _, file in choices:
            if variant and file not in maps.values():
                unread[file] = f"{chosen[kind]} is used instead"
    problem = None
    if draft.tiles:
        shown = ", ".join(sorted(draft.tiles)[:3])
        problem = (
            f"is made of UDIM tiles ({shown}), which are not read: each covers another part of one model. Bake them "
            "into one image, or rename them if the number means something else"
        )
    elif "base_color" not in maps:
        present = ", ".join(sorted(maps)) or ", ".join(sorted(chosen))
        problem = f"has no base colour map (found: {present}); its name has to end in 'basecolor', 'albedo' or 'color'"
    elif "roughness" not in maps and packed is not None:
        problem = (
            f"has its roughness packed in {packed}, in a channel that its name does not state; add a map of roughness "
            "alone"
        )
    elif len(maps) == 1:
        problem = "is a base colour alone, without a roughness or normal map: it looks like a plain texture"
    convention = draft.names[maps["normal"]].convention if "normal" in maps else None
    return MapSet(
        folder,
        draft.name or folder.name,
        maps,
        convention,
        problem,
        channels,
        inverted,
        tuple(sorted(unread.items())),
    )


def check_map_set(map_set: MapSet) -> MapSetFacts:
    """Read and check every image of a set; call this through `sandbox.run_sandboxed`.

    Args:
        map_set: The set.

    Returns:
        Kind, convention of the normal map and size.

    Raises:
        AssetError: If the set cannot be used, with the reason.
    """
    images = {kind: _read(map_set, kind) for kind in map_set.maps}
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
        height_span=_height_span(images.get("height")),
    )


def _read(map_set: MapSet, kind: str) -> NDArray[np.float32]:
    """One map of a set, (H, W, C); of a packed image its channel."""
    name = map_set.maps[kind]
    if map_set.channels.get(kind) == "A":
        return 1 - read_alpha(map_set.folder / name)
    image = read_map(map_set.folder / name)
    if kind in map_set.channels:
        if image.shape[2] < 3:
            raise AssetError(f"{name} has one channel; its name says that several maps are packed in it")
        channel = "RGB".index(map_set.channels[kind])
        image = image[..., channel : channel + 1]
    return 1 - image if kind in map_set.inverted else image


def _height_span(image: NDArray[np.float32] | None) -> float | None:
    """The range of heights that are not within 0 to 1, without a few stray pixels; None for others."""
    if image is None:
        return None
    low, high = HEIGHT_BOUNDS
    heights = image[..., 0]
    if low <= float(heights.min()) and float(heights.max()) <= high:
        return None
    least, most = np.percentile(heights, HEIGHT_PERCENTILES)
    if not most > least:
        raise AssetError("its height map is of one height outside 0 to 1: it has no relief")
    return float(most - least)


def map_set_files(sets: Sequence[MapSet]) -> set[Path]:
    """Return every file that belongs to one of the sets."""
    return {each.folder / PurePosixPath(name) for each in sets for name in each.maps.values()}
