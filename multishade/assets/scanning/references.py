# SPDX-License-Identifier: Apache-2.0
"""A mesh file in, the names of the further files that it needs out; what is missing or lies elsewhere is refused."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from multishade.assets.scanning.findings import mtl_findings
from multishade.errors import AssetError
from multishade.protocol.obj_indices import wrong_index
from multishade.text import marked_encoding

# What the lines of a library begin with that name an image.
TEXTURES = ("map_", "bump", "disp", "norm", "refl", "decal")
NORMAL_MAPS = ("norm", "map_bump", "bump")


def require_below(file: Path, name: str, root: Path) -> None:
    """Require that a referenced file lies below `root` or the mesh's own folder, links followed."""
    real = os.path.realpath(file)
    folder = os.path.realpath(root)
    if os.path.commonpath([real, folder]) != folder:
        raise AssetError(f"refers to {name!r}, which lies outside of the folder {root}")


def texture_of_ply(file: Path) -> str | None:
    """The texture that a PLY's header names in a comment, as MeshLab writes it, relative to its folder.

    Raises AssetError if the texture is missing, or faces are triangle strips, which neither trimesh nor Blender reads.
    """
    with file.open("rb") as stream:
        header = stream.read(65536).split(b"end_header")[0]
    for line in header.decode("utf-8", errors="replace").splitlines():
        words = line.split(None, 2)
        if words[:2] == ["element", "tristrips"] and words[2:] != ["0"]:
            raise AssetError(
                "its faces are triangle strips (element tristrips), which are not read; convert it"
            )
        if len(words) == 3 and words[0] == "comment" and words[1].lower() == "texturefile":
            name = _beside(file.parent, [words[2].strip()])
            if name is None:
                raise AssetError(f"needs the texture {words[2].strip()!r}, which is missing")
            return name
    return None


def loses_colour_of_ply(file: Path) -> bool:
    """Whether a PLY has colours that are not shown: those of faces, or a texture without UVs of the vertices."""
    with file.open("rb") as stream:
        header = stream.read(65536).split(b"end_header")[0].decode("utf-8", errors="replace").splitlines()
    element, properties, textured = "", set(), False
    for words in map(str.split, header):
        textured |= words[:1] == ["comment"] and len(words) > 2 and words[1].lower() == "texturefile"
        if words[:1] == ["element"] and len(words) == 3:
            element = words[1]
        elif words[:1] == ["property"] and len(words) == 3:
            properties.add((element, words[2]))
    if textured:
        return not any(("vertex", name) in properties for name in ("s", "u", "texture_u"))
    red = ("red", "diffuse_red", "r")
    return any(("face", name) in properties for name in red) and not any(
        ("vertex", name) in properties for name in red
    )


def files_of_usd(file: Path, root: Path) -> tuple[str, ...]:
    """The names of the layers and textures that a text USD refers to; those of other files Blender alone can tell."""
    if file.suffix.lower() not in (".usda", ".usd") or not file.read_bytes()[:5] == b"#usda":
        return ()
    names = set()
    for name in re.findall(r"@([^@\n]+)@", file.read_text(encoding="utf-8", errors="replace")):
        plain = name.split("[")[0]
        if plain.lower().endswith(".mdl") or "<UDIM>" in plain:
            continue
        if not (file.parent / plain).is_file():
            raise AssetError(f"needs {plain!r}, which is missing")
        require_below(file.parent / plain, plain, root)
        names.add(os.path.relpath(file.parent / plain, file.parent).replace(os.sep, "/"))
    return tuple(sorted(names))


def files_of_obj(file: Path, root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names of the material libraries and textures that an OBJ needs, tags).

    Raises AssetError if one is missing or lies elsewhere, or a face names what is not there.
    """
    with file.open("rb") as stream:
        if b"\0" in stream.read(512):
            raise AssetError("is not text in UTF-8 (it has zero bytes); Blender reads no other")
    with file.open(encoding=marked_encoding(file) or "utf-8", errors="replace") as lines:
        if (reason := wrong_index(lines)) is not None:
            raise AssetError(reason)
    names: set[str] = set()
    tags: tuple[str, ...] = ()
    for words in _statements(file, ("mtllib",)):
        libraries, missing = _libraries(file.parent, words[1:])
        tags += ("no-material",) if missing else ()
        for library in libraries:
            require_below(file.parent / library, library, root)
            names.add(library)
            tags += mtl_findings(
                _statements(file.parent / library, ("newmtl", "ke", "kd", "map_kd", "d ", "d\t", "tr "))
            )
            names.update(_textures(file.parent, library))
    return tuple(sorted(names)), tuple(sorted(set(tags)))


def normal_maps_of_obj(file: Path) -> set[str]:
    """Return the images that rendering takes for normal maps: of each material the last `norm`, else `bump`.

    To be called after `files_of_obj`. Names are relative to the folder of the OBJ.
    """
    names = set()
    for line in _statements(file, ("mtllib",)):
        for library in _libraries(file.parent, line[1:])[0]:
            materials: list[dict[str, list[str]]] = [{}]
            for words in _statements(file.parent / library, ("newmtl", *NORMAL_MAPS)):
                key = words[0].lower()
                if key == "newmtl":
                    materials.append({})
                elif key in NORMAL_MAPS:
                    materials[-1]["norm" if key == "norm" else "bump"] = words
            chosen = [each.get("norm", each.get("bump")) for each in materials]
            names |= _named(file.parent, library, [words for words in chosen if words is not None])
    return names


def _libraries(folder: Path, words: list[str]) -> tuple[list[str], bool]:
    """The libraries that a line names, one whose name may have spaces or several, and whether any is missing."""
    whole = _beside(folder, [" ".join(words)])
    if whole is not None:
        return [whole], False
    found = [_beside(folder, [word]) for word in words]
    return [name for name in found if name is not None], None in found


def _textures(folder: Path, library: str) -> set[str]:
    """The textures of a library, relative to the folder of the OBJ. Raises AssetError if one is missing."""
    return _named(folder, library, _statements(folder / library, TEXTURES))


def _named(folder: Path, library: str, statements: Iterable[list[str]]) -> set[str]:
    """The textures that statements of a library name, likewise."""
    names = set()
    for words in statements:
        name = _beside((folder / library).parent, words[1:])
        if name is None:
            raise AssetError(f"needs the texture {words[-1]!r} (named in {library}), which is missing")
        names.add((Path(library).parent / name).as_posix())
    return names


def _statements(file: Path, keywords: tuple[str, ...]) -> Iterator[list[str]]:
    """The words of the lines that begin with one of `keywords`, in text of any encoding that states itself."""
    with file.open(encoding=marked_encoding(file) or "utf-8", errors="replace") as lines:
        for line in lines:
            if line.lstrip().lower().startswith(keywords):
                try:
                    words = shlex.split(line, comments=False, posix=False)
                except ValueError:
                    words = line.split()
                if len(words) > 1:
                    yield words


def _beside(folder: Path, words: list[str]) -> str | None:
    """The file that the words name, relative to `folder`: names may contain spaces, options may precede them.

    A path on the author's own disk is looked up by its last part, as Blender does.
    """
    for first in range(len(words)):
        name = " ".join(words[first:]).strip("\"'").replace("\\", "/")
        for candidate in (name, name.rpartition("/")[2]):
            if candidate and not candidate.startswith("/") and (folder / candidate).is_file():
                return candidate
    return None
