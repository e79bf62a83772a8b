# SPDX-License-Identifier: Apache-2.0
"""`multishade show SHARD... [KEY]`: one sample as one large picture."""

import argparse

from multishade.cli.options import add_output
from multishade.cli.places import add_places, default_output, name_of, read_places


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "show",
        help="draw one sample as one large picture",
        description="Draw one sample large: its images, normals, depth, mask, the error of least squares and the "
        "shading sequence, with what the captions mean.",
    )
    add_places(parser, "key of the sample to draw (default: the first)")
    add_output(parser, "default: out/show/DATASET/KEY.png", "FILE.png")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.report.sheet import draw_sample_sheet
    from multishade.shards.dataset import Dataset
    from multishade.storage.writable import require_writable_file

    places, keys = read_places(args, at_most=1)
    if args.output is not None:
        require_writable_file(args.output)
    data = Dataset(places)
    key = keys[0] if keys else next(iter(data))
    output = args.output or default_output("show", name_of(places) / f"{key}.png")
    require_writable_file(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    draw_sample_sheet(output, data[key])
    print(output)
    return 0
