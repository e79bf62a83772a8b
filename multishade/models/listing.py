# SPDX-License-Identifier: Apache-2.0
"""The models that are shipped -> what each is, what it was trained on, its errors and its licence, from its record.

Nothing is guessed: what the files beside the weights do not state is None. Importing this imports no torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multishade.models import bundled
from multishade.models.card import RECORD, model_card

WEIGHTS = ("*.safetensors", "*.onnx")


@dataclass(frozen=True)
class ListedModel:
    """One model.

    Attributes:
        name: As commands take it.
        folder: Where it is, or would be.
        installed: Whether it is there; if not, all that follows is None or empty.
        remedy: What to do if it is not installed.
        size: Pixels a side of what the network sees.
        megabytes: Of its weights, all forms of them together.
        licence: Of the weights.
        training_data: A sentence.
        data: Name and samples of each data set that it was trained on.
        errors: Of the last validation of its training: "mean_angle", "median_angle" and "constant_angle", degrees, and
            others that the model has.
        validation_samples: How many images the validation sets hold.
        steps: Updates of all its runs.
    """

    name: str
    folder: str
    installed: bool
    remedy: str | None = None
    size: int | None = None
    megabytes: float | None = None
    licence: str | None = None
    training_data: str | None = None
    data: Mapping[str, int] | None = None
    errors: Mapping[str, float] | None = None
    validation_samples: int | None = None
    steps: int | None = None


def list_bundled() -> list[ListedModel]:
    """List the models that this version of the package ships, or has a place for."""
    return [_listed(name, folder) for name, folder in bundled.FOLDERS.items()]


def _listed(name: str, folder: Path) -> ListedModel:
    settings = _read(folder / f"{name}.json")
    if settings is None:
        return ListedModel(name, str(folder), False, bundled.remedy_of(name))
    card = model_card(folder)
    runs = (_read(folder / RECORD) or {}).get("runs", [])
    validated = [row for run in runs for row in run.get("validation", [])]
    files = [path for kind in WEIGHTS for path in folder.rglob(kind)]
    return ListedModel(
        name,
        str(folder),
        True,
        None,
        settings.get("size"),
        round(sum(path.stat().st_size for path in files) / 1e6, 1),
        card["licence"],
        card["training_data"],
        _samples(runs, "train") or None,
        {key.removeprefix("val/"): value for key, value in validated[-1].items() if key != "step"}
        if validated
        else None,
        sum(_samples(runs[-1:], "val").values()) or None,
        sum(run["steps"] for run in runs) or None,
    )


def _samples(runs: list[dict[str, Any]], use: str) -> dict[str, int]:
    """Samples of each data set, by the last part of its path; a set that several runs share counts once."""
    found: dict[str, int] = {}
    for run in runs:
        for place, data in zip(run["config"]["data"][use], run["data"][use], strict=True):
            found[Path(place).name] = data["samples"]
    return found


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content
