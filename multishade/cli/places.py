# SPDX-License-Identifier: Apache-2.0
"""Words of a command line -> places of shards and keys of samples; places -> where a command writes by default.

Every command that reads shards takes a tar, several, a folder (a data set), a pattern or a URL; keys stand anywhere
among them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from multishade.errors import DataError, ShardError

if TYPE_CHECKING:
    from multishade.storage.store import Store

OUT = Path("out")
_SIGNS = "*?[{"


def add_places(parser: argparse.ArgumentParser, keys: str = "") -> None:
    """Add the arguments SHARD.

    Args:
        parser: Of a command that reads shards; `read_places` reads what it parsed.
        keys: What keys of samples among the arguments are for; empty: the command takes no keys.
    """
    parser.add_argument(
        "places",
        nargs="+",
        metavar="SHARD|KEY" if keys else "SHARD",
        help="tars, a folder of them (a data set), patterns or URLs" + (f"; {keys}" if keys else ""),
    )
    if keys:
        parser.add_argument(
            "--key",
            dest="keys",
            action="append",
            default=[],
            metavar="KEY",
            help="the same for keys of another form than s000000-g0001-v0; may be repeated",
        )


def read_places(args: argparse.Namespace, at_most: int | None = None) -> tuple[list[str], list[str]]:
    """Tell places and keys apart: a key is a word such as s000000-g0001-v0 that names no file.

    Args:
        args: Parsed arguments of a command with `add_places`.
        at_most: Largest number of keys.

    Returns:
        The places and the keys, in order.

    Raises:
        DataError: If there is no place, or there are too many keys.
    """
    places, keys = [], list(args.keys)
    for word in args.places:
        if _is_key(word):
            keys.append(word)
        else:
            places.append(word)
    if not places:
        raise DataError(f"{keys[0]}: is the key of a sample; name the shard or the data set before it")
    if at_most is not None and len(keys) > at_most:
        raise DataError(f"{', '.join(keys)}: {len(keys)} keys; give {at_most}")
    return places, keys


def dataset_of(places: Sequence[str]) -> "Store":
    """Return the folder of the data set that places belong to: a folder itself, or the one around tars.

    Args:
        places: Tars, a folder, patterns or URLs.

    Raises:
        DataError: If a place stands for no tar, or they lie in several folders.
    """
    from multishade.shards.locate import find_shards
    from multishade.storage.store import open_store

    if len(places) == 1 and not places[0].endswith(".tar") and not any(sign in places[0] for sign in _SIGNS):
        return open_store(places[0])
    stores = {str(file.store): file.store for file in find_shards(places)}
    if len(stores) > 1:
        raise DataError(
            f"{', '.join(stores)}: the tars of one data set lie in one folder, these in {len(stores)}"
        )
    return next(iter(stores.values()))


def name_of(places: Sequence[str]) -> Path:
    """Name what places stand for, for default outputs: data/demo -> demo, data/demo/*.tar -> demo.

    Args:
        places: Tars, folders, patterns or URLs.

    Returns:
        A relative path from the current folder, without `data/` and `.tar`; of several tars, their folder.
    """
    place = str(places[0]).partition("://")[2] or str(places[0])
    path = Path(place)
    while any(sign in path.name for sign in _SIGNS) or (len(places) > 1 and path.name.endswith(".tar")):
        path = path.parent
    absolute, here = path.resolve(), Path.cwd()
    inside = absolute.is_relative_to(here) and absolute != here
    parts = absolute.relative_to(here).parts if inside else absolute.parts[1:]
    name = Path(*(parts[1:] if len(parts) > 1 and parts[0] == "data" else parts))
    return name.with_suffix("") if path.suffix == ".tar" else name


def default_output(command: str, name: str | PurePath) -> Path:
    """Return out/COMMAND/NAME, where a command writes if -o is not given."""
    return OUT / command / name


def _is_key(word: str) -> bool:
    from multishade.shards.keys import SampleKey

    try:
        SampleKey.parse(word)
    except ShardError:
        return False
    return not Path(word).exists()
