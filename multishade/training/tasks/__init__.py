# SPDX-License-Identifier: Apache-2.0
"""The tasks by name, and the reading of their configurations. A task's module is imported when it is needed."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from multishade.config import load_settings
from multishade.config.recipes import TRAIN
from multishade.errors import ConfigError

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
}
DEFAULT = "rose"


class _Named(BaseModel):
    """What is read of a configuration before its class is known."""

    task: str = DEFAULT


def task_class(name: str) -> "type[Task[Any, Any]]":
    """Return a task's class by its name. Raises ConfigError if there is no such task."""
    if name not in TASKS:
        raise ConfigError(f"task: no task {name!r}; there are {', '.join(TASKS)}")
    module, _, attribute = TASKS[name].partition(":")
    found: type[Task[Any, Any]] = getattr(import_module(module), attribute)
    return found


def settings_types() -> "dict[str, type[TrainConfig]]":
    """Return the class of the configurations of every task, by the task's name."""
    return {name: task_class(name).settings_type for name in TASKS}


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
