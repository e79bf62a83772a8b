# SPDX-License-Identifier: Apache-2.0
"""YAML text and overrides -> `Config`, with errors that name the file, the line, the field and what is allowed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from multishade.config.models import Config
from multishade.errors import ConfigError

Settings = TypeVar("Settings", bound=BaseModel)


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read and check a configuration.

    A file may begin with `extends: other.yaml`: then it holds only what is different there, section by section.
    `overrides` are `section.key=value` strings, the value in YAML, applied after the file. Manifest paths in
    `sources` come back absolute: a path in the file is relative to the file, one in an override to the current
    folder. Raises ConfigError.
    """
    return load_settings(path, Config, overrides)


def load_settings(path: Path, model: type[Settings], overrides: Sequence[str] = ()) -> Settings:
    """`load_config` for any strict model. Raises ConfigError."""
    files, tree = _read(Path(path))
    origins: dict[tuple[str, ...], str] = {}
    for override in overrides:
        field = _apply(tree, override)
        origins[field] = f"--set {override}"
        if field[0] == "sources":
            _resolve_sources(tree, Path.cwd())
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        problems = [_describe(problem, files, origins, model) for problem in error.errors()]
        raise ConfigError("\n".join(problems)) from None


def fingerprint_fields(config: Config) -> dict[str, Any]:
    """The settings that decide a shard's bytes, JSON-able.

    Not `runtime`, not where the manifests lie (their rows count, not their paths), and not how many shards there
    are: a data set may grow. Nor what belongs to a light basis, a quality or adaptive sampling where there is none.
    """
    fields = config.model_dump(mode="json", exclude={"runtime": True, "sources": True, "shards": {"count"}})
    if config.light_basis is None:
        del fields["light_basis"], fields["render"]["samples"]["basis"]
    if config.render.adaptive.threshold == 0:
        del fields["render"]["adaptive"]
    if config.render.quality.psnr is None:
        del fields["render"]["quality"]
    return fields


_File = tuple[Path, yaml.Node | None]


def _read(path: Path, above: tuple[Path, ...] = ()) -> tuple[list[_File], dict[str, Any]]:
    """A file and those that it extends, itself first, and the settings of all of them together."""
    chain = (*above, path.resolve())
    if len(set(chain)) < len(chain):
        raise ConfigError(f"{path}: extends itself, by way of {', '.join(file.name for file in chain[:-1])}")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        asked = f"; {above[-1]} extends it" if above else ""
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}): give the path of a YAML file{asked}"
        ) from error
    node, tree = _parse(path, text)
    _resolve_sources(tree, path.parent.resolve())
    base = tree.pop("extends", None)
    if base is None:
        return [(path, node)], tree
    if not isinstance(base, str):
        raise ConfigError(f"{path}: 'extends' is {base!r}: name one file, relative to this one")
    files, settings = _read(path.parent / base, chain)
    return [(path, node), *files], _over(settings, tree)


def _over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The settings of `base`, those of `own` in their place: sections are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _parse(path: Path, text: str) -> tuple[yaml.Node | None, dict[str, Any]]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must hold a mapping (name: ..., sources: ...), not {type(tree).__name__}")
    return node, tree


def _resolve_sources(tree: dict[str, Any], folder: Path) -> None:
    sources = tree.get("sources")
    if not isinstance(sources, dict):
        return  # the model says what is wrong
    for kind, paths in sources.items():
        listed = [paths] if isinstance(paths, str) else paths
        if isinstance(listed, list | tuple) and all(isinstance(item, str) for item in listed):
            sources[kind] = [str(folder / item) for item in listed]


def _apply(tree: dict[str, Any], override: str) -> tuple[str, ...]:
    """Set one `a.b.c=value` in the tree; returns the field's path."""
    dotted, equals, text = override.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"--set {override}: write it as section.key=value, as in --set views.count=2")
    *sections, key = dotted.strip().split(".")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML: {error}") from error
    place = tree
    for section in sections:
        if place.get(section) is None:
            place[section] = {}
        place = place[section]
        if not isinstance(place, dict):
            raise ConfigError(f"--set {override}: '{section}' is a value, not a section")
    place[key] = value
    return (*sections, key)


def _describe(
    problem: Any,
    files: list[_File],
    origins: dict[tuple[str, ...], str],
    model: type[BaseModel],
) -> str:
    location = tuple(str(part) for part in problem["loc"])
    field = ".".join(location) or "(the whole file)"
    where = str(files[0][0])
    for origin_field, origin in origins.items():
        # An error of a whole section may come from an override of a part of it, and the other way round.
        depth = min(len(location), len(origin_field))
        if depth and location[:depth] == origin_field[:depth]:
            where = origin
            break
    else:
        found = [(path, *_line_of(node, location)) for path, node in files]
        path, line, depth = max(found, key=lambda place: place[2])  # of equal ones the first: it wins
        if line is not None:
            where = f"{path}:{line}"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown setting '{field}'. {_allowed_keys(model, location)}"
    message = problem["msg"].removeprefix("Value error, ")
    value = "" if problem["type"] in ("missing", "value_error") else f" is {problem['input']!r}:"
    return f"{where}: '{field}'{value} {message[0].lower() + message[1:]}"


def _allowed_keys(model: type[BaseModel], location: tuple[str, ...]) -> str:
    section: Any = model
    for part in location[:-1]:
        info = section.model_fields.get(part)
        section = info.annotation if info else None
        section = next((part for part in get_args(section) if hasattr(part, "model_fields")), section)
        if not hasattr(section, "model_fields"):
            return ""
    return f"Known here: {', '.join(section.model_fields)}"


def _line_of(node: yaml.Node | None, location: tuple[str, ...]) -> tuple[int | None, int]:
    """The line of the deepest part of `location` that the file spells out, and how deep that is."""
    line = None
    for depth, part in enumerate(location):
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                return line, depth
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            return line, depth
    return line, len(location)
