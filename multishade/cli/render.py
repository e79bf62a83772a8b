# SPDX-License-Identifier: Apache-2.0
"""`multishade render CONFIG`: render shards of a data set into a folder, print what was left out."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from multishade.cli.options import add_config, add_output, add_subset, parse_shards, positive
from multishade.cli.program import INSPECT, program
from multishade.cli.render_assets import (
    add_own_assets,
    finish_preview,
    has_own_assets,
    scan_own_assets,
    sized,
)

if TYPE_CHECKING:
    from multishade.render.backends import Resources
    from multishade.render.run import RenderResult


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "render",
        help="render shards of a data set",
        description="Render shards of a data set. Complete shards are skipped, so an interrupted run is continued by "
        "running it again. Exit code 0: every shard is complete; 1: groups were left out or shards failed.",
    )
    add_config(parser)
    parser.add_argument(
        "--shards",
        metavar="0-3",
        help="shard numbers, ends included (default 0; with --assets or --subset: all)",
    )
    add_subset(parser)
    add_own_assets(parser)
    add_output(parser, "folder for the shards, or a URL such as s3://... (default: data/NAME)", type=str)
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="shards at once (default: as many as fit)"
    )
    parser.add_argument(
        "--cpus-per-worker",
        "--threads",
        type=positive,
        default=1,
        metavar="C",
        help="threads of each Blender (default 1)",
    )
    parser.add_argument("--gpus-per-worker", type=float, default=0.0, metavar="G", help="may be a fraction")
    parser.add_argument("--address", metavar="ADDR", help="join a Ray cluster: ADDR is `auto` or HOST:PORT")
    parser.add_argument(
        "--retry-failed", action="store_true", help="render shards again whose markers record groups left out"
    )
    parser.add_argument(
        "--no-sheet", action="store_true", help="draw no contact sheet of the first shards beside the tars"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.render.interrupt import ending_at_once

    with ending_at_once():
        return _render(args)


def _render(args: argparse.Namespace) -> int:
    from multishade import threads
    from multishade.config import load_config
    from multishade.config.subset import subset_overrides
    from multishade.errors import ConfigError
    from multishade.render.backends import Resources
    from multishade.render.doctor import instant_checks
    from multishade.render.plan import make_plan
    from multishade.render.progress import ProgressBar
    from multishade.render.run import render
    from multishade.storage.writable import require_writable_folder

    resources = Resources(args.workers, args.cpus_per_worker, args.gpus_per_worker, args.address)
    threads.announce(_describe(resources))
    own = has_own_assets(args)
    # The name does not depend on the assets, but a recipe that lacks them may be valid only with them.
    name = load_config(args.config, args.overrides).name
    output = args.output or Path("data") / (f"{name}-subset" if args.subset else name)
    remote = "://" in str(output)
    if remote and (own or args.preview):
        raise ConfigError(f"-o {output}: --assets and --preview write to a local folder")
    if not remote:
        require_writable_folder(Path(output))
    overrides = [*(scan_own_assets(args, Path(output)) if own else ()), *args.overrides]
    if own or args.preview:
        overrides = sized(args, overrides)
    if args.preview:
        output = Path(output) / "preview"
    config = load_config(args.config, overrides)
    if not remote:
        for check in instant_checks(Path(output), resources.local_workers() if args.address is None else 0):
            if not check.ok:
                print(f"note: {check.line()}", file=sys.stderr)
    if args.subset:
        config = load_config(args.config, [*overrides, *subset_overrides(config, args.subset)])
    every = own or args.subset
    shards = parse_shards(args.shards or (f"0-{config.shards.count - 1}" if every else "0"), config)
    plan = make_plan(config)
    with threads.limited(args.cpus_per_worker), ProgressBar(plan) as progress:
        result = render(
            plan,
            output,
            shards,
            backend="ray",
            resources=resources,
            retry_failed=args.retry_failed,
            progress=progress,
        )
    print_summary(result)
    if args.preview:
        finish_preview(Path(output))
    elif not args.no_sheet:
        finish_sheet(result)
    return 0 if result.complete else 1


def _describe(resources: "Resources") -> str:
    """What a run uses: "at most 2 workers of 1 thread (of 2 cores)"."""
    from multishade import threads

    each = threads.counted(resources.cpus_per_worker, "thread")
    if resources.address is not None:
        return f"workers of {each} on the Ray cluster {resources.address}"
    workers = threads.counted(resources.local_workers(), "worker")
    return f"at most {workers} of {each} (of {threads.counted(threads.cores(), 'core')})"


def print_summary(result: "RenderResult") -> None:
    """Print what was rendered and what was not, and what to do next."""
    print(
        f"{len(result.rendered)} shards rendered ({result.samples} samples), {len(result.skipped)} already there"
    )
    if result.resumed:
        print(f"  {result.resumed} groups were finished before an interrupt and not rendered again")
    for group in result.failures:
        print(f"  left out: {group.group} ({group.object}, {group.material}): {group.error}")
    for shard, failure in result.given_up.items():
        print(f"  shard {shard} failed: {failure.error}")
    if result.left_out_before:
        print(
            f"  {result.left_out_before} groups were left out of shards that were there already; --retry-failed "
            "renders these again"
        )
    if result.stopped:
        print(f"  stopped: {result.stopped}; `{program()} failures {result.output}` lists them by reason")
    if result.rendered or result.skipped:
        print(f"look at them with: {program(INSPECT)} {result.output}/*.tar --sheet sheet.png")


def finish_sheet(result: "RenderResult") -> None:
    """Draw the contact sheet of the data set's first shards if this run changed what it shows.

    A sheet that cannot be drawn is named on standard error; the shards are complete without it.
    """
    from multishade.errors import MultiShadeError
    from multishade.report.first_sheet import write_first_sheet

    try:
        drawn = write_first_sheet(result.output, {report.shard for report in result.rendered})
    except (MultiShadeError, OSError) as error:
        print(f"note: no contact sheet: {error}", file=sys.stderr)
        return
    if drawn is not None:
        print(f"{drawn.url}: contact sheet of the first samples")
