# SPDX-License-Identifier: Apache-2.0
"""A YAML file and overrides -> `Config`; errors name the file, the line, the setting and what is allowed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from multishade.config.models import Config
from multishade.config.problems import File, describe, line_of
from multishade.config.recipes import find_recipe, resolve_reference
from multishade.config.yaml_tree import parse_yaml
from multishade.errors import ConfigError
from multishade.text import decode_text, read_regular

LARGEST = 4 << 20  # bytes of a configuration
MOST_PROBLEMS = 20  # in one message
MOST_EXTENDED = 20  # files, each of which extends the next

Settings = TypeVar("Settings", bound=BaseModel)


def load_config(source: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read and validate the configuration of a data set.

    A file may begin with `extends: other.yaml`. Then it holds only what differs from that file, section by section.

    Args:
        source: The path of a YAML file, or the name of a shipped recipe, such as "demo", from `multishade configs`.
        overrides: Strings `section.key=value`, the value in YAML, applied after the file in the order given.

    Returns:
        The configuration. The manifest paths in `sources` are absolute: a path in a file is relative to that file, a
        path in an override is relative to the current folder.

    Raises:
        ConfigError: The file cannot be read, or settings are unknown or invalid. The message has one line for each
            problem, with the file, the line, the setting and what is allowed.
    """
    return load_settings(source, Config, overrides)


def override_config(config: Config, overrides: Sequence[str]) -> Config:
    """Return a configuration with some settings changed.

    Args:
        config: A validated configuration.
        overrides: Strings `section.key=value`, as for `load_config`.

    Returns:
        The changed configuration.

    Raises:
        ConfigError: As `load_config`.
    """
    return _validated(config.model_dump(mode="json"), [], Config, overrides).settings


def load_settings(
    source: str | Path, model: type[Settings], overrides: Sequence[str] = (), kind: str = ""
) -> Settings:
    """Read and validate a configuration of any kind.

    Args:
        source: The path of a YAML file, or the name of a shipped recipe.
        model: The pydantic class that describes the settings.
        overrides: Strings `section.key=value`, the value in YAML, applied after the file in the order given.
        kind: The prefix of names of recipes of this kind: `recipes.TRAIN` for training runs, "" for data sets.

    Returns:
        An instance of `model`.

    Raises:
        ConfigError: As `load_config`.
    """
    return _load(source, model, overrides, kind).settings


@dataclass(frozen=True)
class EffectiveSetting:
    """One setting of a validated configuration.

    Attributes:
        name: Dotted, such as "lights.point.count".
        value: As the model holds it, in plain data.
        origin: "FILE:LINE", "--set KEY=VALUE" or "default".
    """

    name: str
    value: Any
    origin: str


def effective_settings(
    source: str | Path, model: type[BaseModel], overrides: Sequence[str] = (), kind: str = ""
) -> list[EffectiveSetting]:
    """List every setting of a configuration with its value and where that comes from.

    Args:
        source: The path of a YAML file, or the name of a shipped recipe.
        model: The pydantic class that describes the settings.
        overrides: Strings `section.key=value`, as for `load_settings`.
        kind: As for `load_settings`.

    Returns:
        The settings in the order of the model.

    Raises:
        ConfigError: As `load_config`.
    """
    loaded = _load(source, model, overrides, kind)
    plain = loaded.settings.model_dump(mode="json")
    return [
        EffectiveSetting(".".join(place), value, _origin(place, loaded))
        for place, value in _leaves(loaded.settings, plain, ())
    ]


def sections_in(source: str | Path, kind: str = "") -> tuple[str, ...]:
    """List the names at the top of a configuration and of the files that it extends.

    Args:
        source: The path of a YAML file, or the name of a shipped recipe.
        kind: As for `load_settings`.

    Returns:
        The names, in no particular order.

    Raises:
        ConfigError: A file cannot be read, or is not a mapping.
    """
    return tuple(_read(find_recipe(source, kind))[1])


@dataclass(frozen=True)
class _Loaded(Generic[Settings]):
    """A validated configuration, and what it was read from."""

    settings: Settings
    tree: dict[str, Any]
    files: list[File]
    overridden: dict[tuple[str, ...], str]  # path of a setting -> the option


def _load(
    source: str | Path, model: type[Settings], overrides: Sequence[str], kind: str
) -> "_Loaded[Settings]":
    files, tree = _read(find_recipe(source, kind))
    return _validated(tree, files, model, overrides)


