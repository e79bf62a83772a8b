# SPDX-License-Identifier: Apache-2.0
"""The `multishade` command: argv -> one sub-command -> exit code.

Each module named below owns one sub-command: `add_parser(subparsers)` declares it, `run(args)` does it.
Imports that cost time belong inside `run`, so that `multishade --help` answers at once.
"""

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence

from multishade.cli.program import Parser, pasted
from multishade.cli.program import program as started_as
from multishade.errors import BlenderError, MultiShadeError
from multishade.version import __version__

INTERRUPTED = 130  # exit code, as shells have it

COMMANDS = (
    "render",
    "plan",
    "configs",
    "config",
    "inspect",
    "failures",
    "doctor",
    "show",
    "export",
    "replay",
    "stats",
    "card",
    "push",
    "view",
    "assets",
    "train",
    "infer",
    "depth",
    "solve",
    "models",
    "studio",
    "evaluate",
    "compare",
)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=started_as(), description="Render shading-sequence data sets, train on them, solve for normals."
    )
    parser.add_argument("--version", action="version", version=f"multishade {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        importlib.import_module(f"multishade.cli.{command}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 1 when a check failed, 2 on bad input, 130 on Ctrl-C."""
    try:
        code = call(build_parser().parse_args(argv))
    except KeyboardInterrupt:  # while modules were imported
        code = _interrupted()
    if code == INTERRUPTED and argv is None:
        # This process ends now; a further signal must not change its exit code.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(INTERRUPTED))
    return code


@contextlib.contextmanager
def _threads(args: argparse.Namespace) -> Iterator[None]:
    """Choose the threads of a command that computes, print the number, and keep numeric libraries to it."""
    if "threads" not in args:
        yield
        return
    from multishade import threads

    processes = getattr(args, args.threads_shared_by) if args.threads_shared_by else 1
    args.threads = threads.choose(args.threads, processes)
    each = f" for each of {processes} workers" if processes > 1 else ""
    threads.announce(f"{args.threads}{each}")
    with threads.limited(args.threads.count):
        yield


def call(args: argparse.Namespace) -> int:
    """Do what parsed arguments ask for -> exit code; errors that a person can mend become a line of text."""
    try:
        with _threads(args):
            return int(args.run(args))
    except MultiShadeError as error:
        print(f"error: {pasted(str(error))}", file=sys.stderr)
        if isinstance(error, BlenderError) and error.output:
            print("the last lines Blender printed:", *error.output[-20:], sep="\n  ", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # The reader (`| head`) went away; that is its right and no failure of ours.
        sys.stderr.close()
        return 0


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return INTERRUPTED
