# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands have in common: a configuration with overrides, a range of shards."""

import argparse
import re
from typing import TYPE_CHECKING

from multishade.errors import ConfigError

if TYPE_CHECKING:
    from multishade.config import Config


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the argument CONFIG and the option --set."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help="a YAML file, or the name of a shipped recipe such as demo (`multishade configs` lists them)",
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override a setting, e.g. --set views.count=2; may be repeated",
    )


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
