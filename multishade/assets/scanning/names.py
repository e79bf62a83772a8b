# SPDX-License-Identifier: Apache-2.0
"""Paths of assets in, ids for manifest rows out: unique, without dots, as short as the folder allows."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

# File names without information on the asset; its folder's name is the better id.
GENERIC = (
    "asset",
    "material",
    "mesh",
    "model",
    "model_normalized",
    "object",
    "scene",
    "textured",
    "untitled",
)


def slug(text: str) -> str:
    """Reduce a text to letters, digits, '_' and '-': "Café No. 5" -> "Cafe-No-5". The result may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9_-]+", "-", plain)).strip("-")


def unique_ids(paths: Sequence[str]) -> list[str]:
    """Choose an id for each path, unique even if case is ignored.

    An id is the last part of the path, preceded by as many folders as are needed to distinguish it from the others.

    Args:
        paths: Relative, with forward slashes, without suffix.

    Returns:
        One id per path, in their order.
    """
    parts = [[slug(part) for part in PurePosixPath(path).parts if slug(part)] or ["asset"] for path in paths]
    parts = [part[:-1] if len(part) > 1 and part[-1].lower() in GENERIC else part for part in parts]
    depth = [1] * len(parts)
    while True:
        ids = ["-".join(part[-d:]) for part, d in zip(parts, depth, strict=True)]
        counts = Counter(name.lower() for name in ids)
        grown = False
        for index, name in enumerate(ids):
            if counts[name.lower()] > 1 and depth[index] < len(parts[index]):
                depth[index] += 1
                grown = True
        if not grown:
            break
    seen: Counter[str] = Counter()
    taken = {name.lower() for name in ids}
    for index, name in enumerate(ids):  # paths whose slugs are the same: number them in order
        seen[name.lower()] += 1
        if counts[name.lower()] > 1:
            number = seen[name.lower()]
            while f"{name}-{number}".lower() in taken:
                number += 1
            ids[index] = f"{name}-{number}"
            taken.add(ids[index].lower())
    return ids
