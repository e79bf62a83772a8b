# SPDX-License-Identifier: Apache-2.0
"""MultiShade: render shading-sequence data sets, train on them, and turn shading into normals.

    import multishade

    plan = multishade.make_plan(multishade.load_config("demo"))
    multishade.render(plan, "data/demo", shards=[0])

The names of `__all__` are the public API; docs/api.md describes them. Each is imported on first use (PEP 562), so that
`import multishade` loads no other package: Blender's Python imports `multishade.protocol`, and `multishade --help` is
instant. Modules of this package import from each other and never from here.
"""

import importlib
from typing import TYPE_CHECKING, Any

from multishade.version import __version__

if TYPE_CHECKING:
    from multishade.config import Config, load_config
    from multishade.data.loader import Loader
    from multishade.errors import MultiShadeError
    from multishade.evaluation.comparison import compare
    from multishade.evaluation.evaluate import evaluate
    from multishade.geometry import lights
    from multishade.inference.predict import infer
    from multishade.inspect.run import inspect_shards
    from multishade.models import load_model
    from multishade.photometry import shading
    from multishade.photometry.integration.mesh import mesh_from_depth
    from multishade.photometry.integration.methods import integrate
    from multishade.photometry.shading import relight
    from multishade.photometry.solvers.methods import solve
    from multishade.render import Plan, RenderResult, make_plan, render
    from multishade.shards.dataset import Dataset, write_shard
    from multishade.shards.sample import Sample
    from multishade.shards.tar import read_shard
    from multishade.training.trainer import train

__all__ = [
    "Config",
    "Dataset",
    "Loader",
    "MultiShadeError",
    "Plan",
    "RenderResult",
    "Sample",
    "__version__",
    "compare",
    "evaluate",
    "infer",
    "inspect_shards",
    "integrate",
    "lights",
    "load_config",
    "load_model",
    "make_plan",
    "mesh_from_depth",
    "read_shard",
    "relight",
    "render",
    "shading",
    "solve",
    "train",
    "write_shard",
]

# Public name -> the module that has it. `render` is a package that can be called, `lights` and `shading` are modules.
_MODULES = {
    "Config": "config.models",
    "Dataset": "shards.dataset",
    "Loader": "data.loader",
    "MultiShadeError": "errors",
    "Plan": "render.plan",
    "RenderResult": "render.run",
    "Sample": "shards.sample",
    "compare": "evaluation.comparison",
    "evaluate": "evaluation.evaluate",
    "infer": "inference.predict",
    "inspect_shards": "inspect.run",
    "integrate": "photometry.integration.methods",
    "load_config": "config.load",
    "load_model": "models.registry",
    "make_plan": "render.plan",
    "mesh_from_depth": "photometry.integration.mesh",
    "read_shard": "shards.tar",
    "relight": "photometry.shading",
    "solve": "photometry.solvers.methods",
    "train": "training.trainer",
    "write_shard": "shards.dataset",
}
_WHOLE_MODULES = {"lights": "geometry.lights", "render": "render", "shading": "photometry.shading"}


def __getattr__(name: str) -> Any:
    if name in _WHOLE_MODULES:
        value = importlib.import_module(f"{__name__}.{_WHOLE_MODULES[name]}")
    elif name in _MODULES:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
