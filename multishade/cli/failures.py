# SPDX-License-Identifier: Apache-2.0
"""`multishade failures DIR`: what failed in a data set, and why; render it again, or pass objects over from now on."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from multishade.cli.options import add_output, add_overrides, positive
from multishade.cli.places import default_output, name_of
from multishade.cli.program import program

if TYPE_CHECKING:
    from multishade.render.ledger import Entry, Ledger
    from multishade.render.quarantine import Quarantined

SHOWN_LINES = 5  # of Blender's output, on a terminal
EPILOG = """Exit code 0: nothing failed, or all of it was rendered with --retry; 1: there are failures.

An object in quarantine is passed over by the shards that are not complete yet: they show another one in its place,
which follows from the recipe, the manifests and DIR/quarantine.json alone. Stop runs on DIR before --quarantine.

examples:
  multishade failures data/demo --by object
  multishade failures data/demo --retry --set runtime.request_seconds=1200
  multishade failures data/demo --quarantine 3"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "failures",
        help="list what failed while a data set was rendered; render it again",
        description="List the groups that were left out of the shards of a data set and the shards that were given up: "
        "phase, reason, signal, Blender's last lines, and the command that renders the group again.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="folder or URL of a rendered data set")
    parser.add_argument("--by", choices=("kind", "object"), help="count them instead of listing each")
    parser.add_argument(
        "--retry",
        action="store_true",
        help="render shards with failures again; --set changes runtime settings",
    )
    parser.add_argument(
        "--quarantine",
        type=positive,
        metavar="N",
        help="pass over objects that failed in N groups or more, in shards that are not complete yet",
    )
    parser.add_argument("--html", action="store_true", help="write a page")
    add_output(parser, "where failures.html goes (default: out/failures/DATASET)")
    add_overrides(parser, "runtime.request_seconds=1200")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.render.ledger import read_ledger
    from multishade.render.ledger_page import write_page
    from multishade.render.quarantine import read_quarantine, write_quarantine
    from multishade.shards.record import read_dataset

    read_dataset(args.folder)  # a folder that is no data set is refused
    ledger, quarantine = read_ledger(args.folder), read_quarantine(args.folder)
    _print(ledger, quarantine, args)
    if args.html:
        page = (args.output or default_output("failures", name_of([args.folder]))) / "failures.html"
        write_page(page, args.folder, ledger, quarantine, lambda entry: _again(args.folder, entry))
        print(page)
    if args.quarantine is not None:
        found = ledger.suspects(args.quarantine, quarantine)
        if found:
            write_quarantine(args.folder, [*quarantine, *found])
        for suspect in found:
            print(f"quarantine: {suspect.object} failed in {suspect.failures} groups: {suspect.reason}")
        print(f"{len(found)} objects added to the quarantine, {len(quarantine)} were in it")
    if args.retry and ledger.shards:
        return _retry(args.folder, ledger.shards, args.overrides)
    return 1 if ledger.entries else 0


def _print(ledger: "Ledger", quarantine: Sequence["Quarantined"], args: argparse.Namespace) -> None:
    from multishade.render.ledger_page import details

    if args.by == "kind":
        for kind, count in ledger.by_kind():
            print(f"{count:6}  {kind}")
    elif args.by == "object":
        for name, entries in ledger.by_object():
            print(f"{len(entries):6}  {name}: {entries[-1].reason}")
    else:
        for entry in ledger.entries:
            where = "left out" if entry.complete else "shard given up"
            print(f"{entry.failure.group or f'shard {entry.shard}'} ({where}): {entry.reason}")
            for line in details(entry, _again(args.folder, entry)):
                print(f"  {line}")
            for line in entry.failure.output[-SHOWN_LINES:]:
                print(f"  | {line}")
    for name, count in ledger.bad_materials().items():
        print(f"material {name} failed on {count} objects")
    for passed in quarantine:
        print(f"in quarantine: {passed.object}: {passed.reason}")
    print(f"{len(ledger.entries)} failures in {len(ledger.shards)} shards, {len(ledger.complete)} complete")


def _again(folder: str, entry: "Entry") -> str:
    """What renders a failure again: its group, or its shard if it failed as a whole."""
    if entry.failure.group:
        return f"{program()} replay {folder} --key {entry.failure.group}"
    return f"{program()} failures {folder} --retry"


def _retry(folder: str, shards: Sequence[int], overrides: Sequence[str]) -> int:
    from multishade.cli.render import print_summary
    from multishade.render.interrupt import ending_at_once
    from multishade.render.plan import read_plan
    from multishade.render.progress import ProgressBar
    from multishade.render.run import render

    plan = read_plan(folder, overrides)
    with ending_at_once(), ProgressBar(plan) as progress:
        result = render(plan, folder, shards, backend="ray", retry_failed=True, progress=progress)
    print_summary(result)
    return 0 if result.complete else 1
