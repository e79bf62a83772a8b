# SPDX-License-Identifier: Apache-2.0
"""A setting that does not validate, and the files that it may come from -> one line that says where and why."""

import reprlib
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

LONGEST_SHOWN = 200  # characters of a value in a message

File = tuple[Path, yaml.Node | None]  # a configuration and its root node


def describe(
    problem: Any,
    files: list[File],
    origins: dict[tuple[str, ...], str],
    model: type[BaseModel],
) -> str:
    """Say in one line what is wrong with a setting.

    Args:
        problem: One of pydantic's `ValidationError.errors()`.
        files: The file and those that it extends, itself first.
        origins: Path of a setting -> the option that overrides it.
        model: The class that describes the settings.

    Returns:
        "FILE:LINE: 'SETTING' is VALUE: what is allowed", or the option in place of file and line.
    """
    location = tuple(str(part) for part in problem["loc"])
    field = ".".join(location) or "(the whole file)"
    where = str(files[0][0])
    for origin_field, origin in origins.items():
        # An error of a whole section may come from an override of a part of it, and vice versa.
        depth = min(len(location), len(origin_field))
        if depth and location[:depth] == origin_field[:depth]:
            where = origin
            break
    else:
        lines = [(path, *line_of(node, location)) for path, node in files]
        path, line, _ = max(
            lines, key=lambda each: each[2]
        )  # the first of equal ones: its setting takes precedence
        if line is not None:
            where = f"{path}:{line}"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown setting '{field}'. {_allowed_keys(model, location)}"
    message = problem["msg"].removeprefix("Value error, ")
    value = "" if problem["type"] in ("missing", "value_error") else f" is {_shown(problem['input'])}:"
    return f"{where}: '{field}'{value} {message[0].lower() + message[1:]}"


def _shown(value: Any) -> str:
    """A value in a message: its beginning if it is long."""
    if isinstance(value, int) and value.bit_length() > LONGEST_SHOWN:
        return f"a number of {value.bit_length()} bits"  # Python refuses to write out very long ones
    text = reprlib.repr(value) if isinstance(value, list | dict) else repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _allowed_keys(model: type[BaseModel], location: tuple[str, ...]) -> str:
    section: Any = model
    for part in location[:-1]:
        info = section.model_fields.get(part)
        section = info.annotation if info else None
        section = next((part for part in get_args(section) if hasattr(part, "model_fields")), section)
        if not hasattr(section, "model_fields"):
            return ""
    return f"Allowed: {', '.join(section.model_fields)}"


def line_of(node: yaml.Node | None, location: tuple[str, ...]) -> tuple[int | None, int]:
    """Return the line of the deepest part of `location` that the file contains, and that depth."""
    line = None
    for depth, part in enumerate(location):
        if isinstance(node, yaml.MappingNode):
            entry = next(((key, value) for key, value in node.value if key.value == part), None)
            if entry is None:
                return line, depth
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            return line, depth
    return line, len(location)
