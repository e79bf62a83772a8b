# SPDX-License-Identifier: Apache-2.0
"""An evaluation or a comparison -> the blocks of its report, and the files that hold it."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from multishade.evaluation import statistics
from multishade.evaluation.contrasts import Comparison, Contrast, WeightedDifference
from multishade.evaluation.methods.base import ALL
from multishade.evaluation.metrics import MISSING_DEGREES, THRESHOLDS, TILT_EDGES, average
from multishade.evaluation.run import Evaluation
from multishade.evaluation.table import to_csv
from multishade.report import document
from multishade.report.document import Block, Bullets, Caution, Figure, Heading, Links, Paragraph, Table

ANGULAR = ("mean", "median", "rmse", *(f"within_{limit:g}" for limit in THRESHOLDS))
ANGULAR_HEADER = ("mean °", "median °", "RMSE °", *(f"< {limit:g}° %" for limit in THRESHOLDS))
# Beyond this many pictures a page is too heavy to open; the rest stay in maps/.
MOST_FIGURES = 60
# Up to this many objects a table of methods has a column for each.
MOST_COLUMNS = 12
TILTS = tuple(
    f"mean_tilt_{low:g}_{high:g}" for low, high in zip(TILT_EDGES[:-1], TILT_EDGES[1:], strict=True)
)


def write_evaluation(out: Path, evaluation: Evaluation) -> None:
    """`results.csv`, `report.md` and `report.html` into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.csv").write_text(to_csv(evaluation.rows), encoding="utf-8")
    title = f"{evaluation.method} on {evaluation.benchmark}"
    blocks = evaluation_blocks(evaluation)
    (out / "report.md").write_text(document.to_markdown(title, blocks), encoding="utf-8")
    (out / "report.html").write_text(document.to_html(title, blocks), encoding="utf-8")


def write_summary(out: Path, evaluations: Sequence[Evaluation]) -> str:
    """`summary.md` and `summary.html` into `out`: several methods on one benchmark, a row each. Returns the Markdown.

    The reports of the methods, in folders of their names, are linked.
    """
    out.mkdir(parents=True, exist_ok=True)
    title = f"{len(evaluations)} methods on {evaluations[0].benchmark}"
    names = [evaluation.method for evaluation in evaluations]
    blocks: list[Block] = [
        summary_table(evaluations),
        Links([(f"report of {name}", f"{name}/report.html") for name in names if (out / name).is_dir()]),
    ]
    text = document.to_markdown(title, blocks)
    (out / "summary.md").write_text(text, encoding="utf-8")
    (out / "summary.html").write_text(document.to_html(title, blocks), encoding="utf-8")
    return text


def write_comparison(out: Path, comparison: Comparison, tables: Sequence[Path] = ()) -> None:
    """`comparison.md` and `comparison.html` into `out`, with links to the reports beside the tables."""
    out.mkdir(parents=True, exist_ok=True)
    reports = [table.with_name("report.html") for table in tables]
    links = [
        (str(path.parent), os.path.relpath(path, out).replace(os.sep, "/"))
        for path in reports
        if path.exists()
    ]
    blocks = [*comparison_blocks(comparison), *([Links(links)] if links else [])]
    (out / "comparison.md").write_text(document.to_markdown("Comparison", blocks), encoding="utf-8")
    (out / "comparison.html").write_text(document.to_html("Comparison", blocks), encoding="utf-8")


