# SPDX-License-Identifier: Apache-2.0
"""Text in, a file beside a manifest out: complete or not at all."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from multishade.errors import ManifestError
from multishade.storage import local
from multishade.storage.writable import REMEDY


def write_text(path: Path, text: str) -> None:
    """Replace a text file (UTF-8) in one step; missing folders are created.

    Raises:
        ManifestError: If it cannot be written.
    """
    local.write_text(path, text, ManifestError, REMEDY)


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file of one JSON object per line in one step.

    Raises:
        ManifestError: If it cannot be written.
    """
    write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def write_rejections(manifest: Path, records: Iterable[Mapping[str, Any]]) -> Path | None:
    """Write what is not in a manifest, and why, to `<manifest>.rejected.jsonl`.

    Args:
        manifest: The manifest's path.
        records: One per rejected asset; without any, the file of an earlier run is removed.

    Returns:
        The path of the file, None if there is nothing to write.

    Raises:
        ManifestError: If it cannot be written.
    """
    path = manifest.with_name(f"{manifest.name}.rejected.jsonl")
    records = list(records)
    if not records:
        path.unlink(missing_ok=True)
        return None
    write_json_lines(path, records)
    return path