def _validated(
    tree: dict[str, Any], files: list[File], model: type[Settings], overrides: Sequence[str]
) -> "_Loaded[Settings]":
    """Apply the overrides to a tree that was read from these files, and validate it."""
    origins: dict[tuple[str, ...], str] = {}
    for override in overrides:
        field = _apply(tree, override)
        origins[field] = f"--set {override}"
        if field[0] == "sources":
            _resolve_sources(tree, Path.cwd())
    try:
        return _Loaded(model.model_validate(tree), tree, files, origins)
    except ValidationError as error:
        problems = [describe(problem, files, origins, model) for problem in error.errors()]
        more = len(problems) - MOST_PROBLEMS
        raise ConfigError(
            "\n".join(problems[:MOST_PROBLEMS]) + (f"\n... and {more} more" if more > 0 else "")
        ) from None


def _leaves(
    section: BaseModel, plain: dict[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the plain value of every setting that is no section."""
    for name in type(section).model_fields:
        below = getattr(section, name)
        if isinstance(below, BaseModel):
            yield from _leaves(below, plain[name], (*above, name))
        else:
            yield (*above, name), plain[name]


def _origin(place: tuple[str, ...], loaded: "_Loaded[Any]") -> str:
    """Return which override or line sets the value at `place`, or "default"."""
    node: Any = loaded.tree
    for part in place:
        if not isinstance(node, dict) or part not in node:
            return "default"
        node = node[part]
    options = [text for path, text in loaded.overridden.items() if place[: len(path)] == path]
    if options:
        return options[-1]
    for path, root in loaded.files:
        line, depth = line_of(root, place)
        if depth == len(place):
            return f"{path}:{line}"
    return "default"


def _read(path: Path, above: tuple[Path, ...] = ()) -> tuple[list[File], dict[str, Any]]:
    """Return the file and those it extends, itself first, and their settings merged."""
    chain = (*above, path.resolve())
    if len(set(chain)) < len(chain):
        raise ConfigError(f"{path}: extends itself through {', '.join(file.name for file in chain[:-1])}")
    if len(chain) > MOST_EXTENDED:
        raise ConfigError(
            f"{path}: is the {len(chain)}th file that extends another; {MOST_EXTENDED} are enough"
        )
    try:
        data = read_regular(path, LARGEST)
    except OSError as error:
        extended = f"; {above[-1]} extends it" if above else ""
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}): give the path of a YAML file, or the name of a recipe that "
            f"`multishade configs` lists{extended}"
        ) from error
    node, tree = _parse(path, decode_text(data, str(path), ConfigError))
    _resolve_sources(tree, path.parent.resolve())
    base = tree.pop("extends", None)
    if base is None:
        return [(path, node)], tree
    if not isinstance(base, str):
        raise ConfigError(f"{path}: 'extends' is {base!r}: name one file, relative to this one")
    files, settings = _read(resolve_reference(base, path.parent), chain)
    return [(path, node), *files], _merge(settings, tree)


def _merge(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Merge sections; replace everything else of `base` by what `own` has."""
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _parse(path: Path, text: str) -> tuple[yaml.Node | None, dict[str, Any]]:
    node, tree = parse_yaml(text, str(path), ConfigError)
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{path}: must contain a mapping (name: ..., sources: ...), not {type(tree).__name__}"
        )
    return node, tree


def _resolve_sources(tree: dict[str, Any], folder: Path) -> None:
    sources = tree.get("sources")
    if not isinstance(sources, dict):
        return  # validation reports what is wrong
    for kind, paths in sources.items():
        listed = [paths] if isinstance(paths, str) else paths
        if isinstance(listed, list | tuple) and all(isinstance(item, str) for item in listed):
            sources[kind] = [str(resolve_reference(item, folder)) for item in listed]


def _apply(tree: dict[str, Any], override: str) -> tuple[str, ...]:
    """Set one `a.b.c=value` in the tree and return the path of the setting."""
    dotted, equals, text = override.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"--set {override}: write it as section.key=value, as in --set views.count=2")
    *sections, key = dotted.strip().split(".")
    _, value = parse_yaml(text, f"--set {override}", ConfigError)
    section_tree = tree
    for section in sections:
        if section_tree.get(section) is None:
            section_tree[section] = {}
        section_tree = section_tree[section]
        if not isinstance(section_tree, dict):
            raise ConfigError(f"--set {override}: '{section}' is a value, not a section")
    section_tree[key] = value
    return (*sections, key)