def evaluation_blocks(evaluation: Evaluation) -> list[Block]:
    blocks: list[Block] = []
    if evaluation.mismatch is not None:
        blocks.append(Caution(f"These numbers are probably not the method's: {evaluation.mismatch}."))
    coverage = evaluation.averaged.get("coverage", 100.0)
    if coverage < 99.95:
        blocks.append(
            Caution(
                f"The method gave a normal for {coverage:.1f} % of the pixels. Errors are over those; "
                "with the others counted as "
                f"{MISSING_DEGREES:g} degrees the mean is {evaluation.averaged['mean_with_missing']:.2f}."
            )
        )
    count = "1 prediction" if len(evaluation.rows) == 1 else f"{len(evaluation.rows)} predictions"
    settings = f" Settings: {evaluation.settings}." if evaluation.settings else ""
    blocks.append(
        Paragraph(
            f"{count}, {evaluation.pooled['pixels']:,.0f} pixels inside the masks. Angular errors are in degrees and "
            f"signed (a flipped normal is 180 off).{settings}"
        )
    )
    blocks.append(Links([("table of all numbers", "results.csv")]))
    blocks += [Heading("Angular error"), _angular_table(evaluation)]
    blocks += [Heading("Error by the tilt of the true normal"), _tilt_table(evaluation)]
    blocks += _surface_blocks(evaluation)
    if evaluation.notes:
        blocks += [Heading("About the data"), Bullets(evaluation.notes)]
    if evaluation.maps:
        blocks.append(Heading("Maps"))
        shown = list(evaluation.maps.items())[:MOST_FIGURES]
        blocks += [Figure(path, _label(name, image)) for (name, image), path in shown]
        if len(evaluation.maps) > len(shown):
            blocks.append(Paragraph(f"{len(evaluation.maps) - len(shown)} more pictures are in maps/."))
    return blocks


def summary_table(evaluations: Sequence[Evaluation]) -> Table:
    """A row a method: mean error of each object if they are few, then averages over predictions and pixels."""
    objects = list(dict.fromkeys(row.object for row in evaluations[0].rows))
    shown = objects if len(objects) <= MOST_COLUMNS else []
    columns = [
        ("mean", "mean °", 2),
        ("median", "median °", 2),
        ("within_5", "< 5° %", 1),
        *((name, f"tilt {name.removeprefix('mean_tilt_').replace('_', ' to ')}°", 2) for name in TILTS),
        ("shading_psnr", "shading PSNR dB", 1),
        ("surface_mae_percent", "depth error, % of relief", 2),
        ("coverage", "coverage %", 1),
    ]
    columns = [column for column in columns if any(column[0] in one.averaged for one in evaluations)]
    rows = []
    for one in evaluations:
        by_object = [
            average([row.metrics for row in one.rows if row.object == name])["mean"] for name in shown
        ]
        averages = [_number(one.averaged.get(name, math.nan), digits) for name, _, digits in columns]
        rows.append([one.method, *map(_number, by_object), *averages, _number(one.pooled["mean"])])
    return Table(("method", *shown, *(title for _, title, _ in columns), "pooled mean °"), rows)


def comparison_blocks(comparison: Comparison) -> list[Block]:
    blocks: list[Block] = [
        Paragraph(
            f"Metric: {comparison.metric}. Objects are the unit: paired differences, {comparison.level:.0%} BCa "
            "bootstrap intervals over "
            "objects (widened for small samples), permutation p-values by exchanging the methods "
            "within objects, corrected by "
            f"{comparison.correction.capitalize()}'s method."
        ),
        Heading("In words"),
        Bullets([contrast.verdict for contrast in comparison.overall]),
        Heading("All objects"),
        _comparison_table(comparison.overall, comparison.level),
    ]
    if comparison.strata:
        blocks += [
            Heading("By stratum"),
            _comparison_table(comparison.strata, comparison.level),
            Bullets([f"{contrast.stratum}: {contrast.verdict}" for contrast in comparison.strata]),
        ]
    if comparison.weighted:
        blocks += [
            Heading("Reweighted to a population's shares"),
            _weighted_table(comparison.weighted, comparison.level),
        ]
    if comparison.notes:
        blocks += [Heading("About the data"), Bullets(comparison.notes)]
    return blocks


def _label(name: str, image: str) -> str:
    return name if image == ALL else f"{name}, {image}"


