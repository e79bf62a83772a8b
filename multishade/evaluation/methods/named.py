# SPDX-License-Identifier: Apache-2.0
"""The name of a method, as `multishade evaluate` takes it -> the method."""

from multishade.errors import EvaluationError, ModelError
from multishade.evaluation.methods.base import Method
from multishade.evaluation.methods.baselines import BASELINES
from multishade.evaluation.methods.stereo import network_method, solver_method
from multishade.inference.depth import METHODS as DEPTH_METHODS
from multishade.inference.learned_stereo import is_learned
from multishade.models.bundled import bundled_model
from multishade.models.registry import MODELS, model_name, model_names
from multishade.photometry.solvers import methods as solvers


def names() -> tuple[str, ...]:
    """Return the methods that need nothing but a name."""
    return (*solvers.METHODS, *BASELINES)


def is_model(name: str) -> bool:
    """Whether a method's name is that of a trained model, ours or another package's: "rose", or "rose:" and a place."""
    kind = name.partition(":")[0]
    return kind in MODELS or kind in model_names()


def named_method(name: str, grey: str = "luminance") -> Method:
    """Return a solver, a baseline, or a trained model by its name.

    Args:
        name: One of `names()`, a model's name for the bundled one, such as "rose", or a model's name, a colon and its
            folder.
        grey: What solvers get of a colour image: "luminance", "mean" or "rgb".

    Raises:
        EvaluationError: If the name is unknown.
        ModelError: If the model cannot be loaded.
    """
    if name in solvers.METHODS:
        return solver_method(name, grey)
    if name in BASELINES:
        return BASELINES[name]
    kind, _, model = name.partition(":")
    if is_learned(name):
        return network_method(name)
    if kind in DEPTH_METHODS:
        from multishade.evaluation.methods.depth import depth_method

        return depth_method(name)
    if is_model(name):
        from multishade.evaluation.methods.learned import model_method

        place = model or bundled_model(kind)
        if (found := model_name(place)) != kind:
            raise ModelError(f"{name}: holds a model of {found}; write {found}:{model}")
        return model_method(place)
    raise EvaluationError(
        f"unknown method {name!r}: expected one of {', '.join(names())}, rose, rose:MODEL, wild, iga-psn, "
        "iga-psn:MODEL, ps-fcn:MODEL, NAME:MODEL of another model, or a folder of normal maps"
    )
