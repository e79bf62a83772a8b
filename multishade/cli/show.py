# SPDX-License-Identifier: Apache-2.0
"""`multishade show SHARD KEY`: one sample as one large picture."""

import argparse
from pathlib import Path


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "show",
        help="draw one sample as one large picture",
        description="Draw one sample large: its images, normals, depth, mask, the error of least squares and the "
        "shading sequence, with what the captions mean.",
    )
    parser.add_argument("shard", metavar="SHARD", help="a tar, a folder of them, a glob pattern or a URL")
    parser.add_argument("key", nargs="?", metavar="KEY", help="key of a sample (default: the first)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.png", help="default: KEY.png")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.report.sheet import draw_sample_sheet
    from multishade.shards.dataset import Dataset

    data = Dataset(args.shard)
    key = args.key or next(iter(data))
    output = args.output or Path(f"{key}.png")
    draw_sample_sheet(output, data[key])
    print(output)
    return 0
