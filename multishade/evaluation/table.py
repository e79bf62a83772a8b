# SPDX-License-Identifier: Apache-2.0
"""Result tables: one row an object or an image, as CSV, and back.

Columns: `benchmark`, `object`, `image`, `method`, `settings`, one `tag:<name>` for each tag, then the
metrics. Text columns are text, metrics are numbers; an empty cell is a metric that this row does not have.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from multishade.errors import EvaluationError

TEXT_COLUMNS = ("benchmark", "object", "image", "method", "settings")
TAG = "tag:"


@dataclass(frozen=True)
class ResultRow:
    """One prediction's result. `image` is "all" where a method saw every photograph of the object at once."""

    benchmark: str
    object: str
    image: str
    method: str
    settings: str
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def to_csv(rows: Sequence[ResultRow]) -> str:
    """Format rows as CSV, numbers with six significant digits, NaN as an empty cell.

    Args:
        rows: Rows of one or several methods.

    Returns:
        CSV text with a header.
    """
    tags = list(dict.fromkeys(tag for row in rows for tag in row.tags))
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.metrics))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*TEXT_COLUMNS, *(TAG + tag for tag in tags), *metrics])
    for row in rows:
        values = [row.metrics.get(metric, math.nan) for metric in metrics]
        writer.writerow(
            [
                *(getattr(row, column) for column in TEXT_COLUMNS),
                *(row.tags.get(tag, "") for tag in tags),
                *("" if math.isnan(value) else f"{value:.6g}" for value in values),
            ]
        )
    return text.getvalue()


def read_csv(path: Path) -> list[ResultRow]:
    """Read a table that `to_csv` wrote, or one with at least `object` and numeric metric columns.

    Args:
        path: The CSV file.

    Returns:
        Its rows, in order.

    Raises:
        EvaluationError: If a cell does not fit; the message names file, line and column.
    """
    if not path.is_file():
        raise EvaluationError(f"{path}: no such file")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if "object" not in columns:
            raise EvaluationError(
                f"{path}: no column `object`; is it a table that `multishade evaluate` wrote?"
            )
        metrics = [name for name in columns if name not in TEXT_COLUMNS and not name.startswith(TAG)]
        rows = []
        for number, record in enumerate(reader, start=2):
            if None in record or None in record.values():
                raise EvaluationError(f"{path}:{number}: {len(columns)} columns expected")
            rows.append(
                ResultRow(
                    benchmark=record.get("benchmark", ""),
                    object=record["object"],
                    image=record.get("image", "all"),
                    method=record.get("method") or path.stem,
                    settings=record.get("settings", ""),
                    tags={name.removeprefix(TAG): record[name] for name in columns if name.startswith(TAG)},
                    metrics={name: _number(record[name], path, number, name) for name in metrics},
                )
            )
    if not rows:
        raise EvaluationError(f"{path}: a table without rows")
    return rows


def _number(cell: str, path: Path, line: int, column: str) -> float:
    if not cell.strip():
        return math.nan
    try:
        return float(cell)
    except ValueError as error:
        raise EvaluationError(f"{path}:{line}: {cell!r} in column {column} is not a number") from error
