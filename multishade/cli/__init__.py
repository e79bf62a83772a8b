# SPDX-License-Identifier: Apache-2.0
"""The `multishade` command: argv -> one sub-command -> exit code.

Each module named below owns one sub-command: `add_parser(subparsers)` declares it, `run(args)` does it.
Imports that cost time belong inside `run`, so that `multishade --help` answers at once.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from multishade.errors import BlenderError, MultiShadeError
from multishade.version import __version__

COMMANDS = (
    "render",
    "plan",
    "configs",
    "inspect",
    "replay",
    "stats",
    "assets",
    "train",
    "infer",
    "solve",
    "evaluate",
    "compare",
)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="multishade", description="Render shading-sequence data sets, train on them, solve for normals."
    )
    parser.add_argument("--version", action="version", version=f"multishade {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        importlib.import_module(f"multishade.cli.{command}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 1 when a check failed, 2 on bad input, 130 on Ctrl-C."""
    return call(build_parser().parse_args(argv))


def call(args: argparse.Namespace) -> int:
    """Do what parsed arguments ask for -> exit code; errors that a person can mend become a line of text."""
    try:
        return int(args.run(args))
    except MultiShadeError as error:
        print(f"error: {error}", file=sys.stderr)
        if isinstance(error, BlenderError) and error.output:
            print("the last lines Blender printed:", *error.output[-20:], sep="\n  ", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) went away; that is its right and no failure of ours.
        sys.stderr.close()
        return 0
