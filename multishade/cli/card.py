# SPDX-License-Identifier: Apache-2.0
"""`multishade card DIR`: make a data set's folder ready for hubs and other loaders."""

import argparse
import sys
from pathlib import Path

from multishade.cli.options import add_share_read

EPILOG = """writes into DIR:
  README.md        card of the Hugging Face Hub, with a data sheet: recipe, statistics, limits, licences of all assets
  card/*.png       its pictures
  preview/         small JPEGs of some samples as Parquet, since the Hub's viewer cannot show EXR
  croissant.json   Croissant 1.1 with the sha256 of each tar
  .nv-meta/        index of Megatron-Energon, with a .tar.idx beside each tar

examples:
  multishade card data/demo
  multishade push data/demo USER/multishade-demo"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "card",
        help="write a data set's card, preview, Croissant file and Energon index",
        description="Make a data set's folder ready for hubs: a card with the licence that follows from its assets, a "
        "preview, and the files that other loaders need.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="folder or URL of a rendered data set")
    add_share_read(parser)
    parser.add_argument(
        "--preview-samples",
        type=int,
        default=200,
        metavar="N",
        help="samples in the preview (default 200; 0: none)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.publish.card import size_text
    from multishade.publish.write import CARD, CardOptions, write_card
    from multishade.storage.store import is_local, open_store
    from multishade.storage.writable import require_writable_folder

    if is_local(args.folder):
        require_writable_folder(Path(args.folder))
    options = CardOptions(args.samples, args.images, max(0, args.preview_samples))
    contents = write_card(
        args.folder, options, args.workers, lambda step: print(f"{step} ...", file=sys.stderr)
    )
    licence, card = contents.licence, open_store(args.folder).url_of(CARD)
    print(f"{card}: {contents.samples:,} samples, {size_text(contents.bytes)}, licence {licence.hub}")
    for line in (*licence.reasons, *contents.notes):
        print(f"  {line}")
    return 0
