# SPDX-License-Identifier: Apache-2.0
"""The study of docs/study-supervision.md: train the arms on equal terms, measure their surfaces, write the report.

    python -m benchmarks.study_supervision [--seeds 5] [--workers 2] [--minutes 90] [--report-only]

It runs on a CUDA device if torch has one. What is finished is skipped, so an interrupted study is continued by
repeating the command; other settings or data make a result count as unfinished.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study_supervision",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, default=ROOT / "configs/train/study-supervision.yaml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the configuration"
    )
    parser.add_argument("--test", default="data/bundled-test", help="shards of unseen objects")
    parser.add_argument(
        "--photos", type=int, default=3, help="of each test view that are measured (default: 3)"
    )
    parser.add_argument(
        "--arms", nargs="+", help="names in benchmarks/study_supervision/arms.py (default: all)"
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many (default: 5)")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each (default: 1)")
    parser.add_argument("--minutes", type=float, help="begin no further run after so many")
    parser.add_argument("--prepare-only", action="store_true", help="read the shards into out/views and stop")
    parser.add_argument("--report-only", action="store_true", help="write the report from what is there")
    parser.add_argument("--note", action="append", default=[], help="a sentence for the report's reader")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("out/study-supervision"), help="models, results"
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the report goes")
    args = parser.parse_args(arguments)
    # Before torch is loaded, so that it holds for worker processes too.
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

    from benchmarks.study_supervision.arms import ARMS, named
    from benchmarks.study_supervision.run import Place, carry_out, plan, prepare
    from benchmarks.study_supervision.write import write
    from multishade.errors import MultiShadeError

    if min(args.seeds, args.workers, args.photos) < 1:
        parser.error("--seeds, --workers and --photos: expected 1 or more")
    place = Place(args.config, args.out, args.test, tuple(args.set), args.photos, args.seeds)
    try:
        jobs = plan(named(args.arms) if args.arms else ARMS, args.seeds)
        if args.prepare_only:
            prepare(place)
            return 0
        if not args.report_only:
            left = carry_out(jobs, place, args.workers, args.minutes, lambda text: print(text, flush=True))
            if left:
                print(f"time is up: {len(left)} of {len(jobs)} runs are left; repeat the command for them")
        print(f"report: {write(args.docs, place, jobs, args.note)}")
    except (MultiShadeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
