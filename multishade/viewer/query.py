# SPDX-License-Identifier: Apache-2.0
"""Parameters of a request -> filters, text, order and page of a search."""

from typing import Any

from starlette.datastructures import QueryParams

from multishade.viewer.columns import Columns

PAGE_LIMIT = 500  # samples of one answer


class Query:
    """A search.

    Attributes:
        filters: Name of a column -> wanted values, or (low, high).
        frozen: The same as a value that can be hashed.
        text: Part of a name.
        order: Name of a column of numbers, "-" before it for descending order; "" for the order of the shards.
        offset: First sample of the page.
        limit: Samples of the page.
    """

    def __init__(self, given: QueryParams, columns: Columns) -> None:
        """Read the parameters; unknown ones are left alone. Raises ValueError if a number is none."""
        self.filters: dict[str, Any] = {}
        for name in given:
            if name in columns.numbers:
                self.filters[name] = number_range(given[name])
            elif name in columns.labels or name in columns.kinds:
                self.filters[name] = tuple(given.getlist(name))
        self.frozen = tuple(sorted(self.filters.items()))
        self.text, self.order = given.get("q", "")[:200], given.get("order", "")
        self.offset = max(0, whole(given.get("offset", "0")))
        self.limit = min(PAGE_LIMIT, max(1, whole(given.get("limit", "100"))))


def whole(text: str) -> int:
    """Read a whole number. Raises ValueError."""
    return int(text[:12])


def number_range(text: str) -> tuple[float, float]:
    """Read "low,high"; an end that is left out is open. Raises ValueError."""
    low, _, high = text.partition(",")
    return float(low or "-inf"), float(high or "inf")
