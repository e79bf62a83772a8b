# SPDX-License-Identifier: Apache-2.0
"""A data set's folder -> the same folder with card, pictures, preview, Croissant file and Energon index."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure

from multishade.publish import energon
from multishade.publish.card import card_text
from multishade.publish.contents import Contents, survey
from multishade.publish.croissant import croissant
from multishade.publish.preview import FOLDER as PREVIEW_FOLDER
from multishade.publish.preview import spread_keys, write_preview
from multishade.report.sheet import draw_sheet
from multishade.shards.dataset import Dataset
from multishade.stats.checks import assets_of, check_all
from multishade.stats.figures import png_bytes
from multishade.stats.gather import gather
from multishade.stats.page import CAPTIONS, figures_of
from multishade.storage.local import atomic_file, write_text
from multishade.storage.scratch import scratch_prefix
from multishade.storage.store import FolderPlace, Store, open_store

CARD, CROISSANT, PICTURES = "README.md", "croissant.json", "card"
SHEET_ROWS = 6
_CHUNK = 1 << 20


@dataclass(frozen=True)
class CardOptions:
    """How much of a data set is read for its card.

    Attributes:
        samples: Samples that the statistics are of, in whole shards.
        images: Samples among them whose images are decoded.
        preview: Samples in the preview; 0 for no preview.
    """

    samples: int = 10_000
    images: int = 400
    preview: int = 200


def write_card(
    place: FolderPlace,
    options: CardOptions | None = None,
    workers: int = 1,
    progress: Callable[[str], object] = lambda step: None,
) -> Contents:
    """Write README.md, card/*.png, preview/*.parquet, croissant.json, .nv-meta/ and *.tar.idx into a data set's folder.

    Files of an earlier call are replaced; shards, markers and dataset.json are not touched.

    Args:
        place: The data set. The files of a remote one are made here first, and the card is sent last.
        options: How much is read.
        workers: Shards that are read at a time for the statistics.
        progress: Called with a description of each step when it begins.

    Returns:
        What the data set holds, its licence among it.

    Raises:
        ShardError: If the folder is no data set, has no finished shard, or cannot be written.
        MissingPackageError: If a preview is wanted and pyarrow is not installed.
    """
    options, store = options or CardOptions(), open_store(place)
    if store.local:
        return _write(store, Path(store.url), options, workers, progress)
    with TemporaryDirectory(prefix=scratch_prefix()) as name:
        contents = _write(store, Path(name), options, workers, progress)
        progress("sending the files")
        _send(Path(name), store)
    return contents


def _write(
    store: Store, folder: Path, options: CardOptions, workers: int, progress: Callable[[str], object]
) -> Contents:
    """Make the files of a data set in a local folder: its own, or one to send from."""
    progress("reading markers and meta.json")
    contents = survey(store)
    preview = None
    if options.preview:
        progress("drawing the preview")
        preview = folder / PREVIEW_FOLDER / f"{contents.split}-00000-of-00001.parquet"
        data = Dataset([file.url for file, _ in contents.shards])
        write_preview(preview, data, spread_keys(list(data), options.preview))
    for earlier in (folder / PREVIEW_FOLDER).glob("*.parquet"):
        if earlier != preview:
            earlier.unlink()
    progress("measuring distributions")
    statistics = gather(store, options.samples, options.images, workers)
    assets, note = assets_of(statistics)
    checks = check_all(statistics, assets)
    pictures = _draw_pictures(folder, contents, figures_of(statistics))
    progress("writing the card")
    pattern = f"{PREVIEW_FOLDER}/*.parquet" if preview else None
    text = card_text(contents, checks, pictures, pattern, len(statistics.samples), note)
    described = (f"{PREVIEW_FOLDER}/{preview.name}", preview.read_bytes()) if preview else None
    description = json.dumps(croissant(contents, described), indent=2, ensure_ascii=False) + "\n"
    write_text(folder / CROISSANT, description)
    energon.write_index(folder, contents.shards, contents.split)
    write_text(folder / CARD, text)
    return contents


def _send(folder: Path, store: Store) -> None:
    """Put the files of a folder into a store, those of an earlier preview out of it, and the card last."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    previews = store.child(PREVIEW_FOLDER)
    for name in set(previews.list_names("*.parquet")) - {path.name for path in paths}:
        previews.remove(name)
    for path in sorted(paths, key=lambda each: each.name == CARD):
        parent = path.parent.relative_to(folder).as_posix()
        target = store if parent == "." else store.child(parent)
        target.make_folder()
        with path.open("rb") as source, target.write(path.name) as stream:
            while chunk := source.read(_CHUNK):
                stream.write(chunk)


def _draw_pictures(
    folder: Path, contents: Contents, figures: Mapping[str, Figure | None]
) -> dict[str, tuple[str, str]]:
    """Section -> (path beside the card, caption) of each picture that was written; "" is the contact sheet."""
    (folder / PICTURES).mkdir(exist_ok=True)
    shards = [file for file, _ in contents.shards]
    shown = draw_sheet(
        folder / PICTURES / "samples.png", shards[:: -(-len(shards) // SHEET_ROWS)], SHEET_ROWS
    )
    found = {"": (f"{PICTURES}/samples.png", f"{shown} of {contents.samples:,} samples")}
    for section, figure in figures.items():
        if figure is not None:
            name = f"{PICTURES}/{section.lower().replace(' ', '-').replace(',', '')}.png"
            with atomic_file(folder / name) as stream:
                stream.write(png_bytes(figure))
            found[section] = (name, CAPTIONS[section])
    return found
