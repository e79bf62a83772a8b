# SPDX-License-Identifier: Apache-2.0
"""Where the model lies that comes with the package, so that `multishade infer` works at once."""

from pathlib import Path

from multishade.errors import ModelError

FOLDER = Path(__file__).resolve().parent.parent / "weights" / "rose-one-step"


def boxed_model() -> Path:
    """Its folder. Raises ModelError where it was not installed."""
    if not (FOLDER / "rose.json").is_file():
        raise ModelError(
            f"{FOLDER}: the model in the box is not there; give another with --model, or train one: "
            "multishade train configs/train/rose-tiny.yaml"
        )
    return FOLDER
