# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands have in common: a configuration with overrides, a range of shards, threads."""

import argparse
import re
from typing import TYPE_CHECKING

from multishade.errors import ConfigError

if TYPE_CHECKING:
    from multishade.config import Config


def add_config(
    parser: argparse.ArgumentParser, recipe: str = "demo", override: str = "views.count=2"
) -> None:
    """Add the argument CONFIG and the option --set; `recipe` and `override` are examples in the help."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help=f"a YAML file, or the name of a shipped recipe such as {recipe} (`multishade configs` lists them)",
    )
    add_overrides(parser, override)


def add_overrides(parser: argparse.ArgumentParser, override: str = "views.count=2") -> None:
    """Add the option --set."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help=f"override a setting, e.g. --set {override}; may be repeated",
    )


def add_threads(
    parser: argparse.ArgumentParser, default: int | None = None, shared_by: str | None = None
) -> None:
    """Add the option --threads; `multishade.cli.call` replaces its value by a `multishade.threads.Threads`.

    Args:
        parser: Of a command that computes.
        default: None: as many as there are free cores.
        shared_by: Name of the option that is the number of processes among which the free cores are shared.
    """
    chosen = "OMP_NUM_THREADS, else one for each core that is free" if default is None else str(default)
    parser.add_argument(
        "--threads", type=positive, default=default, metavar="N", help=f"threads (default: {chosen})"
    )
    parser.set_defaults(threads_shared_by=shared_by)


def positive(text: str) -> int:
    """Parse a whole number above 0, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def parse_shards(text: str, config: "Config") -> list[int]:
    """Parse "0-3,7" into [0, 1, 2, 3, 7]; a range includes both ends. Raises ConfigError."""
    shards: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise ConfigError(f"--shards {text}: write numbers and ranges such as 0-3 or 0-3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ConfigError(f"--shards {text}: {first}-{last} runs backwards")
        if last >= config.shards.count:
            raise ConfigError(
                f"--shards {text}: the data set has {config.shards.count} shards, 0 to {config.shards.count - 1} "
                "(shards.count)"
            )
        shards |= set(range(first, last + 1))
    return sorted(shards)
