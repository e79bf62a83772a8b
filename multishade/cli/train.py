# SPDX-License-Identifier: Apache-2.0
"""`multishade train CONFIG`: shards -> a trained model, with its log, checkpoints and validation pictures."""

import argparse
import sys
from pathlib import Path

from multishade.cli.options import add_config, add_output, add_threads
from multishade.cli.places import OUT

EPILOG = """examples:
  multishade train rose-tiny
  multishade train rose-tiny --set 'data.train=[data/mine]' -o out/mine
  multishade train rose-tiny --resume                                        # after Ctrl-C, from its checkpoint
  multishade train rose-tiny --resume --set optimisation.steps=1200          # longer
  accelerate launch --num_processes 2 -m multishade train rose-sv3d"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "train",
        help="train a model on shards",
        description="Train the model that a configuration names, and write it to a folder for `multishade infer`.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser, "rose-tiny", "optimisation.steps=100")
    add_output(parser, "folder of the run (default: out/train/NAME, NAME being the configuration's)")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the latest checkpoint of the output folder"
    )
    add_threads(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.storage.writable import require_writable_folder
    from multishade.training.tasks import load_config

    overrides = [*args.overrides, *([] if args.output is None else [_output(args.output)])]
    config = load_config(args.config, overrides)
    before = OUT / config.name  # the default of the version before
    if (
        args.resume
        and config.output is None
        and not config.folder.exists()
        and (before / "checkpoints").is_dir()
    ):
        print(f"note: the run in {before} goes on there; new runs are in {config.folder}", file=sys.stderr)
        config = load_config(args.config, [*overrides, _output(before)])
    require_writable_folder(config.folder)
    from multishade import threads
    from multishade.cli.progress import StepBar
    from multishade.training.trainer import train

    workers, count = config.data.workers, args.threads.count
    if workers and not args.threads.explicit:
        count = max(1, count - workers)
        threads.announce(
            f"{threads.counted(count, 'thread')} beside {threads.counted(workers, 'process')} of the loader"
        )
    threads.limit_torch(count)
    with StepBar(config.optimisation.steps) as bar:
        model = train(config, resume=args.resume, report=bar.write, on_step=bar.step)
    print(f"model: {model}")
    return 0


def _output(folder: Path) -> str:
    import json

    return f"output={json.dumps(str(folder))}"
