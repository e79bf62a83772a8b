# SPDX-License-Identifier: Apache-2.0
"""`multishade stats SHARD...`: distributions over a data set, and whether they are what its recipe says."""

import argparse
import sys

from multishade.cli.options import add_output, add_share_read, positive
from multishade.cli.places import add_places, dataset_of, default_output, name_of


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "stats",
        help="draw a data set's statistics, and compare them with its recipe",
        description="Read a data set's folder, compare distributions (normals, lights, exposure, materials, views) "
        "with what its recipe says, print a line for each check, and write a page with figures.",
        epilog="Exit code 0; 1 with --strict where something is suspect; 2 where the folder cannot be read.",
    )
    add_places(parser)
    add_output(parser, "where stats.html and stats.json go (default: out/stats/DATASET)", old=("--out",))
    parser.add_argument("--strict", action="store_true", help="exit code 1 where something is suspect")
    add_share_read(parser)
    parser.add_argument(
        "--psnr",
        type=positive,
        default=0,
        metavar="N",
        help="render N images again at high quality (minutes)",
    )
    parser.add_argument(
        "--reference-samples",
        type=positive,
        default=2048,
        metavar="N",
        help="paths a pixel for --psnr (default 2048)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from multishade.stats.checks import assets_of, check_all
    from multishade.stats.gather import gather
    from multishade.stats.page import write_page
    from multishade.stats.quality import check_quality, choose_images
    from multishade.storage.writable import require_writable_folder

    out = args.output or default_output("stats", name_of(args.places))
    require_writable_folder(out)

    folder = dataset_of(args.places)
    found = gather(folder, args.samples, args.images, args.workers, places=args.places)
    assets, note = assets_of(found)
    checks = check_all(found, assets)
    quality = []
    if args.psnr:
        from multishade.render.rerender import measure_quality

        images = choose_images(found, args.psnr)
        measured = measure_quality(folder, images, args.reference_samples, args.threads.count)
        quiet = not sys.stderr.isatty()
        quality = list(tqdm(measured, total=len(images), unit=" images", disable=quiet, leave=False))
        checks += check_quality(quality, args.reference_samples)
    write_page(out, found, checks, quality, note)
    for check in checks:
        print(check.line())
    if note:
        print(f"not compared with the manifests: {note}")
    suspect = sum(not check.ok for check in checks)
    print(
        f"{len(found.samples):,} of {found.total:,} samples, {len(checks)} checks, {suspect} suspect; "
        f"{out / 'stats.html'}"
    )
    return 1 if suspect and args.strict else 0
