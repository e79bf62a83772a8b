# SPDX-License-Identifier: Apache-2.0
"""A data set's folder -> the same folder with card, pictures, preview, Croissant file and Energon index."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

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

CARD, CROISSANT, PICTURES = "README.md", "croissant.json", "card"
SHEET_ROWS = 6


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
    folder: Path,
    options: CardOptions | None = None,
    workers: int = 1,
    progress: Callable[[str], object] = lambda step: None,
) -> Contents:
    """Write README.md, card/*.png, preview/*.parquet, croissant.json, .nv-meta/ and *.tar.idx into a data set's folder.

    Files of an earlier call are replaced; shards, markers and dataset.json are not touched.

    Args:
        folder: The data set, local.
        options: How much is read.
        workers: Shards that are read at a time for the statistics.
        progress: Called with a description of each step when it begins.

    Returns:
        What the data set holds, its licence among it.

    Raises:
        ShardError: If the folder is no data set, has no finished shard, or cannot be written.
        MissingPackageError: If a preview is wanted and pyarrow is not installed.
    """
    options = options or CardOptions()
    progress("reading markers and meta.json")
    contents = survey(folder)
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
    statistics = gather(folder, options.samples, options.images, workers)
    assets, note = assets_of(statistics)
    checks = check_all(statistics, assets)
    pictures = _draw_pictures(folder, contents, figures_of(statistics))
    progress("writing the card")
    pattern = f"{PREVIEW_FOLDER}/*.parquet" if preview else None
    text = card_text(contents, checks, pictures, pattern, len(statistics.samples), note)
    description = json.dumps(croissant(contents, preview), indent=2, ensure_ascii=False) + "\n"
    write_text(folder / CROISSANT, description)
    energon.write_index(folder, contents.shards, contents.split)
    write_text(folder / CARD, text)
    return contents


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
