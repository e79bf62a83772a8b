# SPDX-License-Identifier: Apache-2.0
"""`multishade doctor`: what this machine lacks for rendering, each with its remedy."""

import argparse
from pathlib import Path

from multishade.cli.options import add_option


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="check what this machine lacks for rendering",
        description="Check memory, folders, limits, clock, packages, libraries, Landlock, Ray, GPU and Blender. "
        "`multishade render` makes those checks that are instant.",
        epilog="Exit code 0: nothing is lacking; 1: something is, with its remedy.",
    )
    add_option(
        parser,
        "--for",
        dest="output",
        type=Path,
        metavar="DIR",
        help="a folder that shards will be written to",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.render.backends import Resources
    from multishade.render.doctor import instant_checks, slow_checks

    lacking = 0
    for check in [*instant_checks(args.output, Resources().local_workers()), *slow_checks()]:
        print(f"{'ok  ' if check.ok else 'LACK'}  {check.line()}")
        lacking += not check.ok
    print(f"{lacking} things are lacking" if lacking else "nothing is lacking")
    return 1 if lacking else 0
