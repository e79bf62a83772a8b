# SPDX-License-Identifier: Apache-2.0
"""A configuration and manifests -> a plan -> shards, rendered by Blender processes.

    from multishade.config import load_config
    from multishade.render import make_plan, render

    result = render(make_plan(load_config("demo")), "data/demo", shards=range(2))

The names below are imported on first use, so that importing one module of this package does not load the others.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multishade.render.backends import Resources
    from multishade.render.plan import Plan, make_plan
    from multishade.render.progress import ProgressBar
    from multishade.render.run import RenderResult, render

__all__ = ["Plan", "ProgressBar", "RenderResult", "Resources", "make_plan", "render"]

_MODULES = {
    "Plan": "plan",
    "ProgressBar": "progress",
    "RenderResult": "run",
    "Resources": "backends",
    "make_plan": "plan",
    "render": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


class _CallablePackage(types.ModuleType):
    """`multishade.render` is this package and, for `from multishade import render`, the function of that name."""

    def __call__(self, *args: Any, **kwargs: Any) -> "RenderResult":
        from multishade.render.run import render

        return render(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
