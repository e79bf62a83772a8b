# SPDX-License-Identifier: Apache-2.0
"""Names that other installed packages add to a registry of ours, by entry points (docs/add-a-model.md)."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from multishade.errors import MultiShadeError

MODELS_GROUP = "multishade.models"
TASKS_GROUP = "multishade.tasks"


def with_installed(group: str, ours: Mapping[str, str], error: type[MultiShadeError]) -> dict[str, str]:
    """Add what other packages register to a registry of ours.

    Args:
        group: `MODELS_GROUP` or `TASKS_GROUP`.
        ours: Name -> "module:class".
        error: What to raise.

    Returns:
        Name -> "module:class", ours first.

    Raises:
        error: If two packages register one name, or one registers a name of ours.
    """
    found, owners = dict(ours), dict.fromkeys(ours, "multishade")
    for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
        package = entry.dist.name if entry.dist is not None else entry.value
        if entry.name in found:
            if found[entry.name] == entry.value and owners[entry.name] == package:
                continue  # one installation that two folders of the path hold
            raise error(
                f"{group}: the packages {owners[entry.name]} and {package} both register {entry.name!r}; change the "
                f"name in {package}'s pyproject.toml and install it again"
            )
        found[entry.name], owners[entry.name] = entry.value, package
    return found


def load_class(name: str, reference: str, error: type[MultiShadeError]) -> Any:
    """Import what a registry names.

    Args:
        name: Its key, for errors.
        reference: "module:class".
        error: What to raise.

    Raises:
        error: If the module cannot be imported or lacks the class.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except AttributeError as problem:
        raise error(f"{name}: is registered as {reference}, which cannot be loaded: {problem}") from problem
    except ModuleNotFoundError as problem:
        if problem.name is None or not f"{module}.".startswith(f"{problem.name}."):
            raise  # a package that the module needs
        raise error(
            f"{name}: is registered as {reference}, but there is no module {problem.name}"
        ) from problem
