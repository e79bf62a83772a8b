# SPDX-License-Identifier: Apache-2.0
"""The configurations that are shipped with the package: a name or a path -> a YAML file; a copy of one to edit.

Recipes of data sets have names such as `demo`, those of training runs names such as `train/rose-tiny`. A checkout has
the files in `configs/` and `assets_manifest/`, a wheel has both folders below `multishade/shipped/`. Any configuration
can refer to them as `shipped:configs/demo.yaml` and `shipped:assets_manifest/objects.jsonl`.
"""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from multishade.errors import ConfigError
from multishade.text import read_lines, read_text

PREFIX = "shipped:"
TRAIN = "train/"
EDITOR = "yaml-language-server:"  # begins the comment that names a recipe's schema for editors
_PACKAGE = Path(__file__).resolve().parent.parent
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Recipe:
    """A shipped configuration. `summary` is the first line of comment of the file."""

    name: str
    path: Path
    summary: str


def shipped_folder() -> Path:
    """Find the folder that holds `configs/` and `assets_manifest/`.

    Returns:
        `multishade/shipped` of an installed wheel, or the root of a checkout.
    """
    packaged = _PACKAGE / "shipped"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def list_recipes() -> list[Recipe]:
    """List the shipped recipes.

    Returns:
        The recipes of data sets, then those of training runs, each by name.
    """
    folder = shipped_folder() / "configs"
    files = [*folder.glob("*.yaml"), *(folder / "train").glob("*.yaml")]
    names = {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}
    order = sorted(names, key=lambda name: (name.startswith(TRAIN), name))
    return [Recipe(name, names[name], _summary(names[name])) for name in order]


def find_recipe(source: str | Path, kind: str = "") -> Path:
    """Find a configuration by path or by the name of a shipped recipe.

    Args:
        source: A path (an existing file, or anything that ends in .yaml or .yml) or a recipe's name.
        kind: What names are relative to: "" for data sets, "train/" for training runs. Names of the other kind are
            found if they are unique: `rose-tiny` is `train/rose-tiny`.

    Returns:
        The path as given, or the file of the recipe.

    Raises:
        ConfigError: There is neither a file nor a recipe of that name; the message lists the closest names.
    """
    path, name = Path(source), str(source)
    if path.suffix in _SUFFIXES or path.is_file():
        return path
    recipes = {recipe.name: recipe.path for recipe in list_recipes()}
    for candidate in (kind + name, name, TRAIN + name):
        if candidate in recipes:
            return recipes[candidate]
    close = difflib.get_close_matches(name, [*recipes, *(each.removeprefix(TRAIN) for each in recipes)], n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ConfigError(
        f"{name}: neither a file nor a shipped recipe; {hint}`multishade configs` lists the recipes"
    )


def resolve_reference(reference: str, folder: Path) -> Path:
    """Resolve a path that a configuration contains.

    Args:
        reference: A path relative to `folder`, an absolute path, or `shipped:PATH`.
        folder: The folder of the file that contains the reference.

    Returns:
        The path. It need not exist.
    """
    if reference.startswith(PREFIX):
        return shipped_folder() / reference.removeprefix(PREFIX)
    return folder / reference


def copy_of_recipe(name: str, target: Path) -> str:
    """Return the text of a recipe, changed so that it means the same when it is stored as `target`.

    References to shipped files become `shipped:PATH`; those to files that are yet to be made (`../data/...`) become
    relative to the current folder, as in a checkout. Comments stay.

    Args:
        name: The recipe's name.
        target: The file that the text is meant for. It is not written.

    Returns:
        YAML text.

    Raises:
        ConfigError: There is no such recipe.
    """
    path = find_recipe(name)
    text = re.sub(
        rf"(?m)^(# {EDITOR} \$schema=)(\S+)",
        lambda match: match[1] + _schema_beside(path.parent / match[2], target),
        read_text(path, ConfigError),
    )
    return re.sub(
        r"(?m)^(?P<key>extends: *|  (?:objects|materials|environments): *)(?P<path>[^\s#\[{]+)",
        lambda match: match["key"] + _portable(match["path"], path.parent, target),
        text,
    )


def _schema_beside(schema: Path, target: Path) -> str:
    """Return how a copy refers to a schema: relative inside of a checkout, else by its place in the installation."""
    place, folder = Path(os.path.normpath(schema)), target.parent.absolute()
    inside = folder.is_relative_to(shipped_folder())
    return Path(os.path.relpath(place, folder)).as_posix() if inside else place.as_posix()


def _portable(reference: str, folder: Path, target: Path) -> str:
    place = Path(os.path.normpath(folder / reference))
    shipped = shipped_folder()
    inside = place.relative_to(shipped) if place.is_relative_to(shipped) else None
    if inside is not None and inside.parts[0] in ("configs", "assets_manifest"):
        return PREFIX + inside.as_posix()
    made = Path(os.path.normpath(Path.cwd() / os.path.relpath(place, shipped)))
    return PurePosixPath(os.path.relpath(made, target.parent.absolute())).as_posix()


def _summary(path: Path) -> str:
    lines = read_lines(path, ConfigError)
    comments = (line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    return next((line for line in comments if not line.startswith(("SPDX-", EDITOR))), "")
