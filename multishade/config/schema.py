# SPDX-License-Identifier: Apache-2.0
"""A pydantic class of settings -> JSON Schema for editors, and a flat list of its settings for the reference."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

# A unit that a name ends with; any other unit is stated by the field (`json_schema_extra`).
_UNITS = {
    "degrees": "degrees",
    "mm": "mm",
    "pixels": "pixels",
    "seconds": "s",
    "gib": "GiB",
    "stops": "stops",
    "percentile": "%",
}


@dataclass(frozen=True)
class Setting:
    """One line of the reference.

    Attributes:
        name: Dotted, such as "lights.point.count".
        unit: "" if it has none.
        range: The values that are allowed, as text.
        default: As in YAML; "" if the setting must be given.
        meaning: One sentence.
    """

    name: str
    unit: str
    range: str
    default: str
    meaning: str


@dataclass(frozen=True)
class SettingsSection:
    """A section of the reference.

    Attributes:
        name: Dotted; "" for the top level.
        meaning: The docstring of its class.
        settings: Its own settings, without those of its sub-sections.
    """

    name: str
    meaning: str
    settings: tuple[Setting, ...]


def editor_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """Describe configuration files of one kind for editors.

    A file may extend another, so nothing is required but either `extends` or what the model requires; lists of one
    item may be given as that item, as the loader accepts them.

    Args:
        model: The class of the settings.
        title: The schema's title.

    Returns:
        JSON Schema (draft 2020-12).
    """
    schema = model.model_json_schema()
    required = schema.pop("required", [])
    for definition in schema.get("$defs", {}).values():
        definition.pop("required", None)
    extends = {
        "type": "string",
        "description": "a file, relative to this one, whose settings this one changes",
    }
    schema["properties"] = {"extends": extends, **schema["properties"]}
    schema["anyOf"] = [{"required": ["extends"]}, {"required": required}]
    sources = schema.get("$defs", {}).get("Sources", {}).get("properties", {})
    for name, paths in sources.items():
        kept = {key: value for key, value in paths.items() if key in ("description", "title")}
        rest = {key: value for key, value in paths.items() if key not in kept}
        sources[name] = {**kept, "anyOf": [{"type": "string"}, rest]}
    basis = schema["properties"].get("light_basis")
    if basis is not None:
        basis["anyOf"].append({"type": "boolean"})
    schema = _uniform_arrays(schema)
    schema["title"] = title
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def task_schema(models: Mapping[str, type[BaseModel]], default: str, title: str) -> dict[str, Any]:
    """Describe configuration files whose setting `task` decides which class holds the settings.

    Args:
        models: The class of each task, by the task's name.
        default: The task of a file that names none.
        title: The schema's title.

    Returns:
        JSON Schema (draft 2020-12); that of the class alone if there is one task.
    """
    if len(models) == 1:
        return editor_schema(models[default], title)
    definitions: dict[str, Any] = {}
    conditions = []
    for name, model in models.items():
        schema = editor_schema(model, f"{title}: {name}")
        schema.pop("$schema")
        below = schema.pop("$defs", {})
        definitions |= {f"{name}.{key}": _renamed(value, name) for key, value in below.items()}
        named = {"properties": {"task": {"const": name}}, "required": ["task"]}
        chosen = {"anyOf": [named, {"not": {"required": ["task"]}}]} if name == default else named
        conditions.append({"if": chosen, "then": _renamed(schema, name)})
    known = {"type": "object", "properties": {"task": {"enum": list(models)}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **known,
        "allOf": conditions,
        "$defs": definitions,
    }


def _renamed(node: Any, task: str) -> Any:
    """Return a schema whose references are to the definitions of a task."""
    if isinstance(node, list):
        return [_renamed(each, task) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value.replace("#/$defs/", f"#/$defs/{task}.")
        if key == "$ref" and isinstance(value, str)
        else _renamed(value, task)
        for key, value in node.items()
    }


def schema_text(schema: dict[str, Any]) -> str:
    """Return the text of a schema file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def sections_of(model: type[BaseModel]) -> list[SettingsSection]:
    """List all settings of a class, section by section in the order of the source.

    Args:
        model: The class of the settings.

    Returns:
        The top level first, then every section and its sub-sections.
    """
    schema = model.model_json_schema()
    return list(_sections("", schema, schema))


