# SPDX-License-Identifier: Apache-2.0
"""`multishade export SHARD... [KEY...]`: samples -> plain files in a folder each."""

import argparse
import sys

from multishade.cli.options import add_output
from multishade.cli.places import add_places, default_output, name_of, read_places

EPILOG = """kinds:
  png     pictures: images with coverage (sRGB), normals (16 bit), depth, shading
  exr     exact values: linear images, normals, depth and shading in 32-bit EXR
  folder  the shading sequence as photographs under known lights, in DiLiGenT's names (16-bit linear PNG,
          light_directions.txt, light_intensities.txt, mask.png, Normal_gt.mat), which `multishade solve` reads

examples:
  multishade export data/demo s000000-g0001-v0 --as exr
  multishade export data/photometric/multishade-000000.tar --as folder -o out/photometric
  multishade solve out/photometric/s000000-g0000-v0"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "export",
        help="write samples as plain images and text",
        description="Write the samples of shards as plain files: DIR/KEY/... for each sample.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_places(parser, "keys of the samples to write (default: all)")
    parser.add_argument(
        "--as", dest="kind", choices=("png", "exr", "folder"), default="png", help="default: png"
    )
    add_output(parser, "default: out/export/DATASET")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from multishade.report.export import export_sample
    from multishade.shards.dataset import Dataset
    from multishade.storage.writable import require_writable_folder

    places, keys = read_places(args)
    output = args.output or default_output("export", name_of(places))
    require_writable_folder(output)
    data = Dataset(places)
    keys = keys or list(data)
    for key in tqdm(keys, unit=" samples", leave=False, disable=not sys.stderr.isatty()):
        paths = export_sample(data[key], output / key, args.kind)
        print(f"{output / key}: {len(paths)} files")
    return 0
