# SPDX-License-Identifier: Apache-2.0
"""`multishade inspect SHARD...` and `multishade-inspect SHARD...`: validate shards and print a summary."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multishade.cli.options import add_threads, positive
from multishade.cli.places import add_places
from multishade.cli.program import INSPECT, Parser, program

if TYPE_CHECKING:
    from multishade.inspect.run import Inspection

SHEET_ROWS = 8


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "inspect", help="validate shards, print a summary, draw a contact sheet", description=__doc__
    )
    _add_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script `multishade-inspect`: the arguments of `multishade inspect`, the same exit codes."""
    from multishade.cli import call

    parser = Parser(prog=program(INSPECT), description=__doc__)
    _add_arguments(parser)
    return call(parser.parse_args(argv))


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_places(parser)
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="draw a contact sheet")
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE.html",
        help="write a page that needs no other file: checks and a gallery",
    )
    parser.add_argument(
        "--rows",
        type=positive,
        help="samples on the sheet (default 8) and on the page (default 200, the most)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--workers", type=positive, default=1, help="shards inspected at a time (default 1)")
    parser.epilog = "Exit code 0: sound. 1: not sound, the reasons are printed. 2: cannot be inspected."
    add_threads(parser, shared_by="workers")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import contextlib
    import json

    from multishade.inspect.text import render_text
    from multishade.shards.locate import find_shards
    from multishade.storage.writable import require_writable_file

    for path, option in ((args.sheet, "--sheet"), (args.html, "--html")):
        if path:
            require_writable_file(path, remedy=f"choose another path with {option}")

    shards = find_shards(args.places)
    # Libraries that meet a damaged file print about it; standard output is for the report.
    with contextlib.redirect_stdout(sys.stderr):
        inspection = _inspect([shard.url for shard in shards], args.workers)
        summary = inspection.summary
        if args.sheet:
            from multishade.report.sheet import draw_sheet

            reasons: dict[str, list[str]] = {}
            for finding in summary["findings"]:
                reasons.setdefault(finding["key"], []).append(finding["message"])
            drawn = draw_sheet(args.sheet, shards, args.rows or SHEET_ROWS, reasons)
        if args.html:
            from multishade.inspect.page import MOST_SAMPLES, write_page

            listed = write_page(
                args.html, inspection, [shard.url for shard in shards], args.rows or MOST_SAMPLES
            )
    if args.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        print(render_text(summary))
        if args.sheet:
            print(f"{args.sheet}: {drawn} of {summary['samples']} samples")
        if args.html:
            print(f"{args.html}: {listed} of {summary['samples']} samples")
    return 0 if summary["sound"] else 1


def _inspect(shards: list[str], workers: int) -> "Inspection":
    """Inspect, with progress on standard error if it is a terminal."""
    from tqdm import tqdm

    from multishade.inspect.run import inspect_shards

    one_process = workers == 1 or len(shards) == 1
    unit, total = (" samples", None) if one_process else (" shards", len(shards))
    with tqdm(unit=unit, total=total, disable=not sys.stderr.isatty(), leave=False) as bar:
        if one_process:
            return inspect_shards(shards, on_sample=lambda key: bar.update())
        return inspect_shards(shards, workers, on_shard=lambda report: bar.update())