def _sections(name: str, node: dict[str, Any], schema: dict[str, Any]) -> Iterator[SettingsSection]:
    below, settings = [], []
    for key, entry in node["properties"].items():
        dotted = f"{name}.{key}".lstrip(".")
        section = _section_in(entry, schema)
        if section is not None:
            below.append((dotted, section))
        if section is None or "anyOf" in entry:
            settings.append(_setting(dotted, entry, key in node.get("required", ()), section is not None))
    yield SettingsSection(name, " ".join(node.get("description", "").split()), tuple(settings))
    for dotted, section in below:
        yield from _sections(dotted, section, schema)


def _section_in(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the definition of the sub-section that an entry holds, or may hold."""
    options = [entry, *entry.get("anyOf", ())]
    reference = next((option["$ref"] for option in options if "$ref" in option), None)
    if reference is None:
        return None
    definition: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return definition


def _setting(name: str, entry: dict[str, Any], required: bool, is_section: bool) -> Setting:
    ending = name.rpartition(".")[2].rpartition("_")[2]
    default = "" if required else _yaml(entry.get("default"))
    return Setting(
        name,
        entry.get("unit", _UNITS.get(ending, "")),
        "a section, true, false or null" if is_section else _range(entry),
        default,
        " ".join(entry.get("description", "").split()),
    )


def _range(entry: dict[str, Any]) -> str:
    """Return the allowed values of one JSON Schema node as text."""
    if "anyOf" in entry:
        return " or ".join(_range(option) for option in entry["anyOf"])
    if "enum" in entry or "const" in entry:
        return ", ".join(_yaml(value) for value in entry.get("enum", [entry.get("const")]))
    kind = entry.get("type")
    if kind == "array":
        items = entry.get("prefixItems")
        if items:
            spans = list(dict.fromkeys(_range(item) for item in items))
            if len(spans) == 1:
                return f"two {spans[0].replace('number', 'numbers', 1)}"
            return " and ".join(f"a {span}" for span in spans)
        listed = f"list of {_range(entry.get('items', {}))}"
        return f"{listed}, at least {entry['minItems']}" if entry.get("minItems") else listed
    words = {"boolean": "true, false", "string": "text", "null": "null"}
    if kind in words:
        return f"{words[kind]} of A-Z, a-z, 0-9, _ and -" if "pattern" in entry else words[kind]
    return f"{'whole number' if kind == 'integer' else 'number'}{_bounds(entry)}"


def _bounds(entry: dict[str, Any]) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    above, below = entry.get("exclusiveMinimum"), entry.get("exclusiveMaximum")
    first = f"above {_number(above)}" if above is not None else "" if low is None else _number(low)
    last = f"below {_number(below)}" if below is not None else "" if high is None else _number(high)
    if first and last:
        return f", {first} to {last}"
    if last:
        return f", {last}" if below is not None else f", at most {last}"
    return f", {first}" if above is not None else f", at least {first}" if first else ""


def _number(value: float) -> str:
    power = {2**31: "2^31", 2**63: "2^63"}.get(int(value)) if value == int(value) else None
    return power or (f"{value:,}" if isinstance(value, int) else f"{value:g}")


def _yaml(value: Any) -> str:
    """Return a value as it is written in a recipe."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _uniform_arrays(node: Any) -> Any:
    """Write arrays whose items are alike with `items`: older editors ignore `prefixItems`."""
    if isinstance(node, list):
        return [_uniform_arrays(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: _uniform_arrays(value) for key, value in node.items()}
    items = node.get("prefixItems")
    if items and all(item == items[0] for item in items):
        node["items"] = items[0]
        del node["prefixItems"]
    return node
