# SPDX-License-Identifier: Apache-2.0
"""`multishade view PLACE`: look through data sets of any size in a browser."""

import argparse
from pathlib import Path

PORT = 8347
EPILOG = """examples:
  multishade view data/demo
  multishade view s3://bucket/demo
  multishade view data/demo --against data/demo-new         # side by side, by key
  multishade view data/val --errors out/evaluate/val/results.csv

It answers on this machine only, reads and never writes. Ctrl-C ends it."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "view",
        help="look through a data set in a browser",
        description="Show the samples of shards on a local web page: a list of any length with search and filters; "
        "each sample large, with wipe, film strip, relighting and metadata.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("places", nargs="+", metavar="DATASET", help="folders, tars, patterns or URLs")
    parser.add_argument(
        "--against", metavar="DATASET", help="a second data set, shown beside the first by key"
    )
    parser.add_argument(
        "--errors",
        type=Path,
        metavar="FILE.csv",
        help="table of `multishade evaluate`: errors to filter and sort by",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"port (default {PORT}; 0: a free one)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("~/.cache/multishade/thumbnails"),
        metavar="DIR",
        help="folder of small pictures, at most 256 MB (default: ~/.cache/multishade/thumbnails)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.viewer.catalogue import Catalogue
    from multishade.viewer.errors_table import read_errors
    from multishade.viewer.server import serve
    from multishade.viewer.thumbnails import ThumbnailCache
    from multishade.viewer.viewer import Viewer

    errors = read_errors(args.errors) if args.errors else None
    places = args.places[0] if len(args.places) == 1 else args.places
    catalogues = [Catalogue(places, errors)]
    if args.against:
        catalogues.append(Catalogue(args.against))
    viewer = Viewer(catalogues, ThumbnailCache(args.cache.expanduser()))
    count = len(catalogues[0].keys)

    def ready(address: str) -> None:
        print(f"{count:,} samples: {address}", flush=True)

    serve(viewer, args.port, ready)
    return 0
