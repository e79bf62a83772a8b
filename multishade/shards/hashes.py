# SPDX-License-Identifier: Apache-2.0
"""The files of a sample <-> their sha256 in its meta.json (`formats.hashes`): damage is found without a marker.

A marker has the hash of a whole tar, which a reader of single samples does not compute. `hashes` in meta.json lets it
check what it reads. They protect against damage, not against forgery: whoever changes a file can change its hash.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from multishade.errors import ShardError
from multishade.shards.meta import encode_meta

META = "meta.json"


def with_hashes(key: str, files: Sequence[tuple[str, bytes]], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Add the hashes of a sample's files to its meta.

    Args:
        key: The sample's key, for messages.
        files: Name after the key and content of each file but meta.json.
        meta: Content of meta.json without `hashes`.

    Returns:
        The meta with `hashes`: sha256 of each file, and under `meta.json` that of the meta without this entry, as
        `encode_meta` writes it.

    Raises:
        ShardError: If a value of the meta is not JSON.
    """
    hashed = {**meta, "hashes": {name: hashlib.sha256(data).hexdigest() for name, data in files}}
    return {
        **hashed,
        "hashes": {**hashed["hashes"], META: hashlib.sha256(encode_meta(key, hashed)).hexdigest()},
    }


def check_hashes(
    key: str, files: Mapping[str, bytes], meta: Mapping[str, Any], complete: bool = True
) -> None:
    """Compare files with the hashes in a meta.json.

    Args:
        key: The sample's key, for messages.
        files: Files by name after the key.
        meta: Content of meta.json, with `hashes`.
        complete: Whether these are all files of the sample, so that each hash needs its file.

    Raises:
        ShardError: If there are no hashes, a file has none or another one, or one of a complete sample is missing.
    """
    stated = meta.get("hashes")
    if not isinstance(stated, Mapping):
        raise ShardError(
            f"{key}.{META}: has no hashes to check files with; render with formats.hashes: true, or do not verify"
        )
    plain = {**meta, "hashes": {name: value for name, value in stated.items() if name != META}}
    found = {name: data for name, data in files.items() if name != META}
    found[META] = encode_meta(key, plain)
    for name, data in found.items():
        if stated.get(name) != hashlib.sha256(data).hexdigest():
            reason = (
                "has another sha256 than meta.json states" if name in stated else "has no sha256 in meta.json"
            )
            raise ShardError(f"{key}.{name}: {reason}: it is damaged; fetch or render it again")
    if complete and (missing := [name for name in stated if name not in found]):
        raise ShardError(f"{key}: lacks {', '.join(missing)}, whose sha256 is in its meta.json")