def _number(value: float, digits: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def _angular_cells(values: Mapping[str, float]) -> list[str]:
    return [_number(values.get(name, math.nan), 1 if name.startswith("within") else 2) for name in ANGULAR]


def _angular_table(evaluation: Evaluation) -> Table:
    rows = [
        [_label(row.object, row.image), f"{row.metrics['pixels']:,.0f}", *_angular_cells(row.metrics)]
        for row in evaluation.rows
    ]
    rows.append(["average over predictions", "", *_angular_cells(evaluation.averaged)])
    rows.append(
        ["pooled over pixels", f"{evaluation.pooled['pixels']:,.0f}", *_angular_cells(evaluation.pooled)]
    )
    return Table(("", "pixels", *ANGULAR_HEADER), rows, last_bold=2)


def _tilt_table(evaluation: Evaluation) -> Table:
    header = [f"{low:g} to {high:g}°" for low, high in zip(TILT_EDGES[:-1], TILT_EDGES[1:], strict=True)]
    rows = [
        [_label(row.object, row.image), *(_number(row.metrics.get(name, math.nan)) for name in TILTS)]
        for row in evaluation.rows
    ]
    rows.append(
        ["average over predictions", *(_number(evaluation.averaged.get(name, math.nan)) for name in TILTS)]
    )
    return Table(("", *header), rows, last_bold=1)


def _surface_blocks(evaluation: Evaluation) -> list[Block]:
    columns = [
        ("shading_psnr", "shading PSNR dB", 2),
        ("shading_ssim", "SSIM", 4),
        ("shading_gmsd", "GMSD", 4),
        ("surface_mae", "depth error (depth's unit)", 4),
        ("surface_mae_percent", "depth error, % of relief", 2),
    ]
    present = [column for column in columns if any(column[0] in row.metrics for row in evaluation.rows)]
    if not present:
        return []
    rows = [
        [
            _label(row.object, row.image),
            *(_number(row.metrics.get(name, math.nan), digits) for name, _, digits in present),
        ]
        for row in evaluation.rows
    ]
    rows.append(
        [
            "average over predictions",
            *(_number(evaluation.averaged.get(name, math.nan), digits) for name, _, digits in present),
        ]
    )
    text = (
        "Shading: nine lights on a ring at 45 degrees, computed from predicted and true normals; "
        "GMSD is a gradient-based perceptual "
        "distance (0 is best)."
    )
    if any(name.startswith("surface") for name, _, _ in present):
        text += (
            " Depth: the integrated normals against the true depth after the best scale, mean absolute error."
        )
    return [
        Heading("Shading and surface"),
        Paragraph(text),
        Table(("", *(title for _, title, _ in present)), rows, last_bold=1),
    ]


def _comparison_table(items: Sequence[Contrast], level: float) -> Table:
    rows = []
    for item in items:
        paired = item.difference
        rows.append(
            [
                f"{item.other} − {item.reference}",
                item.stratum or "all",
                str(paired.objects),
                _number(paired.mean_a),
                _number(paired.mean_b),
                statistics.readable(paired.difference, sign=True),
                _interval(paired.low, paired.high),
                f"{paired.p:.3g}",
                f"{item.adjusted_p:.3g}",
                f"{paired.effect:+.2f}" if math.isfinite(paired.effect) else "",
            ]
        )
    header = (
        "difference",
        "objects in",
        "n",
        "reference",
        "other",
        "difference",
        f"{level:.0%} interval",
        "p",
        "p corrected",
        "d_z",
    )
    return Table(header, rows, text_columns=2)


def _weighted_table(items: Sequence[WeightedDifference], level: float) -> Table:
    rows = [
        [
            f"{item.other} − {item.reference}",
            ", ".join(f"{name} {share:g}" for name, share in item.weights.items()),
            statistics.readable(item.difference, sign=True),
            _interval(item.low, item.high),
        ]
        for item in items
    ]
    return Table(("difference", "shares", "difference", f"{level:.0%} interval"), rows, text_columns=2)


def _interval(low: float, high: float) -> str:
    return (
        "too few objects"
        if math.isnan(low)
        else f"{statistics.readable(low, sign=True)} to {statistics.readable(high, sign=True)}"
    )
