# SPDX-License-Identifier: Apache-2.0
"""`multishade push DIR REPO`: upload a data set to the Hugging Face Hub."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multishade.publish.push import PushedFile

EPILOG = """examples:
  hf auth login
  multishade card data/demo
  multishade push data/demo USER/multishade-demo --private

An interrupted upload is continued by running the command again: what the Hub has is not sent twice."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "push",
        help="upload a data set to the Hugging Face Hub",
        description="Upload the shards, card, preview and indexes of a data set's folder to a repository of the "
        "Hugging Face Hub, which is created if it does not exist.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", metavar="DIR", help="folder or URL of a data set, with the card of `multishade card`"
    )
    parser.add_argument("repository", metavar="REPO", help="USER/NAME")
    parser.add_argument(
        "--private", action="store_true", help="a new repository is visible to its owner only"
    )
    parser.add_argument("--dry-run", action="store_true", help="list the files and send nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.publish.card import size_text
    from multishade.publish.push import files_to_push, push

    if args.dry_run:
        files = files_to_push(args.folder)
        for file in files:
            print(f"{size_text(file.size):>12}  {file.name}")
        print(f"{len(files)} files, {size_text(sum(file.size for file in files))}")
        return 0

    def report(files: "Sequence[PushedFile]", done: int, total: int) -> None:
        names = f"{files[0].name} and {len(files) - 1} more files"
        print(f"{size_text(done)} of {size_text(total)} sent; sending {names}", file=sys.stderr)

    pushed = push(args.folder, args.repository, args.private, report)
    print(
        f"{pushed.url}: {pushed.uploaded} files sent ({size_text(pushed.bytes)}), {pushed.skipped} were there already"
    )
    return 0
