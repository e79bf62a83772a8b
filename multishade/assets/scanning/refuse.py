# SPDX-License-Identifier: Apache-2.0
"""The result of a scan and reasons found later in, the result without the refused rows out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from multishade.assets.scanning.scan import Rejection, ScanResult
from multishade.assets.schema import MaterialRow, Row


def refuse(result: ScanResult, reasons: Mapping[int, str]) -> ScanResult:
    """Move rows of a result to its rejections.

    Args:
        result: Of `scan`.
        reasons: Why, by the position of the row.
    """
    refused = (Rejection(_location_of(result.rows[index]), reasons[index]) for index in sorted(reasons))
    rows = tuple(row for index, row in enumerate(result.rows) if index not in reasons)
    return replace(result, rows=rows, rejections=(*result.rejections, *refused))


def _location_of(row: Row) -> str:
    """The location of a row; of a map set the base colour, since a folder may hold several."""
    if isinstance(row, MaterialRow) and row.maps is not None:
        return (Path(row.location) / row.maps.base_color).as_posix()
    return row.location
