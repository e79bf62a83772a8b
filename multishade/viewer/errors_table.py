# SPDX-License-Identifier: Apache-2.0
"""A table of `multishade evaluate --on shards:...`, or any with keys and numbers -> error by key of a sample."""

import csv
import io
from pathlib import Path

from multishade.errors import DataError, ShardError
from multishade.shards.keys import SampleKey
from multishade.text import read_text

COLUMN = "mean"


def read_errors(path: Path) -> dict[str, float]:
    """Read the column `mean` of a table, by the keys of samples that stand in any other column.

    Args:
        path: A CSV file.

    Returns:
        Key -> the mean over its rows.

    Raises:
        DataError: If it cannot be read, or has no such column or no key.
    """
    rows = csv.DictReader(io.StringIO(read_text(path, DataError)))
    if COLUMN not in (rows.fieldnames or ()):
        raise DataError(f"{path}: has no column '{COLUMN}'; `multishade evaluate` writes such tables")
    found: dict[str, list[float]] = {}
    for number, row in enumerate(rows, 2):
        key = next((text for text in row.values() if isinstance(text, str) and _is_key(text)), None)
        if key is None:
            continue
        try:
            found.setdefault(key, []).append(float(row[COLUMN]))
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}:{number}: '{row[COLUMN]}' is not a number") from error
    if not found:
        raise DataError(f"{path}: names no sample, such as s000000-g0001-v0; evaluate on shards:DATASET")
    return {key: sum(values) / len(values) for key, values in found.items()}


def _is_key(text: str) -> bool:
    try:
        SampleKey.parse(text)
    except ShardError:
        return False
    return True
