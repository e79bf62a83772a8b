# SPDX-License-Identifier: Apache-2.0
"""A JSONL manifest of objects, materials or environments in, checked rows out, and back.

One row is one line; `multishade.assets.schema` defines its fields. A reader reports all mistakes of a file at once.
"""

import json
import reprlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from multishade.assets.files import write_json_lines
from multishade.assets.schema import EnvironmentRow, Maps, MaterialRow, ObjectRow, Row, RowType, row_as_json
from multishade.errors import ManifestError
from multishade.text import decode_text, read_regular

MAX_ERRORS = 20  # enough to see a pattern, few enough to read
LONGEST_SHOWN = 200  # characters of a value in a message


def read_objects(path: str | Path) -> tuple[ObjectRow, ...]:
    """Read an objects manifest.

    Args:
        path: A JSONL file.

    Returns:
        Its rows in the file's order, resolved against its folder.

    Raises:
        ManifestError: If the file cannot be read, has no rows, or has a mistake; it names file, line, field and value.
    """
    return _read(path, ObjectRow)


def read_materials(path: str | Path) -> tuple[MaterialRow, ...]:
    """Read a materials manifest, as `read_objects` does.

    Args:
        path: The manifest.

    Returns:
        Its rows, in the order of the file.

    Raises:
        ManifestError: As `read_objects`.
    """
    return _read(path, MaterialRow)


def read_environments(path: str | Path) -> tuple[EnvironmentRow, ...]:
    """Read an environments manifest, as `read_objects` does.

    Args:
        path: The manifest.

    Returns:
        Its rows, in the order of the file.

    Raises:
        ManifestError: As `read_objects`.
    """
    return _read(path, EnvironmentRow)


def write_rows(path: str | Path, rows: Iterable[Row]) -> None:
    """Write rows as JSONL, sorted by id, atomically: the same rows give the same bytes, and a reader never sees half.

    Args:
        path: The manifest.
        rows: Rows of one kind, with unique ids.

    Raises:
        ManifestError: If two rows have the same id, or if the file cannot be written.
    """
    path = Path(path)
    ordered = sorted(rows, key=lambda row: row.id)
    for first, second in zip(ordered, ordered[1:], strict=False):
        if first.id == second.id:
            raise ManifestError(f"{path}: two rows have the id {first.id!r}")
    write_json_lines(path, map(row_as_json, ordered))


def _read(path: str | Path, model: type[RowType]) -> tuple[RowType, ...]:
    path = Path(path)
    try:
        data = read_regular(path)
    except FileNotFoundError as error:
        raise ManifestError(
            f"{path}: there is no such manifest; make one with `multishade assets`"
        ) from error
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from error
    lines = decode_text(data, str(path), ManifestError).split(
        "\n"
    )  # str.splitlines splits inside strings, too
    rows: dict[int, RowType] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = model.model_validate_json(json.dumps(_object_of(line)))
        except ValidationError as error:
            problems += [f"{path.name}:{number}: {message}" for message in _messages(error, model)]
        except ValueError as error:
            problems.append(f"{path.name}:{number}: {_short(str(error))}")
        except RecursionError:
            problems.append(f"{path.name}:{number}: is nested too deeply for a row")
        else:
            rows[number] = row.with_folder(path.parent.absolute())
    problems += [f"{path.name}:{message}" for message in _conflicts(rows)]
    if problems:
        more = len(problems) - MAX_ERRORS
        raise ManifestError("\n".join(problems[:MAX_ERRORS]) + (f"\n... and {more} more" if more > 0 else ""))
    if not rows:
        raise ManifestError(f"{path}: holds no rows; make some with `multishade assets`")
    return tuple(rows.values())


def _object_of(line: str) -> dict[str, Any]:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name, value in items:
            if name in row:
                raise ValueError(f"field {_shown(name)} occurs twice in the row")
            row[name] = value
        return row

    def constant(name: str) -> float:
        raise ValueError(f"{name} is not a number in JSON")

    try:
        data = json.loads(line, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(data, dict):
        raise ValueError(f"is {type(data).__name__}, not a JSON object {{...}}")
    return data


def _messages(error: ValidationError, model: type[Row]) -> list[str]:
    """One message per error of pydantic: field, value, what is allowed."""
    messages = []
    for detail in error.errors(include_url=False):
        field = ".".join(str(part) for part in detail["loc"] if not str(part).startswith("function-"))
        field = _short(field, LONGEST_SHOWN)
        value, kind = _shown(detail["input"]), detail["type"]
        if kind == "value_error":
            text = _short(str(detail["ctx"]["error"]))
            messages.append(f"field {field!r}: {text}" if field else text)
        elif kind == "missing":
            messages.append(f"field {field!r} is missing")
        elif kind == "extra_forbidden":
            allowed = Maps.model_fields if field.startswith("maps.") else model.model_fields
            messages.append(f"field {field!r} is unknown; allowed are {', '.join(allowed)}")
        elif kind == "literal_error":
            messages.append(f"field {field!r}: {value} is not {detail['ctx']['expected']}")
        else:
            reason = detail["msg"].removeprefix("Input ").replace("should be", "has to be")
            messages.append(f"field {field!r}: {value} {reason}")
    return messages


def _shown(value: Any) -> str:
    """A value in a message: its beginning if it is long."""
    if isinstance(value, int) and value.bit_length() > LONGEST_SHOWN:
        return f"a number of {value.bit_length()} bits"
    return _short(
        reprlib.repr(value) if isinstance(value, list | dict | tuple) else repr(value), LONGEST_SHOWN
    )


def _short(text: str, length: int = 2 * LONGEST_SHOWN) -> str:
    return text if len(text) <= length else f"{text[:length]}..."


def _conflicts(rows: dict[int, RowType]) -> Sequence[str]:
    """Messages on duplicate ids and on one asset in two splits: no asset may be in training and in testing."""
    messages = []
    by_id: dict[str, int] = {}
    by_content: dict[str, tuple[int, RowType]] = {}
    for number, row in rows.items():
        if row.id in by_id:
            messages.append(f"{number}: field 'id': {row.id!r} is already the id of line {by_id[row.id]}")
        by_id.setdefault(row.id, number)
        first, other = by_content.setdefault(row.sha256 or f"{row.source} {row.location}", (number, row))
        if other.split != row.split:
            messages.append(
                f"{number}: field 'split': {row.split!r}, but line {first} has the same asset in "
                f"{other.split!r}; an asset belongs to one split"
            )
    return messages
