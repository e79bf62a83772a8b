# SPDX-License-Identifier: Apache-2.0
"""A published list of Objaverse's uids, a file or a URL, in; the uids out."""

import hashlib
import json
from pathlib import Path
from typing import Any

from multishade.assets.fetch.client import FetchPolicy
from multishade.assets.fetch.download import download
from multishade.assets.fetch.transfer import Download
from multishade.errors import AssetError
from multishade.text import read_text


def read_uids(path: Path) -> tuple[str, ...]:
    """Read the uids of a published list.

    Args:
        path: JSON (a list, or an object with uids as keys or values), CSV, or text with one uid per line. Paths and
            `.glb` around a uid are removed.

    Returns:
        The uids, without duplicates, in order.

    Raises:
        AssetError: If the file cannot be read or contains no uid.
    """
    text = read_text(path, AssetError)
    if text.lstrip().startswith(("[", "{")):
        try:
            data = json.loads(text)
        except ValueError as error:
            raise AssetError(f"{path}: is not JSON ({error})") from error
        names = _flat(data)
    else:
        names = [cell for line in text.split("\n") for cell in line.split(",")]
    uids = [Path(name.strip().strip("\"'")).name.removesuffix(".glb") for name in names]
    valid = tuple(dict.fromkeys(uid for uid in uids if _looks_like_uid(uid)))
    if not valid:
        raise AssetError(f"{path}: contains no uid of Objaverse (20 to 40 letters and digits)")
    return valid


def local_copy(source: str, cache: Path, policy: FetchPolicy) -> Path:
    """Return the path of a list; one at a URL is downloaded once, so that a later run continues with the same list.

    Raises:
        FetchError: If it cannot be downloaded.
    """
    if not source.startswith(("http://", "https://")):
        return Path(source)
    name = hashlib.sha256(source.encode()).hexdigest()[:16]
    path = cache / "lists" / f"{name}-{Path(source.split('?')[0]).name}"
    return download(Download(source, path), policy).path


def _flat(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [name for each in (*data.keys(), *data.values()) for name in _flat(each)]
    if isinstance(data, list):
        return [name for each in data for name in _flat(each)]
    return [data] if isinstance(data, str) else []


def _looks_like_uid(name: str) -> bool:
    return name.isalnum() and name.isascii() and 20 <= len(name) <= 40
