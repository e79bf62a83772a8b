# SPDX-License-Identifier: Apache-2.0
"""Files of lights -> a table of numbers, with the names of photographs where the file has them.

Text (.txt, .lp, .csv and any other): a light a line, numbers between spaces, tabs, commas or semicolons, brackets left
out, with a decimal point, or a comma if other marks part them; before them may stand the name of the photograph. The
first line may be the number of lights (.lp of RTI) or a header that names the columns. Three lines of K numbers are
taken as 3 x K. Also .npy, .npz and .mat of MATLAB.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.text import read_lines

Float64 = NDArray[np.float64]

HOW_TO_WRITE = (
    "expected a light a line, x y z, or 3 x K; from Python: "
    "numpy.savetxt('light_directions.txt', vectors) with vectors of shape (K, 3)"
)
_VARIABLES = ("light_directions", "directions", "lights", "light_dirs", "light", "L", "l", "S", "s")
_NAME_COLUMNS = ("name", "file", "filename", "image", "photo", "path", "id", "index", "number")
_XYZ_COLUMNS = tuple(
    tuple(form.format(axis) for axis in "xyz")
    for form in ("{}", "l{}", "d{}", "l_{}", "light_{}", "light{}", "dir_{}")
)
_STRENGTH_COLUMNS = (("r", "g", "b"), ("red", "green", "blue"), ("intensity",), ("strength",), ("power",))
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_ANGLE_COLUMNS = ("azimuth", "elevation", "theta", "phi", "zenith")


@dataclass(frozen=True)
class LightTable:
    """The content of a file of lights.

    Attributes:
        rows: (K, C) float64: C is 3 for directions, 1 or 3 for intensities.
        places: (K,) where each row stands, for messages: "file:line" or "file, row".
        names: (K,) names of photographs; None if the file has none.
        strengths: (K,) or (K, 3) intensities, of a table with such columns; else None.
    """

    rows: Float64
    places: tuple[str, ...]
    names: tuple[str, ...] | None = None
    strengths: Float64 | None = None


def read_light_table(path: Path, widths: tuple[int, ...] = (3,)) -> LightTable:
    """Read a file of lights.

    Args:
        path: The file.
        widths: How many numbers a light may have; all lights have as many as the first.

    Returns:
        The table.

    Raises:
        SolveError: If the file cannot be read or its numbers do not fit; the message names file and line.
    """
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz", ".mat"):
        return _from_array(_array(path, suffix), path, widths)
    return _from_text(path, widths)


def _array(path: Path, suffix: str) -> NDArray[Any]:
    if not path.is_file():
        raise SolveError(f"{path}: cannot be read (no such file)")
    try:
        if suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as loaded:
                return _only_table({name: loaded[name] for name in loaded.files}, path)
        from scipy.io import loadmat

        return _only_table({name: value for name, value in loadmat(path).items() if name[:2] != "__"}, path)
    except SolveError:
        raise
    except Exception as error:  # scipy and NumPy raise many types for damaged files
        older = ", version 7.2 or older" if suffix == ".mat" else ""
        raise SolveError(f"{path}: not a readable {suffix} file{older} ({error}); {HOW_TO_WRITE}") from error


def _only_table(arrays: dict[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    """The array of lights: by its name, else the only one with a side of three."""
    for name in _VARIABLES:
        if name in arrays:
            return np.asarray(arrays[name])
    fitting = {
        name: array for name, array in arrays.items() if getattr(array, "ndim", 0) == 2 and 3 in array.shape
    }
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    held = ", ".join(f"{name} {getattr(array, 'shape', '')}" for name, array in arrays.items()) or "nothing"
    raise SolveError(f"{path}: holds {held}; name the lights {_VARIABLES[0]}, shape (K, 3)")


def _from_array(array: NDArray[Any], path: Path, widths: tuple[int, ...]) -> LightTable:
    if array.dtype.kind not in "fiu":
        raise SolveError(f"{path}: {array.dtype} values; {HOW_TO_WRITE}")
    rows = np.squeeze(array).astype(np.float64)
    if rows.ndim == 1 and 1 in widths:
        rows = rows[:, None]
    if rows.ndim == 2 and rows.shape[1] not in widths and rows.shape[0] in widths:
        rows = rows.T
    if rows.ndim != 2 or rows.shape[1] not in widths or not len(rows):
        raise SolveError(f"{path}: shape {array.shape}; {HOW_TO_WRITE}")
    places = tuple(f"{path}, row {number + 1}" for number in range(len(rows)))
    return LightTable(_finite(_by_rows(rows), places), places)


def _by_rows(rows: Float64) -> Float64:
    """(3, 3) directions turned if its columns are unit vectors and its rows are not."""
    if rows.shape != (3, 3):
        return rows
    unit = [bool(np.allclose(np.linalg.norm(rows, axis=axis), 1, atol=1e-2)) for axis in (1, 0)]
    return rows.T if unit == [False, True] else rows


def _from_text(path: Path, widths: tuple[int, ...]) -> LightTable:
    lines = []
    for number, line in enumerate(read_lines(path, SolveError), start=1):
        fields = _fields(line)
        if fields and not fields[0].startswith("#"):
            lines.append((number, fields))
    if not lines:
        raise SolveError(f"{path}: contains no lights")
    stated = None
    if (
        len(lines[0][1]) == 1
        and lines[0][1][0].isdigit()
        and (1 not in widths or len(lines) - 1 == int(lines[0][1][0]))
    ):
        stated = (lines[0][0], int(lines.pop(0)[1][0]))
    if lines and len(lines[0][1]) >= 3 and not any(_is_number(field) for field in lines[0][1]):
        table = _with_header(path, lines)
    else:
        table = _without_header(path, lines, widths)
    if stated is not None and stated[1] != len(table.rows):
        raise SolveError(f"{path}:{stated[0]}: says {stated[1]} lights, {len(table.rows)} follow")
    return table


def _without_header(path: Path, lines: list[tuple[int, list[str]]], widths: tuple[int, ...]) -> LightTable:
    lengths = {len(fields) for _, fields in lines}
    by_columns = len(lines) == 3 and len(lengths) == 1 and lengths.isdisjoint({3, 4}) and min(lengths) > 4
    if by_columns and 3 in widths and all(_is_number(field) for _, fields in lines for field in fields):
        columns = np.array([[_number(field, path, number) for field in fields] for number, fields in lines])
        return _from_array(columns, path, (3,))
    numbered = 3 in widths and all(len(fields) == 4 for _, fields in lines)
    names: list[str] = []
    rows: list[list[float]] = []
    for number, fields in lines:
        given = fields
        if 3 in widths and len(fields) > 3 and (numbered or not _is_number(fields[0])):
            names.append(" ".join(fields[:-3]))
            given = fields[-3:]
        allowed = (len(rows[0]),) if rows else widths
        if len(given) not in allowed:
            expected = " or ".join(str(width) for width in allowed)
            how = f" ({HOW_TO_WRITE})" if 3 in allowed and len(given) > 3 else ""
            raise SolveError(f"{path}:{number}: {len(given)} numbers; expected {expected}{how}")
        rows.append([_number(field, path, number) for field in given])
    if names and len(names) != len(rows):
        raise SolveError(f"{path}: {len(names)} of {len(rows)} lines begin with a name; all or none must")
    places = tuple(f"{path}:{number}" for number, _ in lines)
    return LightTable(_finite(_by_rows(np.array(rows)), places), places, tuple(names) or None)


def _with_header(path: Path, lines: list[tuple[int, list[str]]]) -> LightTable:
    number, header = lines[0][0], [field.lower() for field in lines[0][1]]
    xyz = next((each for each in _XYZ_COLUMNS if set(each) <= set(header)), None)
    if xyz is None:
        angles = [name for name in header if name in _ANGLE_COLUMNS]
        formula = (
            "; from azimuth a (from x to y) and elevation e: x = cos e cos a, y = cos e sin a, z = sin e"
        )
        raise SolveError(
            f"{path}:{number}: columns {', '.join(header)}; expected x, y, z (and a name){formula if angles else ''}"
        )
    body = lines[1:]
    for place, fields in body:
        if len(fields) != len(header):
            raise SolveError(f"{path}:{place}: {len(fields)} values; the header has {len(header)} columns")
    if not body:
        raise SolveError(f"{path}: contains no lights")

    def column(name: str) -> list[str]:
        return [fields[header.index(name)] for _, fields in body]

    def numbers(names: tuple[str, ...]) -> Float64:
        return np.array(
            [[_number(fields[header.index(name)], path, place) for name in names] for place, fields in body]
        )

    name = next((each for each in _NAME_COLUMNS if each in header), None)
    strengths = next((each for each in _STRENGTH_COLUMNS if set(each) <= set(header)), None)
    places = tuple(f"{path}:{place}" for place, _ in body)
    return LightTable(
        _finite(numbers(xyz), places),
        places,
        None if name is None else tuple(column(name)),
        None
        if strengths is None
        else _finite(np.squeeze(numbers(strengths), axis=1 if len(strengths) == 1 else ()), places),
    )


def _fields(line: str) -> list[str]:
    """The values of a line; a name in quotes, or one before a comma, may hold spaces."""
    plain = re.sub(r"[\[\]{}()]", " ", line) if not re.search(r"[A-Za-z]{2}", line) else line
    apart = [
        part.strip() for part in re.split(r"[;\t]" if re.search(r"[;\t]", plain) else r"\s+", plain.strip())
    ]
    if sum(_DECIMAL_COMMA.fullmatch(part) is not None for part in apart) >= 3:
        return [
            part.replace(",", ".") if _DECIMAL_COMMA.fullmatch(part) else part.strip("\"'") for part in apart
        ]
    if re.search(r"[,;\t]", plain.strip()):
        parts = [part.strip().strip("\"'") for part in re.split(r"[,;\t]", plain.strip().strip(",;"))]
        # Numbers may stand between commas and spaces at once.
        return [field for part in parts for field in ([part] if not _all_numbers(part) else part.split())]
    return [field.strip("\"'") for field in plain.split()]


def _all_numbers(text: str) -> bool:
    return all(_is_number(part) for part in text.split())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, path: Path, number: int) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise SolveError(f"{path}:{number}: {error}") from error


def _finite(rows: Float64, places: tuple[str, ...]) -> Float64:
    bad = ~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)
    if bad.any():
        raise SolveError(f"{places[int(bad.argmax())]}: {rows[int(bad.argmax())]} is not finite")
    return rows
