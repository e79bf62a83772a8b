# SPDX-License-Identifier: Apache-2.0
"""Optional packages: every import is declared, and one that is missing is reported with the extra that installs it."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from multishade import extras
from tests.support.imports import REPOSITORY, imports_of, modules

# Not in any extra: used if a setting names them, and then required without one.
ON_DEMAND = {"wandb"}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", text)[0].lower().replace("_", "-") for text in requirements}


PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
BASE = _names(PROJECT["dependencies"])
EXTRAS = {
    extra: _names(names) for extra, names in PROJECT["optional-dependencies"].items() if extra != "test"
}


@cache
def installed() -> Mapping[str, list[str]]:
    """Imported package -> what provides it; reads the files of every installed distribution."""
    return packages_distributions()


@cache
def distributions(package: str) -> frozenset[str]:
    """The names on the package index of what provides an imported package."""
    return frozenset(name.lower().replace("_", "-") for name in installed().get(package, [package]))


def third_party() -> list[tuple[str, Path, str]]:
    """(module, its file, imported package) of each import of a package that is not ours, each once."""
    return sorted(
        {
            (module, path, found.target.split(".")[0])
            for module, path in modules("multishade").items()
            for found in imports_of(module, path)
            if found.target.split(".")[0] not in {*sys.stdlib_module_names, "multishade"}
        }
    )


OPTIONAL = [
    (module, path, package) for module, path, package in third_party() if not distributions(package) & BASE
]


@cache
def requirements_in(path: Path) -> dict[str, str | None]:
    """Package -> extra of the calls `require("package", ..., extra="extra")` in a file."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "require":
            for extra in (keyword.value for keyword in node.keywords if keyword.arg == "extra"):
                named = [each for each in node.args if isinstance(each, ast.Constant)]  # one is looked up
                found |= {ast.literal_eval(each): ast.literal_eval(extra) for each in named}
    return found


def required(module: str, package: str) -> str | None:
    """The extra that is required in the module, or before it in the `__init__` of a package that holds it."""
    files = modules("multishade")
    holders = [module.rsplit(".", depth)[0] for depth in range(module.count(".") + 1)]
    for holder in holders:
        if package in requirements_in(files[holder]):
            return requirements_in(files[holder])[package]
    raise LookupError(f"{module} imports {package} and nothing requires it: call multishade.extras.require")


def test_every_import_is_declared_in_the_base_or_in_an_extra() -> None:
    declared = BASE.union(*EXTRAS.values()) | ON_DEMAND
    undeclared = {
        (module, package) for module, _, package in OPTIONAL if not distributions(package) & declared
    }
    assert undeclared == set()


@pytest.mark.parametrize(
    ("module", "package"), [(module, package) for module, _, package in OPTIONAL], ids=lambda name: name
)
def test_every_optional_import_is_preceded_by_its_requirement(module: str, package: str) -> None:
    extra = required(module, package)
    if package in ON_DEMAND:
        assert extra is None
    else:
        assert extra is not None and distributions(package) & EXTRAS[extra]


@pytest.mark.parametrize("package", sorted({package for _, _, package in OPTIONAL}))
def test_a_missing_package_names_its_extra_on_import(package: str) -> None:
    eager = {
        module
        for module, path, name in OPTIONAL
        if name == package
        and any(i.at_module_level and i.target.split(".")[0] == name for i in imports_of(module, path))
    }
    code = f"""
import importlib, sys
sys.modules[{package!r}] = None
from multishade.errors import MultiShadeError
for module in {sorted(eager)}:
    try:
        importlib.import_module(module)
    except MultiShadeError as error:
        print(error)
    else:
        print(module, "was imported")
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for line in printed.splitlines():
        assert re.fullmatch(rf"{package} is not installed: pip install 'multishade\[\w+\]'", line), line


@pytest.mark.parametrize(
    ("package", "command", "wanted"),
    [
        ("torch", ["train", "rose-tiny"], "'multishade[train]'"),
        ("torch", ["infer", "photo.png", "--runtime", "torch"], "'multishade[train]'"),
        ("diffusers", ["infer", "photo.png", "--runtime", "torch"], "'multishade[train]'"),
        ("onnxruntime", ["infer", "photo.png", "--runtime", "onnx"], "'multishade[infer]'"),
        (
            "datasets",
            ["assets", "fetch", "matsynth", "--cache", "cache", "-o", "m.jsonl"],
            "'multishade[fetch]'",
        ),
        ("objaverse", ["assets", "fetch", "objaverse", "--cache", "cache", "-o", "o.jsonl"], "objaverse"),
    ],
)
def test_a_command_without_its_package_exits_with_2_and_says_what_to_install(
    package: str, command: list[str], wanted: str, tmp_path: Path
) -> None:
    (tmp_path / "photo.png").write_bytes(b"")
    code = f"import sys; sys.modules[{package!r}] = None; from multishade.cli import main; sys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert f"error: {package} is not installed: pip install {wanted}\n" in done.stderr


def test_several_missing_packages_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        extras.MissingPackageError, match=r"torch and peft are not installed: .*multishade\[train\]'"
    ):
        extras.require("torch", "numpy", "peft", extra="train")
    with pytest.raises(ImportError, match="peft is not installed: pip install peft"):
        extras.require("peft", extra=None)


def test_what_is_installed_is_not_imported_by_being_required() -> None:
    code = (
        "import sys; from multishade.extras import require; "
        "require('torch', extra='train'); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
