# SPDX-License-Identifier: Apache-2.0
"""A file in, the licence that it or a text beside it states out, as an SPDX identifier if there is one."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from multishade.errors import AssetError
from multishade.text import decode_text, read_text

UNKNOWN = "unknown"
MAX_TEXT_BYTES = 200_000  # of a README that are searched
MAX_TABLE_BYTES = 64 << 20  # of a SOURCES.tsv
PARENTS_OF_SOURCES = 4  # folders above a file in which SOURCES.tsv is looked for

_TEXT_NAMES = re.compile(r"(licen[cs]e|copying|readme|credits|attribution|source)[^/]*", re.IGNORECASE)
_TEXT_SUFFIXES = ("", ".txt", ".md", ".html", ".json", ".rst")
_CC = re.compile(
    r"\b(?:cc|creative\s?commons(?:\s+attribution)?|licenses)[\s/_-]*\(?(?:cc[\s-]*)?"
    r"(?P<kind>by(?:[\s-]*(?:nc|nd|sa)){0,2}|attribution(?:[\s-]*(?:non-?commercial|no-?derivatives|share-?alike)){0,2})"
    r"\)?[\s/_-]*(?P<version>[1-4]\.0)?",
    re.IGNORECASE,
)
_CC0 = re.compile(r"\bcc[\s-]?0\b|cc0-1\.0|publicdomain/zero|creative\s?commons\s+zero", re.IGNORECASE)
_OTHERS = (
    (
        re.compile(r"\bapache(?:\s+license|[\s-])*[\s,]*(?:version\s*)?2(?:\.0)?\b", re.IGNORECASE),
        "Apache-2.0",
    ),
    (re.compile(r"\bMIT\b|(?i:\bmit license\b)"), "MIT"),
    (re.compile(r"\bBSD[\s-]3", re.IGNORECASE), "BSD-3-Clause"),
    (re.compile(r"\bBSD[\s-]2", re.IGNORECASE), "BSD-2-Clause"),
    (re.compile(r"permission is hereby granted, free of charge", re.IGNORECASE), "MIT"),
    (re.compile(r"\bodc-by\b", re.IGNORECASE), "ODC-By-1.0"),
)
# Codes of Sketchfab and Objaverse; Sketchfab's Creative Commons licences are version 4.0.
SKETCHFAB = {
    "by": "CC-BY-4.0",
    "by-sa": "CC-BY-SA-4.0",
    "by-nd": "CC-BY-ND-4.0",
    "by-nc": "CC-BY-NC-4.0",
    "by-nc-sa": "CC-BY-NC-SA-4.0",
    "by-nc-nd": "CC-BY-NC-ND-4.0",
    "cc0": "CC0-1.0",
}


def require_known_codes(codes: Iterable[str]) -> None:
    """Check the codes of a --licence option.

    Raises:
        AssetError: If one is not a key of `SKETCHFAB`.
    """
    unknown = sorted(set(codes) - set(SKETCHFAB))
    if unknown:
        raise AssetError(f"--licence {unknown[0]!r} is not one of {', '.join(SKETCHFAB)}")


def licences_in(text: str) -> tuple[str, ...]:
    """Return the SPDX identifiers of the licences that a text names, sorted.

    A licence without a version ("CC-BY") is left out if the text also names it with one.
    """
    names = set()
    if _CC0.search(text):
        names.add("CC0-1.0")
    for match in _CC.finditer(text):
        kind = match["kind"].lower()
        marks = [
            m
            for m, word in (("NC", r"nc|non-?comm"), ("ND", r"nd|no-?der"), ("SA", r"sa|share"))
            if re.search(word, kind)
        ]
        name = "-".join(["CC-BY", *marks])
        names.add(f"{name}-{match['version']}" if match["version"] else name)
    for pattern, name in _OTHERS:
        if pattern.search(text):
            names.add(name)
    versioned = {name for name in names if re.search(r"\d$", name)}
    return tuple(
        sorted(
            name
            for name in names
            if name in versioned or not any(v.startswith(f"{name}-") for v in versioned)
        )
    )


def normalise(statement: str) -> str:
    """Return the SPDX identifier of a licence statement, or the statement in one line if it is not recognised."""
    code = SKETCHFAB.get(statement.strip().lower())
    if code:
        return code
    names = licences_in(statement)
    return names[0] if len(names) == 1 else " ".join(statement.split())[:200] or UNKNOWN


def licence_of(file: Path, stated: str | None, root: Path, otherwise: str | None) -> str:
    """Determine the licence of an asset from the first source that states one.

    The sources are: the file itself; its line in a SOURCES.tsv beside or above it; a licence, readme or like-named text
    beside it, or above it up to `root`, that names exactly one licence; `otherwise`.

    Args:
        file: The asset's main file.
        stated: The licence that the file states, or None.
        root: The highest folder in which texts are read.
        otherwise: The licence if no source states one, or None.

    Returns:
        An SPDX identifier, a statement, or "unknown".
    """
    if stated and licences_in(stated):
        return normalise(stated)
    listed = _from_sources(file)
    if listed:
        return normalise(listed)
    for folder in _folders_up(file.parent, root):
        from_text = _from_texts(folder, file.stem)
        if from_text:
            return from_text
    return otherwise or (normalise(stated) if stated else UNKNOWN)


def _folders_up(folder: Path, root: Path) -> Iterator[Path]:
    yield folder
    while folder != root and root in folder.parents:
        folder = folder.parent
        yield folder


def _from_texts(folder: Path, stem: str) -> str | None:
    """The only licence that the texts of a folder name; None for none or for several."""
    names: set[str] = set()
    for text in _texts(folder, folder.stat().st_mtime_ns):
        own_name = text.stem.lower() == stem.lower()
        if own_name or _TEXT_NAMES.fullmatch(text.name):
            names.update(licences_in(_beginning(text, text.stat().st_mtime_ns)))
    return next(iter(names)) if len(names) == 1 else None


@lru_cache(maxsize=4096)  # `changed` is part of the key, so that an edited text is read again
def _texts(folder: Path, changed: int) -> tuple[Path, ...]:
    return tuple(
        sorted(path for path in folder.iterdir() if path.suffix.lower() in _TEXT_SUFFIXES and path.is_file())
    )


@lru_cache(maxsize=256)
def _beginning(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_TEXT_BYTES)
    try:
        text = decode_text(data, str(path), AssetError)
    except AssetError:
        text = data.decode("utf-8", "replace")  # names of licences are ASCII in any encoding
    if path.suffix.lower() != ".json":
        return text
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    values = [data.get(key) for key in ("license", "licence", "copyright")] if isinstance(data, dict) else []
    return "\n".join(value for value in values if isinstance(value, str))


def _from_sources(file: Path) -> str | None:
    """The licence column of the line whose path is the end of this file's path, in SOURCES.tsv here or above."""
    for folder in list(file.parents)[:PARENTS_OF_SOURCES]:
        table = folder / "SOURCES.tsv"
        if not table.is_file():
            continue
        listed = _sources(table, table.stat().st_mtime_ns)
        parts = file.parts
        for start in range(len(parts)):
            licence = listed.get("/".join(parts[start:]))
            if licence:
                return licence
    return None


@lru_cache(maxsize=16)
def _sources(table: Path, changed: int) -> dict[str, str]:
    if table.stat().st_size > MAX_TABLE_BYTES:
        raise AssetError(f"{table}: is larger than {MAX_TABLE_BYTES >> 20} MiB")
    with io.StringIO(read_text(table, AssetError)) as file:
        rows: Iterable[dict[str, str]] = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {
            row["path"]: row.get("licence") or row.get("license") or ""
            for row in rows
            if row.get("path") is not None
        }
