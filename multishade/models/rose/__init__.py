# SPDX-License-Identifier: Apache-2.0
"""RoSE: one photo -> a sequence of shading images under known lights -> normals.

`multishade.models.load_model` loads it, `multishade.infer` runs it on a photo. Importing this package imports no torch:
`runtime` runs an exported network without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multishade.models.rose.model import RoSE
    from multishade.models.rose.settings import RoseSettings, Sampling

__all__ = ["RoSE", "RoseSettings", "Sampling"]
_MODULES = {"RoSE": "model", "RoseSettings": "settings", "Sampling": "settings"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
