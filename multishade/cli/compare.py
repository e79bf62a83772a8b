# SPDX-License-Identifier: Apache-2.0
"""`multishade compare A B ...`: result tables -> the methods' differences and their statistics."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from multishade.cli.options import add_output
from multishade.cli.places import default_output

TABLE = "results.csv"
EPILOG = """examples:
  multishade compare out/ols out/relu
  multishade compare out/solvers                            # all methods of one `multishade evaluate`
  multishade compare ols.csv relu.csv robust.csv --by material --weights metal=0.3,plastic=0.7 -o out/compared

The first table is the reference. Differences are other minus reference, paired by object."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "compare",
        help="compare result tables with honest statistics",
        description="Compare result tables of `multishade evaluate`, paired by object: BCa bootstrap "
        "intervals over objects, "
        "permutation p-values corrected for the number of comparisons, Cohen's d_z, and a verdict in words.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "tables",
        type=Path,
        nargs="+",
        metavar="TABLE",
        help="two or more tables or folders of them; the first is the reference",
    )
    parser.add_argument("--metric", default="mean", help="column to compare (default: mean)")
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="TAG",
        help="also by stratum: a tag such as material or family, or tilt; may be given more than once",
    )
    parser.add_argument(
        "--weights",
        metavar="NAME=SHARE,...",
        help="shares of the strata of --by in another population: the overall difference is "
        "reweighted to them",
    )
    parser.add_argument("--level", type=float, default=0.95, help="confidence level (default: 0.95)")
    parser.add_argument("--correction", choices=("holm", "bonferroni"), default="holm", help="default: holm")
    parser.add_argument(
        "--resamples", type=int, default=9999, help="of bootstrap and permutation (default: 9999)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the resampling (default: 0)")
    add_output(parser, "where comparison.md and comparison.html go (default: out/compare/NAME-NAME...)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.evaluation import report
    from multishade.evaluation.comparison import compare
    from multishade.report import document
    from multishade.storage.writable import require_writable_folder

    output = args.output or default_output("compare", _name_of(args.tables))
    require_writable_folder(output)
    tables = [table for place in args.tables for table in tables_in(place)]
    comparison = compare(
        *tables,
        metric=args.metric,
        by=args.by,
        weights=parse_weights(args.weights),
        level=args.level,
        correction=args.correction,
        resamples=args.resamples,
        seed=args.seed,
    )
    print(document.to_markdown("Comparison", report.comparison_blocks(comparison)), end="")
    report.write_comparison(output, comparison, tables)
    print(f"written: {output / 'comparison.html'}", file=sys.stderr)
    return 0


def _name_of(places: Sequence[Path]) -> str:
    """Join what places are called, of more than three only the first: out/ols, out/relu -> ols-relu."""
    names = [
        (place.parent if place.name == TABLE else place).resolve().name.removesuffix(".csv")
        for place in places
    ]
    return "-".join(names) if len(names) <= 3 else f"{names[0]}-and-{len(names) - 1}-more"


def tables_in(place: Path) -> list[Path]:
    """A table, or the tables of an output folder of `multishade evaluate`: its own, or one of each method."""
    from multishade.errors import EvaluationError

    if not place.is_dir():
        return [place]
    found = [place / TABLE] if (place / TABLE).is_file() else sorted(place.glob(f"*/{TABLE}"))
    if not found:
        raise EvaluationError(f"{place}: no {TABLE} in this folder; `multishade evaluate` writes it")
    return found


def parse_weights(text: str | None) -> dict[str, float] | None:
    """`metal=0.3,plastic=0.7` -> shares by name."""
    from multishade.errors import EvaluationError

    if text is None:
        return None
    weights = {}
    for part in text.split(","):
        name, divider, share = part.rpartition("=")
        try:
            weights[name.strip()] = float(share)
        except ValueError:
            divider = ""
        if not divider or not name.strip():
            raise EvaluationError(f"--weights {text}: expected NAME=SHARE,NAME=SHARE, got {part!r}")
    return weights
