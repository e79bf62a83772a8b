# SPDX-License-Identifier: Apache-2.0
"""Measure every method on every benchmark at hand, and write docs/benchmarks.md.

    python -m benchmarks.evaluate_all [--shards FOLDER ...] [--real FOLDER] [--weights ps-fcn=FILE] [--again]

A cell (a method on a benchmark) that is there and of these very files, weights and sources is not measured again.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REAL = "MULTISHADE_BENCHMARKS"


def main(arguments: list[str] | None = None) -> int:
    from benchmarks.evaluate_all.contenders import LEARNED, SHARDS, benchmarks, contenders

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluate_all",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--shards",
        nargs="+",
        type=Path,
        default=[Path(each) for each in SHARDS],
        help="folders of test shards",
    )
    parser.add_argument(
        "--real",
        type=Path,
        default=Path(os.environ[REAL]) if os.environ.get(REAL) else None,
        help=f"folder with diligent/ and cleargrasp/, or ${REAL}; without it they are left out, and the page says so",
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NAME=PLACE",
        help="of a learned method, in place of the bundled ones",
    )
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="only these methods")
    parser.add_argument("--again", action="store_true", help="measure cells that are there, too")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("out/evaluate-all"), help="results of the cells"
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page goes")
    args = parser.parse_args(arguments)

    import numpy as np

    from benchmarks.evaluate_all.cells import cells
    from benchmarks.evaluate_all.findings import find
    from benchmarks.evaluate_all.report import TITLE, blocks
    from multishade.errors import MultiShadeError
    from multishade.report.document import to_markdown
    from multishade.threads import limit_torch

    weights = {}
    for text in args.weights:
        name, divider, place = text.partition("=")
        if not divider or name not in LEARNED:
            parser.error(f"--weights {text}: expected NAME=PLACE, NAME one of {', '.join(LEARNED)}")
        weights[name] = Path(place)
    limit_torch()
    try:
        methods = contenders(weights)
        if args.only is not None:
            unknown = set(args.only) - {each.name for each in methods}
            if unknown:
                parser.error(f"--only: no method {', '.join(sorted(unknown))}")
            methods = [each for each in methods if each.name in args.only]
        places = benchmarks(args.shards, args.real)
        measured = cells(methods, places, args.out, args.again, lambda text: print(text, flush=True))
        found = [
            find(place, [cell for cell in measured if cell.benchmark == place], np.random.default_rng(0))
            for place in places
            if not place.missing
        ]
        path = args.docs / "benchmarks.md"
        path.write_text(to_markdown(TITLE, blocks(methods, places, found)), encoding="utf-8")
    except MultiShadeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
