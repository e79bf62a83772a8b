# SPDX-License-Identifier: Apache-2.0
"""Properties of samples as columns of numbers: values by number, filters as masks, counts for the page's facets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Int32 = NDArray[np.int32]
Float32 = NDArray[np.float32]
UNREAD = -1
MOST_VALUES = 400  # of a facet that the page lists; the search finds the others
BINS = 24


class Labels:
    """A column of texts, one for each sample, stored as numbers of distinct values. UNREAD until it is set."""

    def __init__(self, count: int) -> None:
        self.codes: Int32 = np.full(count, UNREAD, np.int32)
        self.values: list[str] = []
        self._numbers: dict[str, int] = {}

    def set(self, row: int, value: str) -> None:
        """Set the value of a sample."""
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        self.codes[row] = number

    def get(self, row: int) -> str | None:
        """Return the value of a sample, None if it is not read yet."""
        code = int(self.codes[row])
        return None if code == UNREAD else self.values[code]

    def among(self, wanted: Sequence[str]) -> Bools:
        """Return which samples have one of the values, (n,)."""
        numbers = [self._numbers[value] for value in wanted if value in self._numbers]
        return np.isin(self.codes, numbers)

    def containing(self, text: str) -> Bools:
        """Return which samples have a value that contains a text in lower case, (n,)."""
        numbers = [number for number, value in enumerate(self.values) if text in value.lower()]
        return np.isin(self.codes, numbers)

    def counts(self, chosen: Bools) -> list[tuple[str, int]]:
        """Count the values of the chosen samples, the most frequent first."""
        codes = self.codes[chosen]
        found = np.bincount(codes[codes >= 0], minlength=len(self.values))
        order = np.argsort(-found, kind="stable")[:MOST_VALUES]
        return [(self.values[i], int(found[i])) for i in order if found[i]]


class Kinds:
    """A column of sets of texts (such as kinds of light), stored as bits; at most 31 distinct texts."""

    def __init__(self, count: int) -> None:
        self.bits: Int32 = np.zeros(count, np.int32)
        self.values: list[str] = []

    def set(self, row: int, values: Sequence[str]) -> None:
        """Set the texts of a sample."""
        for value in values:
            if value not in self.values and len(self.values) < 31:
                self.values.append(value)
            if value in self.values:
                self.bits[row] |= 1 << self.values.index(value)

    def get(self, row: int) -> list[str]:
        """Return the texts of a sample."""
        return [value for i, value in enumerate(self.values) if self.bits[row] >> i & 1]

    def among(self, wanted: Sequence[str]) -> Bools:
        """Return which samples have one of the texts, (n,)."""
        bits = sum(1 << i for i, value in enumerate(self.values) if value in wanted)
        return (self.bits & bits) != 0

    def counts(self, chosen: Bools) -> list[tuple[str, int]]:
        """Count the texts of the chosen samples."""
        bits = self.bits[chosen]
        found = [(value, int(np.count_nonzero(bits >> i & 1))) for i, value in enumerate(self.values)]
        return [(value, count) for value, count in found if count]


@dataclass
class Columns:
    """All columns of a data set's samples.

    Attributes:
        labels: Name -> texts, one for each sample.
        kinds: Name -> sets of texts.
        numbers: Name -> (n,) numbers, NaN until they are read.
    """

    labels: dict[str, Labels]
    kinds: dict[str, Kinds]
    numbers: dict[str, Float32] = field(default_factory=dict)

    def select(self, filters: Mapping[str, Any], without: str = "") -> Bools | None:
        """Return which samples pass all filters but one.

        Args:
            filters: Name of a column -> wanted values, or (low, high) of a column of numbers.
            without: A column whose filter is left out, so that its facet shows what else could be chosen.

        Returns:
            (n,), None if nothing is filtered.
        """
        chosen: Bools | None = None
        for name, wanted in filters.items():
            if name == without:
                continue
            if name in self.numbers:
                low, high = wanted
                found = (self.numbers[name] >= low) & (self.numbers[name] <= high)
            else:
                found = (self.labels.get(name) or self.kinds[name]).among(wanted)
            chosen = found if chosen is None else chosen & found
        return chosen

    def histogram(self, name: str, chosen: Bools) -> dict[str, Any] | None:
        """Return range and counts of a column of numbers over the chosen samples, None if nothing is read yet."""
        values = self.numbers[name]
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        low, high = float(known.min()), float(known.max())
        shown = values[chosen & np.isfinite(values)]
        counts = np.histogram(shown, bins=BINS, range=(low, high if high > low else low + 1))[0]
        return {"name": name, "low": low, "high": high, "counts": counts.tolist()}
