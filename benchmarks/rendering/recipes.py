# SPDX-License-Identifier: Apache-2.0
"""What a view of the panel costs by recipe, and the whole data set's core-hours.

    python -m benchmarks.rendering.recipes multishade [multishade-fine] [--set KEY=VALUE] [--items 0 3]

Prints one row an item and recipe, then a table in Markdown. Seconds are CPU seconds, from the mesh to the tar; the
panel's glass takes a third of the time.
"""

import argparse
import statistics

from benchmarks.rendering.methods import Measured, Ours
from benchmarks.rendering.panel import PANEL
from benchmarks.rendering.report import PAPER_VIEWS
from multishade.config import load_config


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", help="names or files")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipes")
    parser.add_argument(
        "--items",
        nargs="+",
        type=int,
        default=range(len(PANEL)),
        help="numbers of the panel's (default: all)",
    )
    args = parser.parse_args()
    rows = []
    for name in args.recipes:
        found = []
        for number in args.items:
            ours = Ours(load_config(name, args.set))
            try:
                found.append(ours.measure(PANEL[number], compared=False))
            finally:
                ours.close()
            print(f"{name:<18} {PANEL[number].name:<24} {found[-1].total:7.1f} s", flush=True)
        rows.append(row(name, found))
    print("\n| recipe | CPU s a view | core-hours |")
    print("| --- | --- | --- |")
    print("\n".join(rows))


def row(name: str, found: list[Measured]) -> str:
    """Sum up a recipe: one row of the table."""
    seconds = statistics.mean(item.total for item in found)
    return f"| `{name}` | {seconds:.1f} | {seconds * PAPER_VIEWS / 3600:,.0f} |"


if __name__ == "__main__":
    main()
