# SPDX-License-Identifier: Apache-2.0
"""The tasks by name, and the reading of their configurations. A task's module is imported when it is needed.

Other installed packages add tasks by entry points: docs/add-a-model.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from multishade.config import load_settings
from multishade.config.recipes import TRAIN
from multishade.errors import ConfigError
from multishade.plugins import TASKS_GROUP, load_class, with_installed

if TYPE_CHECKING:
    from multishade.training.config import TrainConfig
    from multishade.training.task import Task

# name -> module:class
TASKS = {
    "rose": "multishade.training.tasks.rose:RoseTask",
    "wild": "multishade.training.tasks.wild:WildTask",
    "ps-fcn": "multishade.training.tasks.ps_fcn:PsFcnTask",
    "iga-psn": "multishade.training.tasks.iga_psn:IgaPsnTask",
    "irondepth": "multishade.training.tasks.irondepth:IronDepthTask",
    "surface": "multishade.training.tasks.surface:SurfaceTask",
}
DEFAULT = "rose"


class _Named(BaseModel):
    """What is read of a configuration before its class is known."""

    task: str = DEFAULT


def task_class(name: str) -> "type[Task[Any, Any]]":
    """Return a task's class by its name. Raises ConfigError if there is no such task."""
    known = TASKS if name in TASKS else task_names()
    if name not in known:
        raise ConfigError(f"task: no task {name!r}; there are {', '.join(known)}")
    found: type[Task[Any, Any]] = load_class(name, known[name], ConfigError)
    return found


def task_names() -> dict[str, str]:
    """Return all tasks, ours and those of other installed packages: name -> "module:class".

    Raises:
        ConfigError: If two packages register one name.
    """
    return with_installed(TASKS_GROUP, TASKS, ConfigError)


def settings_types(installed: bool = False) -> "dict[str, type[TrainConfig]]":
    """Return the class of the configurations of every task, by the task's name.

    Args:
        installed: Whether those of other installed packages are among them.
    """
    return {name: task_class(name).settings_type for name in (task_names() if installed else TASKS)}


def load_config(source: str | Path, overrides: Sequence[str] = ()) -> "TrainConfig":
    """Read and validate a training configuration as its task's class.

    Args:
        source: The path of a YAML file, or the name of a shipped recipe, such as "rose-tiny".
        overrides: Strings `section.key=value`, the value in YAML, applied after the file.

    Raises:
        ConfigError: The file cannot be read, or settings are unknown or invalid.
    """
    name = load_settings(source, _Named, overrides, kind=TRAIN).task
    return load_settings(source, task_class(name).settings_type, overrides, kind=TRAIN)


def parse_config(content: Mapping[str, Any]) -> "TrainConfig":
    """Make a configuration of plain data, such as the `config.json` of a run. Raises pydantic's ValidationError."""
    return task_class(content.get("task", DEFAULT)).settings_type.model_validate(content)
