# SPDX-License-Identifier: Apache-2.0
"""The lines of an OBJ file -> the first index of a face that names nothing: Blender drops such a face in silence."""

from collections.abc import Iterable, Iterator

KINDS = {"v": "vertex", "vt": "texture coordinate", "vn": "normal"}
# Blender takes indices of texture coordinates and normals for none where a file has none at all.
MAY_BE_ABSENT = ("vt", "vn")


def wrong_index(lines: Iterable[str]) -> str | None:
    """Find the first index of a face, 1-based or negative, that names nothing that stands before it.

    Args:
        lines: Of the file, as text.

    Returns:
        A sentence with the number of its line; None if there is none. What is no index is left to who reads the file.
    """
    counts = dict.fromkeys(KINDS, 0)
    found: set[str] = set()  # corners that name what is there; what stands there stays
    for number, line in _whole(lines):
        words = line.split()
        if not words:
            continue
        if words[0] in counts:
            if not counts[words[0]]:
                found.clear()  # what was absent until now was not looked for
            counts[words[0]] += 1
        elif words[0] == "f":
            for corner in words[1:]:
                if corner in found:
                    continue
                if (wrong := _wrong(corner, counts)) is not None:
                    return f"line {number}: a face names {wrong} so far"
                if "-" not in corner:
                    found.add(corner)
    return None


def _wrong(corner: str, counts: dict[str, int]) -> str | None:
    """What a corner names that is not there."""
    for kind, text in zip(KINDS, corner.split("/"), strict=False):
        try:
            index = int(text)
        except ValueError:
            continue
        count = counts[kind]
        named = index if index > 0 else count + 1 + index
        if (index == 0 or not 0 < named <= count) and (count or kind not in MAY_BE_ABSENT):
            return f"{KINDS[kind]} {index} of {count}"
    return None


def _whole(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1; one that ends in a backslash with those that continue it."""
    begun, first = "", 0
    for number, line in enumerate(lines, 1):
        first = first or number
        if "\\" in line and line.rstrip("\r\n").endswith("\\"):
            begun += line.rstrip("\r\n")[:-1] + " "
            continue
        yield first, begun + line
        begun, first = "", 0
    if begun:
        yield first, begun
