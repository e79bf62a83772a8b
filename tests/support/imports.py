# SPDX-License-Identifier: Apache-2.0
"""The repository's sources -> which module imports which, read from the syntax trees, without running anything."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Import:
    """One imported name. `importer` is the dotted module that imports, `target` what it names, dotted."""

    importer: str
    target: str
    line: int
    at_module_level: bool


def modules(*packages: str) -> dict[str, Path]:
    """Dotted name -> file of every module of these packages; a package is named by its folder."""
    named = {}
    for package in packages:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


@cache
def imports_of(module: str, path: Path) -> tuple[Import, ...]:
    """Every import of a file, those inside functions too; not those that only the type checker sees."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    return tuple(_walk(tree, module, package, module_level=True))


def import_graph(*packages: str) -> dict[str, set[str]]:
    """Module -> the modules of these packages that it imports; `from a import b` is `a.b` if that is a module."""
    files = modules(*packages)
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        owners = (_longest(found.target, files) for found in imports_of(module, path))
        graph[module] = {owner for owner in owners if owner is not None and owner != module}
    return graph


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan 1972), each sorted."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for target in graph[module]:
            if target not in order:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], order[target])
        if lowest[module] == order[module]:
            position = stack.index(module)
            components.append(sorted(stack[position:]))
            del stack[position:]

    for module in graph:
        if module not in order:
            visit(module)
    return [component for component in components if len(component) > 1]


def _walk(node: ast.AST, module: str, package: list[str], module_level: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, child.lineno, module_level)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) - child.level + 1] if child.level else []
            source = ".".join([*base, *filter(None, [child.module])])
            for alias in child.names:
                yield Import(module, f"{source}.{alias.name}", child.lineno, module_level)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _walk(ast.Module([other], []), module, package, module_level)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, module, package, module_level and not inside)


def _longest(target: str, files: dict[str, Path]) -> str | None:
    parts = target.split(".")
    candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in candidates if name in files), None)
