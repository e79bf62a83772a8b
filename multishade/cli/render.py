# SPDX-License-Identifier: Apache-2.0
"""`multishade render CONFIG`: shards of a data set -> tars in a folder."""

import argparse
from pathlib import Path

from multishade.cli.options import add_config, parse_shards


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "render",
        help="render shards of a data set",
        description="Render shards of a data set. What is already there is skipped, so an interrupted run is continued "
        "by running it again. Exit code 0: every shard is complete; 1: something was left out or failed.",
    )
    add_config(parser)
    parser.add_argument(
        "--shards", default="0", metavar="0-3", help="shard numbers, ends included (default 0)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder for the shards (default data/NAME)"
    )
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="shards at once (default: as many as fit)"
    )
    parser.add_argument(
        "--cpus-per-worker", type=_positive, default=1, metavar="C", help="threads of each Blender"
    )
    parser.add_argument("--gpus-per-worker", type=float, default=0.0, metavar="G", help="may be a fraction")
    parser.add_argument("--address", metavar="ADDR", help="join a Ray cluster: ADDR is `auto` or HOST:PORT")
    parser.add_argument(
        "--retry-failed", action="store_true", help="render shards again whose markers record groups left out"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.config import load_config
    from multishade.render.backends.ray import Layout, Outcome, print_summary, render_shards
    from multishade.render.plan import make_plan
    from multishade.render.worker import shard_path
    from multishade.shards.record import open_dataset
    from multishade.shards.tar import committed

    config = load_config(args.config, args.overrides)
    shards = parse_shards(args.shards, config)
    plan = make_plan(config)
    folder = args.output or Path("data") / config.name
    open_dataset(folder, plan.record())
    markers = {shard: committed(shard_path(folder, shard)) for shard in shards}
    missing = [
        shard
        for shard, marker in markers.items()
        if marker is None or (args.retry_failed and marker.failures)
    ]
    layout = Layout(args.workers, args.cpus_per_worker, args.gpus_per_worker, args.address)
    outcome = render_shards(plan, missing, folder.resolve(), layout) if missing else Outcome()
    kept = {shard: marker for shard, marker in markers.items() if marker is not None and shard not in missing}
    earlier = sum(len(marker.failures) for marker in kept.values())
    print_summary(outcome, len(kept))
    if earlier:
        print(
            f"  {earlier} groups were left out of shards that were there already; --retry-failed renders these again"
        )
    print(f"look at them with: multishade-inspect {folder}/*.tar --sheet sheet.png")
    return 1 if outcome.failed or outcome.failures or earlier else 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value
