# SPDX-License-Identifier: Apache-2.0
"""Result tables of two or more methods (files, rows or evaluations) -> a `Comparison` with the first one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from multishade.errors import EvaluationError
from multishade.evaluation import statistics
from multishade.evaluation.contrasts import Comparison, compare_results, results_of
from multishade.evaluation.run import Evaluation
from multishade.evaluation.table import ResultRow, read_csv

Table = str | Path | Evaluation | Sequence[ResultRow]


def compare(
    reference: Table,
    *others: Table,
    metric: str = "mean",
    by: Sequence[str] = (),
    weights: Mapping[str, float] | None = None,
    level: float = 0.95,
    correction: str = "holm",
    resamples: int = statistics.RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare the results of methods on the same objects with those of a reference method.

    Args:
        reference: A results.csv, an `Evaluation`, or rows of one method.
        *others: What is compared with it, likewise.
        metric: The column that is compared.
        by: Strata: names of tags (`material`, `family`) or `tilt`.
        weights: Share of each stratum in another population, for one entry of `by`; adds the difference there.
        level: Of the confidence intervals.
        correction: For the number of comparisons: "holm" or "bonferroni".
        resamples: Of bootstrap and permutation.
        seed: Of the resampling.

    Returns:
        Differences (other minus reference, paired by object) with intervals, p-values and verdicts in words.

    Raises:
        EvaluationError: If a table cannot be read, or the tables have no object, metric or tag in common.
    """
    if not 0 < level < 1:
        raise EvaluationError(f"level {level}: expected a number between 0 and 1, such as 0.95")
    tables = [_rows_of(table) for table in (reference, *others)]
    return compare_results(
        [results_of(rows, label) for (_, rows), label in zip(tables, _labels(tables), strict=True)],
        np.random.default_rng(seed),
        metric=metric,
        by=by,
        weights=weights,
        level=level,
        correction=correction,
        resamples=resamples,
    )


def _rows_of(table: Table) -> tuple[str, Sequence[ResultRow]]:
    """What tells a table apart from others of the same method, and its rows."""
    if isinstance(table, str | Path):
        return str(table), read_csv(Path(table))
    rows = table.rows if isinstance(table, Evaluation) else table
    if not rows:
        raise EvaluationError("a table without rows")
    return rows[0].method, rows


def _labels(tables: Sequence[tuple[str, Sequence[ResultRow]]]) -> list[str]:
    """The methods' names; with their settings, or the tables' paths, if these are needed to tell two apart."""
    methods = [rows[0].method for _, rows in tables]
    with_settings = [" ".join(filter(None, (rows[0].method, rows[0].settings))) for _, rows in tables]
    sources = [source for source, _ in tables]
    return next((names for names in (methods, with_settings) if len(set(names)) == len(names)), sources)
