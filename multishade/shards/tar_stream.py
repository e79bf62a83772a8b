# SPDX-License-Identifier: Apache-2.0
"""A stream of a tar's bytes -> its samples one after the other, through webdataset's own reader."""

import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

from multishade.errors import ShardError
from multishade.extras import require

# (number of the sample in the tar, file name without the key) -> whether to keep the file.
Wanted = Callable[[int, str], bool]


def tar_samples(url: str, stream: BinaryIO, wanted: Wanted) -> Iterator[tuple[int, str, dict[str, bytes]]]:
    """Yield the samples of a tar that have a wanted file, in the tar's order.

    Args:
        url: Name of the tar, for messages.
        stream: Its bytes.
        wanted: Decides which files are read into memory.

    Yields:
        Number of the sample in the tar, key, and {file name after the key: content}.

    Raises:
        ShardError: If the tar is cut short or damaged; the incomplete sample is not yielded.
    """
    require("webdataset", extra="train")
    from webdataset.tariterators import tar_file_iterator

    number, passing = -1, ""

    def select(name: str) -> bool:
        nonlocal number, passing
        key, _, file_name = name.removeprefix("./").partition(".")
        if key != passing:
            number, passing = number + 1, key
        return wanted(number, file_name)

    current, key, files = -1, "", dict[str, bytes]()
    try:
        for entry in tar_file_iterator(stream, select_files=select):
            member_key, _, file_name = entry["fname"].removeprefix("./").partition(".")
            if member_key != key:
                if files:
                    yield current, key, files
                current, key, files = number, member_key, {}
            files[file_name] = entry["data"]
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ShardError(f"{url}: damaged or cut short after {max(current, 0)} samples ({error})") from error
    if files:
        yield current, key, files
