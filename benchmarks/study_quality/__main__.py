# SPDX-License-Identifier: Apache-2.0
"""The study of docs/study-quality.md: render the same scenes at several qualities, train on each, compare.

    python -m benchmarks.study_quality [--diligent FOLDER] [--seeds 3] [--workers 2] [--minutes 90] [--report-only]

What is finished is skipped, so an interrupted study is continued by repeating the command. Its parts may run on several
machines: --render-only where Blender is, --train-only on a copy of the shards (on a CUDA device if torch has one), and
the rest where its OUT/results, or OUT/models if the test shard was not copied, were put into OUT.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DILIGENT = "MULTISHADE_DILIGENT"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study_quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recipe", type=Path, default=ROOT / "configs/study-quality.yaml", help="scenes")
    parser.add_argument(
        "--render-set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe"
    )
    parser.add_argument("--config", type=Path, default=ROOT / "configs/train/study-quality.yaml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the training's configuration"
    )
    parser.add_argument("--data", type=Path, default=Path("data/study-quality"), help="shards")
    parser.add_argument(
        "--diligent",
        type=Path,
        default=Path(os.environ[DILIGENT]) if os.environ.get(DILIGENT) else None,
        help=f"DiLiGenT's folder, or ${DILIGENT}; without it that part is left out, and the report says so",
    )
    parser.add_argument(
        "--levels", nargs="+", help="names in benchmarks/study_quality/levels.py (default: all)"
    )
    parser.add_argument("--shards", type=int, default=2, help="of each quality, for equal steps (default: 2)")
    parser.add_argument("--most-shards", type=int, default=4, help="for equal cost, at most (default: 4)")
    parser.add_argument("--panel", type=int, default=4, help="groups that PSNR is measured on (default: 4)")
    parser.add_argument("--test-groups", type=int, default=24, help="of the test shard (default: 24)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each (default: 1)")
    parser.add_argument("--minutes", type=float, help="begin no further training after so many")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--render-only", action="store_true", help="render the shards to train on and stop")
    part.add_argument(
        "--train-only", action="store_true", help="train on shards that are there, measure, and stop"
    )
    part.add_argument("--report-only", action="store_true", help="begin no training, and write the report")
    parser.add_argument("--note", action="append", default=[], help="a sentence for the report's reader")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("out/study-quality"), help="models and results"
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the report goes")
    args = parser.parse_args(arguments)
    # Before torch is loaded, so that it holds for worker processes too.
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

    from benchmarks.study_quality.levels import LEVELS, REFERENCE, level_of
    from benchmarks.study_quality.run import Study
    from benchmarks.study_quality.scenes import Scenes
    from multishade.errors import MultiShadeError

    if min(args.seeds, args.workers, args.shards, args.panel, args.test_groups) < 1:
        parser.error("--seeds, --workers, --shards, --panel and --test-groups: expected 1 or more")
    if args.most_shards < args.shards:
        parser.error("--most-shards: expected at least --shards")
    try:
        chosen = [level_of(name) for name in args.levels] if args.levels else list(LEVELS)
        if REFERENCE not in [level.name for level in chosen]:
            chosen.append(level_of(REFERENCE))
        scenes = Scenes(
            args.recipe, args.data, args.workers, args.panel, args.test_groups, tuple(args.render_set)
        )
        study = Study(scenes, args.config, args.out, args.diligent, tuple(args.set))
        if args.render_only:
            study.render(chosen, args.shards, args.most_shards)
            return 0
        if args.train_only:
            left = study.train(range(args.seeds), args.workers, args.minutes)
            print(f"{len(left)} runs are left" if left else "all runs are trained")
            return 0
        print(
            study.run(
                chosen,
                (args.shards, args.most_shards),
                range(args.seeds),
                args.docs,
                workers=args.workers,
                minutes=0.0 if args.report_only else args.minutes,
                notes=args.note,
            )
        )
    except (MultiShadeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
