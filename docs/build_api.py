# SPDX-License-Identifier: Apache-2.0
"""Docstrings of the public functions -> docs/api.md, and what is missing from them.

    python docs/build_api.py            # write docs/api.md (`make docs`)
    python docs/build_api.py --check    # exit code 1 if it is out of date or a docstring is incomplete (`make lint`)

Sources are parsed, not imported. The public names of `multishade` come first, then the modules of `MODULES`, of which
every function and class without a leading underscore is public.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import griffe

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "api.md"
INTRODUCTION = """\
<!-- Written by `make docs` from the docstrings. Edit those, then run it again. -->
# API reference

`import multishade` offers the names of the first section; each is imported on first use. The other sections are modules
to import by name. Arrays are NumPy arrays. The camera frame is +x right, +y up, +z from the scene toward the camera;
[data-format.md](data-format.md) describes what is stored.
"""

# Section -> modules, in the order of the page. Their public functions must be documented completely.
MODULES = {
    "Configurations": ("config.load", "config.fingerprint", "config.recipes", "extras"),
    "Rendering": ("render.progress", "render.settings"),
    "Data sets on disk": (
        "shards.dataset",
        "shards.sample",
        "shards.meta",
        "shards.tar",
        "shards.record",
        "shards.locate",
        "shards.light_basis",
    ),
    "Inspection": ("inspect.run", "inspect.report", "inspect.text"),
    "Photometry": (
        "photometry.solvers.methods",
        "photometry.solvers.observations",
        "photometry.integration.methods",
        "photometry.integration.mesh",
        "photometry.shading",
        "photometry.differentiable",
    ),
    "Geometry": (
        "geometry.camera",
        "geometry.depth",
        "geometry.lights",
        "geometry.angles",
        "geometry.boxes",
        "geometry.conventions",
    ),
    "Images": ("imaging.color", "imaging.exposure"),
    "Assets": (
        "assets.manifest",
        "assets.verify",
        "assets.sandbox",
        "assets.fetch.matsynth",
        "assets.fetch.download",
    ),
    "Training": ("data.settings", "data.fields", "data.loader", "training.task", "training.weighting"),
    "Models": ("models.base", "models.registry", "models.bundled"),
    "Inference": ("inference.prediction", "inference.surface"),
    "Evaluation": ("evaluation.evaluate", "evaluation.comparison", "evaluation.table"),
    "Storage": ("storage.store", "storage.retry"),
    "Errors": ("errors",),
}
# To be removed: names whose docstrings are not complete yet.
PENDING: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One public function or class: the name that a user writes, and what its source defines."""

    name: str
    item: Any  # griffe.Function or griffe.Class

    @property
    def source(self) -> str:
        return f"{self.item.relative_filepath}:{self.item.lineno}"


def load() -> Any:
    """Parse the package."""
    return griffe.load(
        "multishade", search_paths=[REPOSITORY], allow_inspection=False, docstring_parser="google"
    )


def public_names(package: Any) -> Iterator[Entry]:
    """The names of `multishade.__all__`, modules among them by their functions."""
    places = _literal(package, "_MODULES")
    whole = _literal(package, "_WHOLE_MODULES")
    for name in _literal(package, "__all__"):
        if name in places:
            yield Entry(f"multishade.{name}", _final(package[places[name]][name]))
        elif name == "render":
            yield Entry("multishade.render", package["render.run.render"])
        elif name in whole:
            yield from entries_of(package[whole[name]], f"multishade.{name}")


def entries_of(module: Any, name: str) -> list[Entry]:
    """The public functions and classes that a module defines, in the order of its source."""
    found = [
        Entry(f"{name}.{member.name}", member)
        for member in module.members.values()
        if not member.is_alias and not member.name.startswith("_") and (member.is_function or member.is_class)
    ]
    return sorted(found, key=lambda entry: entry.item.lineno)


def problems_of(entry: Entry) -> list[str]:
    """What is missing from the docstring of an entry: all of it, or arguments, or what it returns."""
    place = f"{entry.source}: {entry.name}"
    if entry.name in PENDING:
        return []
    if entry.item.docstring is None:
        return [f"{place} has no docstring"]
    sections = {section.kind.value: section.value for section in _sections(entry.item)}
    documented = {parameter.name.lstrip("*") for parameter in sections.get("parameters", ())}
    parameters = {each.name.lstrip("*") for each in _parameters(entry.item)}
    missing, unknown = parameters - documented, documented - parameters
    problems = [f"{place} does not document its argument {name}" for name in sorted(missing)]
    problems += [f"{place} documents {name}, which is no argument of it" for name in sorted(unknown)]
    returns = "None" if entry.item.is_class else str(entry.item.returns)
    if returns not in ("None", "NoReturn") and not {"returns", "yields"} & sections.keys():
        problems.append(f"{place} does not document what it returns")
    return problems


def _parameters(item: Any) -> list[Any]:
    """The parameters of a function, or of the constructor that a class writes out; nobody constructs our errors."""
    if item.is_class:
        is_error = any(str(base).endswith(("Error", "Exception", "Failed")) for base in item.bases)
        if is_error or "dataclass" in item.labels or "__init__" not in item.members:
            return []
        item = item.members["__init__"]
    return [each for each in item.parameters if each.name != "self"]


