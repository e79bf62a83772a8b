# SPDX-License-Identifier: Apache-2.0
"""`multishade studio`: a local page that makes normals, relighting and files of photos that are dropped on it."""

import argparse

from multishade.cli.options import add_threads

PORT = 8348
EPILOG = """examples:
  multishade studio
  multishade studio --model out/mine/model --port 0

Open the address that it prints and drop a photo, or the photographs of one object with their lights. It answers on this
machine only; what is sent to it lies in a temporary folder, which is removed when it ends. Ctrl-C ends it."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "studio",
        help="drop photos on a local page: normals, mask, relighting, files",
        description="A page on this machine: drop a photo, correct its mask with a brush, move a light over it, and "
        "download the files of `multishade infer`; or drop photographs with their lights, as for `multishade solve`.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", metavar="MODEL", help="a model's folder or Hub name (default: the bundled one)"
    )
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"port (default {PORT}; 0: a free one)"
    )
    parser.add_argument(
        "--max-megabytes",
        type=float,
        default=200.0,
        metavar="N",
        help="largest file that is taken (default: 200)",
    )
    parser.add_argument(
        "--max-megapixels", type=float, default=40.0, metavar="N", help="largest photo (default: 40)"
    )
    add_threads(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.errors import OutputError
    from multishade.models.card import model_card
    from multishade.studio.server import application
    from multishade.studio.studio import Studio
    from multishade.studio.uploads import Limits
    from multishade.studio.work import Maker
    from multishade.viewer.loopback import serve

    for name in ("max_megabytes", "max_megapixels"):
        if not getattr(args, name) > 0:
            raise OutputError(
                f"--{name.replace('_', '-')} {getattr(args, name):g}: expected a positive number"
            )
    maker = Maker(args.model, args.max_megapixels)
    studio = Studio(maker, Limits(megabytes=args.max_megabytes, megapixels=args.max_megapixels))
    name = model_card(args.model)["name"]
    try:
        serve(
            application(studio),
            args.port,
            lambda address: print(f"studio, model {name}: {address}", flush=True),
        )
    finally:
        studio.stop()
    return 0
