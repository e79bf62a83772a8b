# SPDX-License-Identifier: Apache-2.0
"""`multishade configs`: list the shipped recipes, print one, or copy one to a file to edit."""

import argparse
from pathlib import Path

from multishade.cli.options import add_output
from multishade.cli.program import program

EPILOG = """examples:
  multishade configs
  multishade configs --show demo
  multishade configs --copy multishade -o mine.yaml
  multishade render mine.yaml --shards 0 -o data/mine"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "configs",
        help="list, print or copy the shipped recipes",
        description="List the recipes that are shipped with MultiShade. `multishade render` and `multishade train` "
        "accept their names in the place of a file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--show", metavar="NAME", help="print a recipe")
    action.add_argument("--copy", metavar="NAME", help="write a recipe to a file, to edit it")
    add_output(parser, "the file for --copy (default: NAME.yaml)", "FILE")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.config import recipes
    from multishade.errors import ConfigError

    if args.output is not None and args.copy is None:
        raise ConfigError("-o is for --copy: name the recipe to copy")
    if args.show is not None:
        print(recipes.find_recipe(args.show).read_text(encoding="utf-8"), end="")
    elif args.copy is not None:
        output = args.output or Path(f"{Path(args.copy).name}.yaml")
        _write(output, recipes.copy_of_recipe(args.copy, output))
        print(
            f"{output}: a copy of {args.copy}; edit it, then pass it on: {program()} {_command(args.copy)} {output}"
        )
    else:
        listed = recipes.list_recipes()
        width = max((len(recipe.name) for recipe in listed), default=0)
        for recipe in listed:
            print(f"{recipe.name:{width}}  {recipe.summary}")
    return 0


def _command(name: str) -> str:
    from multishade.config import recipes

    return "train" if recipes.find_recipe(name).parent.name == "train" else "render"


def _write(path: Path, text: str) -> None:
    """Create the file; an existing one may hold edits and is not replaced."""
    from multishade.errors import ConfigError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{path}: exists and is not overwritten; choose another file with -o") from error
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); choose another file with -o"
        ) from error
