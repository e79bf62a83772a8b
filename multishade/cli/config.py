# SPDX-License-Identifier: Apache-2.0
"""`multishade config CONFIG`: print every setting in effect with its origin; or the JSON Schema for editors."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multishade.cli.options import add_overrides

if TYPE_CHECKING:
    from pydantic import BaseModel

EPILOG = """examples:
  multishade config demo --set views.count=4
  multishade config rose-tiny
  multishade config --schema > recipe.json         # with --train: of training configurations

docs/settings.md describes every setting."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "config",
        help="print all settings of a configuration with their origin",
        description="Print every setting that a configuration has in effect, and where it comes from: a line of a "
        "file, --set, or the default.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config",
        nargs="?",
        metavar="CONFIG",
        help="a YAML file, or the name of a shipped recipe such as demo",
    )
    add_overrides(parser)
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of configurations, for editors, instead"
    )
    parser.add_argument(
        "--train", action="store_true", help="a training configuration (recognised by its sections otherwise)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.config.load import effective_settings
    from multishade.errors import ConfigError

    if args.schema:
        if args.config is not None:
            raise ConfigError("--schema is the same for all configurations: leave CONFIG out")
        from multishade.config.schema import schema_text

        print(schema_text(_schema(args.train)), end="")
        return 0
    if args.config is None:
        raise ConfigError("name a configuration, or give --schema; `multishade configs` lists the recipes")
    model, kind = _model_of(args.config, args.overrides, args.train)
    settings = effective_settings(args.config, model, args.overrides, kind)
    lines = [(f"{setting.name} = {_text(setting.value)}", setting.origin) for setting in settings]
    width = min(60, max(len(line) for line, _ in lines))
    for line, origin in lines:
        print(f"{line:{width}}  # {_short(origin)}")
    return 0


def _schema(train: bool) -> dict[str, object]:
    from multishade.config.schema import editor_schema, task_schema

    if train:
        from multishade.training.tasks import DEFAULT, settings_types

        return task_schema(settings_types(installed=True), DEFAULT, "MultiShade: training runs")
    from multishade.config import Config

    return editor_schema(Config, "MultiShade: data sets")


def _model_of(source: str, overrides: list[str], train: bool) -> "tuple[type[BaseModel], str]":
    """Return the class of a configuration, and the kind of recipes that it belongs to."""
    from multishade.config import Config
    from multishade.config.load import sections_in
    from multishade.config.recipes import TRAIN

    # Only training runs have these sections.
    if train or not {"model", "data", "optimisation"}.isdisjoint(sections_in(source)):
        from multishade.training.tasks import load_config

        return type(load_config(source, overrides)), TRAIN
    return Config, ""


def _short(origin: str) -> str:
    """Return an origin with its path relative to the current folder, if it lies below."""
    return origin.removeprefix(f"{Path.cwd()}/")


def _text(value: object) -> str:
    """Return a value as `--set` takes it."""
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
