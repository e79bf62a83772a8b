# SPDX-License-Identifier: Apache-2.0
"""How this program was started -> hints that can be pasted into the same shell.

Texts of the package name commands as if they were on the path: "`multishade configs`", a line of examples. Whoever
started `.venv/bin/multishade` gets these with that path.
"""

import argparse
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

NAME, INSPECT = "multishade", "multishade-inspect"
_COMMAND = re.compile(r"(?m)(?P<before>^ *|`)multishade(?= +[a-z-]|\n)")
_INSPECT = re.compile(r"(?<![\w./-])multishade-inspect(?![\w.-])")
_EXTRA = re.compile(r"pip install 'multishade\[(\w+)\]'")
_PIP = re.compile(r"(?<!-m )pip install ")


class Parser(argparse.ArgumentParser):
    """A parser whose help can be pasted, and that takes options anywhere among the arguments."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        commands = any(action.nargs == argparse.PARSER for action in self._get_positional_actions())
        if self._mixing or commands:
            return super().parse_known_args(args, namespace)
        self._mixing = True  # parse_known_intermixed_args calls this method twice
        try:
            known, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False
        if unknown:  # the parser of all commands would print its own usage, without this command's options
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def format_help(self) -> str:
        return pasted(super().format_help())


def program(name: str = NAME) -> str:
    """Return what to type to start a command of this installation.

    Args:
        name: Of the console script, "multishade" or "multishade-inspect".

    Returns:
        Such as "multishade" if it is on the path, ".venv/bin/multishade", or "python -m multishade".
    """
    started = Path(sys.argv[0])
    if started.name == "__main__.py" and started.parent.name == NAME:
        return f"{_python()} -m multishade{' inspect' if name == INSPECT else ''}"
    if started.name not in (NAME, INSPECT):
        return name  # inside another program
    beside = started.with_name(name)
    found = shutil.which(name)
    if found is not None and beside.exists() and os.path.samefile(found, beside):
        return name
    return _short(beside)


def pasted(text: str) -> str:
    """Replace the commands that a text names by what starts them here.

    Args:
        text: Commands in it follow a backtick or begin a line; `pip install` may stand anywhere.
    """
    command, inspect = program(), program(INSPECT)
    text = _COMMAND.sub(lambda match: match["before"] + command, text)
    text = _INSPECT.sub(lambda match: inspect, text)
    if command == NAME:
        return text
    clone = Path(__file__).resolve().parents[2]
    if (clone / "pyproject.toml").is_file():
        text = _EXTRA.sub(
            lambda match: f"pip install --editable {_quoted(f'{_short(clone)}[{match[1]}]')}", text
        )
    return _PIP.sub(lambda match: f"{_python()} -m pip install ", text)


def _python() -> str:
    """This interpreter, as it was typed if it was, else as its path."""
    typed = sys.orig_argv[0] if sys.orig_argv else sys.executable
    if os.sep in typed or shutil.which(typed) is None:
        return _short(Path(sys.executable))
    return shlex.quote(typed)


def _short(path: Path) -> str:
    """A path, from the current folder if it lies below it."""
    here = Path.cwd()
    absolute = Path(os.path.abspath(path))
    return shlex.quote(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))


def _quoted(text: str) -> str:
    return text if text == shlex.quote(text) else f"'{text}'"
