# SPDX-License-Identifier: Apache-2.0
"""The models that are shipped with the package, so that `multishade infer` and `solve` work at once."""

from pathlib import Path

from multishade.errors import ModelError

_WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
FOLDER = _WEIGHTS / "rose-one-step"
# By the model's name.
FOLDERS = {
    "rose": FOLDER,
    "wild": _WEIGHTS / "wild",
    "iga-psn": _WEIGHTS / "iga-psn",
    "irondepth": _WEIGHTS / "irondepth",
}
# What to do if a bundled model is not installed, by the way in which its commands take another.
_REMEDIES = {
    "rose": "give another with --model (evaluate: rose:FOLDER), or train one: `multishade train rose-tiny`",
    "wild": "give another with --model (evaluate: wild:FOLDER), or train one: `multishade train wild-tiny` makes "
    "out/train/wild-tiny/model",
    "iga-psn": "name the folder of another, iga-psn:FOLDER; `multishade train iga-psn-tiny` makes one: "
    "iga-psn:out/train/iga-psn-tiny/model",
    "irondepth": "name the folder of another, irondepth:FOLDER; `multishade train irondepth-tiny` makes one: "
    "irondepth:out/train/irondepth-tiny/model",
}
LICENCE = "Apache-2.0"
TRAINING_DATA = (
    "renders of the built-in objects and materials of MultiShade, CC0-1.0, and of 28 meshes, CC0-1.0, CC-BY and "
    "Apache-2.0, which README.md beside the weights lists"
)


def bundled_model(name: str = "rose") -> Path:
    """Find a bundled model.

    Args:
        name: Of the model, as in the registry.

    Returns:
        Its folder.

    Raises:
        ModelError: If there is none of this name, or it is not installed.
    """
    if name not in FOLDERS:
        raise ModelError(
            f"{name}: no such model is bundled; name its folder or published checkpoint: {name}:PLACE"
        )
    if not (FOLDERS[name] / f"{name}.json").is_file():
        raise ModelError(f"{FOLDERS[name]}: the bundled model is not installed; {_REMEDIES[name]}")
    return FOLDERS[name]


def remedy_of(name: str) -> str:
    """Say what to do if a bundled model is not installed.

    Args:
        name: A key of `FOLDERS`.

    Returns:
        The advice.
    """
    return _REMEDIES[name]


def resolve_model(source: str | Path) -> Path | str:
    """Find the bundled model that is given by its name.

    Args:
        source: A bundled model's name, such as "wild"; a folder, or a name on the Hub. A folder in the current one goes
            before a bundled model of its name.

    Returns:
        The bundled model's folder, or the source as it is.

    Raises:
        ModelError: If the bundled model is not installed.
    """
    if str(source) in FOLDERS and not Path(source).exists():
        return bundled_model(str(source))
    return source
