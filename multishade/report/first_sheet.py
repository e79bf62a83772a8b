# SPDX-License-Identifier: Apache-2.0
"""A data set's folder -> `sheet.png` beside its tars: a few samples of its first shards, however many it has."""

from collections.abc import Collection
from contextlib import suppress

from multishade.errors import MultiShadeError
from multishade.imaging.codecs import encode_png
from multishade.report.block import draw_block
from multishade.report.sheet import draw_page, spread
from multishade.shards.dataset import Dataset
from multishade.shards.layout import TAR_PATTERN, marker_name, shard_number
from multishade.storage.store import FolderPlace, StoredFile, open_store

SHEET_NAME = "sheet.png"
SHARDS, ROWS = 2, 6  # bound the time and the memory of a sheet


def write_first_sheet(output: FolderPlace, rendered: Collection[int]) -> StoredFile | None:
    """Write the contact sheet of the first complete shards of a data set.

    At most `ROWS` samples of `SHARDS` shards are read, by the positions in their markers; tars and markers stay.
    The sheet stays if none of the shards that it shows is new, so that a run which adds shards to a large data set,
    or one of many that render slices of it, draws nothing.

    Args:
        output: Folder of the data set, local or remote.
        rendered: Numbers of the shards that the run committed.

    Returns:
        The file, or None if there is nothing to draw.

    Raises:
        MultiShadeError: If markers cannot be read, or the storage refuses.
    """
    store = open_store(output)
    names = sorted(name for name in store.list_names(TAR_PATTERN) if not name.startswith("."))
    shown = [name for name in names if store.exists(marker_name(name))][:SHARDS]
    sheet = store.file(SHEET_NAME)
    if not shown or (not rendered_now(shown, rendered) and sheet.exists()):
        return None
    dataset = Dataset([store.url_of(name) for name in shown])
    blocks = []
    for _, key in spread([("", key) for key in dataset], ROWS, set()):
        # A sample that cannot be read is a finding of `inspect`.
        with suppress(MultiShadeError):
            blocks.append(draw_block(dataset[key]))
    if not blocks:
        return None
    title = shown[0] if len(shown) == 1 else f"{shown[0]} to {shown[-1]}"
    sheet.write_bytes(encode_png(draw_page(blocks, f"{len(blocks)} of {len(dataset)} samples of {title}")))
    return sheet


def rendered_now(names: Collection[str], rendered: Collection[int]) -> bool:
    """Whether one of the tars is of a shard that the run committed."""
    return any(shard_number(name) in rendered for name in names)
