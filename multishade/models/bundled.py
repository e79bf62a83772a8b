# SPDX-License-Identifier: Apache-2.0
"""The model that is shipped with the package, so that `multishade infer` works at once."""

from pathlib import Path

from multishade.errors import ModelError

FOLDER = Path(__file__).resolve().parent.parent / "weights" / "rose-one-step"
LICENCE = "Apache-2.0"
TRAINING_DATA = "renders of the built-in objects and materials of MultiShade, CC0-1.0"


def bundled_model() -> Path:
    """Find the bundled model.

    Returns:
        Its folder.

    Raises:
        ModelError: If it is not installed.
    """
    if not (FOLDER / "rose.json").is_file():
        raise ModelError(
            f"{FOLDER}: the bundled model is not installed; give another with --model, or train one: "
            "`multishade train rose-tiny`"
        )
    return FOLDER
