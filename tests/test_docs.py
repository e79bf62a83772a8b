# SPDX-License-Identifier: Apache-2.0
"""The references of the API and of the settings: complete and up to date, and their checks notice what is not."""

import importlib.util
import subprocess
import sys
from types import ModuleType

import griffe
import pytest

from tests.support.imports import REPOSITORY

COMPLETE = '''
def scale(image, factor: float = 2.0, *, clip=False) -> float:
    """Scale an image.

    Args:
        image: (H, W) float32.
        factor: Above 0.
        clip: Whether values end at 1.

    Returns:
        (H, W) float32.

    Raises:
        ValueError: If the factor is 0.
    """
'''


@pytest.mark.parametrize("script", ["build_api.py", "build_settings.py"])
def test_generated_files_are_up_to_date_and_complete(script: str) -> None:
    command = [sys.executable, str(REPOSITORY / "docs" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def build_api() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_api", REPOSITORY / "docs" / "build_api.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def problems(build_api: ModuleType, source: str) -> str:
    module = griffe.visit("mine", REPOSITORY / "mine.py", source)
    return "\n".join(
        problem for entry in build_api.entries_of(module, "mine") for problem in build_api.problems_of(entry)
    )


def test_a_complete_docstring_has_no_problem(build_api: ModuleType) -> None:
    assert problems(build_api, COMPLETE) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("        clip: Whether values end at 1.\n", ""), "does not document its argument clip"),
        (("factor: Above", "scale: Above"), "documents scale, which is no argument of it"),
        (("    Returns:\n        (H, W) float32.\n\n", ""), "does not document what it returns"),
        ((COMPLETE[COMPLETE.index('    """') :], "    return 0.0\n"), "mine.scale has no docstring"),
    ],
)
def test_what_is_missing_is_named(build_api: ModuleType, change: tuple[str, str], message: str) -> None:
    assert change[0] in COMPLETE
    assert message in problems(build_api, COMPLETE.replace(*change))


def test_private_names_need_no_documentation(build_api: ModuleType) -> None:
    assert problems(build_api, "def _scale(image): ...\n") == ""


def test_an_entry_has_its_signature_arguments_and_errors(build_api: ModuleType) -> None:
    (entry,) = build_api.entries_of(griffe.visit("mine", REPOSITORY / "mine.py", COMPLETE), "mine")
    text = build_api._describe(entry)
    assert "scale(image, factor: float = 2.0, *, clip=False) -> float" in text
    assert "- `factor`: Above 0." in text and "- `ValueError`: If the factor is 0." in text
