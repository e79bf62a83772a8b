# SPDX-License-Identifier: Apache-2.0
"""The name of a method, as `multishade evaluate` takes it -> the method."""

from multishade.errors import EvaluationError, ModelError
from multishade.evaluation.methods.base import Method
from multishade.evaluation.methods.baselines import BASELINES
from multishade.evaluation.methods.stereo import network_method, solver_method
from multishade.inference.learned_stereo import is_learned
from multishade.photometry.solvers import methods as solvers

SINGLE_IMAGE = ("rose", "wild")  # models that see one photograph


def names() -> tuple[str, ...]:
    """Return the methods that need nothing but a name."""
    return (*solvers.METHODS, *BASELINES)


def named_method(name: str, grey: str = "luminance") -> Method:
    """Return a solver, a baseline, or a trained model by its name.

    Args:
        name: One of `names()`, "rose", "wild" or "iga-psn" for the bundled models, or a model's name, a colon and its
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
    if kind in SINGLE_IMAGE:
        from multishade.evaluation.methods.learned import model_method
        from multishade.models.bundled import bundled_model
        from multishade.models.registry import model_name

        place = model or bundled_model(kind)
        if (found := model_name(place)) != kind:
            raise ModelError(f"{name}: holds a model of {found}; write {found}:{model}")
        return model_method(place)
    if is_learned(name):
        return network_method(name)
    raise EvaluationError(
        f"unknown method {name!r}: expected one of {', '.join(names())}, rose, rose:MODEL, wild, wild:MODEL, iga-psn, "
        "iga-psn:MODEL, ps-fcn:MODEL, or a folder of normal maps"
    )
