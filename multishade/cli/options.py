# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands share: a configuration with overrides, a range of shards."""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

from multishade.config import Config
from multishade.errors import ConfigError


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, e.g. configs/demo.yaml")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override a setting, e.g. --set views.count=2; may be repeated",
    )


def parse_shards(text: str, config: Config) -> list[int]:
    """ "0-3,7" -> [0, 1, 2, 3, 7]; both ends belong to a range. Raises ConfigError."""
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


def format_shards(shards: Iterable[int]) -> str:
    """[0, 1, 2, 7] -> "0-2,7"."""
    runs: list[list[int]] = []
    for shard in sorted(shards):
        if runs and shard == runs[-1][1] + 1:
            runs[-1][1] = shard
        else:
            runs.append([shard, shard])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
