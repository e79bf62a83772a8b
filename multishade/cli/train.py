# SPDX-License-Identifier: Apache-2.0
"""`multishade train CONFIG`: shards -> a trained model, with its log, checkpoints and validation pictures."""

import argparse

from multishade.cli.options import add_config

EPILOG = """examples:
  multishade train rose-tiny
  multishade train rose-tiny --set 'data.train=[data/mine]' --set output=out/mine
  multishade train rose-tiny --resume
  accelerate launch --num_processes 2 -m multishade train rose-sv3d"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "train",
        help="train a model on shards",
        description="Train the model that a configuration names, and write it to a folder for `multishade infer`.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on from the latest checkpoint of the output folder"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.training.tasks import load_config

    config = load_config(args.config, args.overrides)
    from multishade.training.trainer import train

    print(f"model: {train(config, resume=args.resume)}")
    return 0
