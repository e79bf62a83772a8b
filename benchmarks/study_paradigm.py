# SPDX-License-Identifier: Apache-2.0
"""The study of docs/study-paradigm.md: train small models on equal terms, measure them, and write the report.

    python -m benchmarks.study_paradigm [--diligent FOLDER] [--seeds 3] [--workers 2] [--minutes 90] [--report-only]

What is finished is skipped, so an interrupted study is continued by repeating the command; other settings or
data make a
result count as unfinished. `benchmarks/study/arms.py` says what is compared, `benchmarks/study/run.py` where
results lie.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DILIGENT = "MULTISHADE_DILIGENT"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=ROOT / "configs/train/study.yaml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the configuration"
    )
    parser.add_argument(
        "--test", type=Path, default=Path("data/bundled-test"), help="shards of unseen objects"
    )
    parser.add_argument(
        "--diligent",
        type=Path,
        default=Path(os.environ[DILIGENT]) if os.environ.get(DILIGENT) else None,
        help=f"DiLiGenT's folder, or ${DILIGENT}; without it that part is left out, and the report says so",
    )
    parser.add_argument("--arms", nargs="+", help="names in benchmarks/study/arms.py (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each (default: 1)")
    parser.add_argument("--minutes", type=float, help="begin no further run after so many")
    parser.add_argument(
        "--train-only", action="store_true", help="measure later, e.g. before there is a test set"
    )
    parser.add_argument("--report-only", action="store_true", help="write the report from what is there")
    parser.add_argument(
        "--note",
        action="append",
        default=[],
        help="a sentence that the report's reader must know about this run",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("out/study"), help="models and results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the report goes")
    args = parser.parse_args(arguments)
    # Before torch is loaded, so that it holds for worker processes too.
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

    from benchmarks.study.arms import ARMS, named
    from benchmarks.study.run import Place, carry_out, plan
    from benchmarks.study.write import write
    from multishade.errors import MultiShadeError

    if args.seeds < 1 or args.workers < 1:
        parser.error("--seeds and --workers: expected 1 or more")
    place = Place(args.config, args.output, args.test, args.diligent, tuple(args.set), not args.train_only)
    try:
        arms = named(args.arms) if args.arms else ARMS
        jobs = plan(arms, range(args.seeds))
        if not args.report_only:
            left = carry_out(jobs, place, args.workers, args.minutes)
            if left:
                print(f"time is up: {len(left)} of {len(jobs)} runs are left; repeat the command for them")
        if args.train_only:
            return 0
        print(f"report: {write(args.docs, place, jobs, args.note)}")
    except (MultiShadeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