def page_of(package: Any) -> str:
    """The text of docs/api.md."""
    parts = [INTRODUCTION, "\n## multishade\n", *(_describe(entry) for entry in public_names(package))]
    for title, modules in MODULES.items():
        parts.append(f"\n## {title}\n")
        for module in modules:
            parts.append(f"\n### multishade.{module}\n\n{_prose(_summary(package[module]))}\n")
            parts += [
                _describe(entry, level=4) for entry in entries_of(package[module], f"multishade.{module}")
            ]
    return "".join(parts)


def _describe(entry: Entry, level: int = 3) -> str:
    lines = [f"\n{'#' * level} {entry.name}\n", f"\n```python\n{_signature(entry)}\n```\n"]
    for section in _sections(entry.item):
        kind, value = section.kind.value, section.value
        if kind == "text":
            lines.append(f"\n{_prose(value)}\n")
        elif kind in ("parameters", "attributes"):
            lines.append("\n")
            lines += [f"- `{each.name}`: {_prose(each.description)}\n" for each in value]
        elif kind in ("returns", "yields"):
            text = " ".join(_prose(each.description) for each in value)
            lines.append(f"\n**{kind.capitalize()}** {text}\n")
        elif kind == "raises":
            lines.append("\n**Raises**\n\n")
            lines += [f"- `{each.annotation}`: {_prose(each.description)}\n" for each in value]
        elif kind == "examples":
            lines += [f"\n```python\n{text}\n```\n" for _, text in value]
    methods = [
        f"- `.{_signature(Entry(member.name, member)) if member.is_function else member.name}`: "
        f"{_prose(member.docstring.value.split(chr(10) * 2)[0])}\n"
        for member in (entry.item.members.values() if entry.item.is_class else ())
        if not member.name.startswith("_") and not member.is_alias and member.docstring is not None
    ]
    return "".join([*lines, "\n" if methods else "", *methods])


def _signature(entry: Entry) -> str:
    short, item = entry.name.rpartition(".")[2], entry.item
    if item.is_class:
        constructor = item.members.get("__init__")
        bases = ", ".join(str(base) for base in item.bases)
        if constructor is None:
            return f"class {short}({bases})" if bases else f"class {short}"
        item = constructor
    parameters = [_parameter(each) for each in _with_markers(item.parameters)]
    returns = f" -> {item.returns}" if item.returns is not None and not entry.item.is_class else ""
    line = f"{short}({', '.join(parameters)}){returns}"
    if len(line) <= 100:
        return line
    return f"{short}(\n" + "".join(f"    {each},\n" for each in parameters) + f"){returns}"


def _with_markers(parameters: Any) -> list[Any]:
    """The parameters without `self`, and "*" before the first that is keyword-only."""
    listed: list[Any] = []
    for each in parameters:
        if each.name == "self":
            continue
        kind = each.kind.value
        if kind == "keyword-only" and not any(
            other == "*" or getattr(other, "kind", None) is griffe.ParameterKind.var_positional
            for other in listed
        ):
            listed.append("*")
        listed.append(each)
    return listed


def _parameter(each: Any) -> str:
    if each == "*":
        return "*"
    stars = {"variadic positional": "*", "variadic keyword": "**"}.get(each.kind.value, "")
    annotation = f": {each.annotation}" if each.annotation is not None else ""
    if each.default is None or stars:
        return f"{stars}{each.name}{annotation}"
    return f"{each.name}{annotation} = {each.default}" if annotation else f"{each.name}={each.default}"


def _sections(item: Any) -> list[Any]:
    sections = list(item.docstring.parse("google", warnings=False)) if item.docstring else []
    constructor = item.members.get("__init__") if item.is_class else None
    if constructor is not None and constructor.docstring is not None:
        sections += constructor.docstring.parse("google", warnings=False)
    return sections


def _summary(module: Any) -> str:
    return module.docstring.value if module.docstring else ""


def _prose(text: str) -> str:
    """Paragraphs without the line breaks of the source; indented lines are code and keep theirs."""
    paragraphs = []
    for paragraph in text.strip().split("\n\n"):
        if paragraph.startswith("    "):
            code = "\n".join(line[4:] for line in paragraph.splitlines())
            paragraphs.append(f"```python\n{code}\n```")
        else:
            paragraphs.append(" ".join(paragraph.split()))
    return "\n\n".join(paragraphs)


def _final(item: Any) -> Any:
    return item.final_target if item.is_alias else item


def _literal(package: Any, name: str) -> Any:
    return ast.literal_eval(str(package[name].value))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare with docs/api.md, write nothing")
    check = parser.parse_args().check
    package = load()
    entries = [*public_names(package)]
    for modules in MODULES.values():
        for module in modules:
            entries += entries_of(package[module], f"multishade.{module}")
    problems = list(dict.fromkeys(problem for entry in entries for problem in problems_of(entry)))
    for problem in problems:
        print(problem, file=sys.stderr)
    text = page_of(package)
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE.relative_to(REPOSITORY)}: {len(entries)} functions and classes")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        print("docs/api.md is out of date: run `make docs` and commit it", file=sys.stderr)
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
