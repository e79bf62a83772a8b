# SPDX-License-Identifier: Apache-2.0
"""Where a model comes from -> what its results must state: its name, its licence, and what it was trained on."""

import json
import re
from pathlib import Path
from typing import Any

from multishade.models import bundled

RECORD = "made.json"  # beside the weights of a model that was exported


def model_card(source: str | Path | None = None) -> dict[str, Any]:
    """Describe a model.

    Args:
        source: A folder or a name on the Hugging Face Hub; None is the bundled model.

    Returns:
        name, licence, training_data; nothing is guessed: what the files do not state is "not stated".
    """
    source = bundled.FOLDER if source is None else source
    place = Path(source).absolute()
    if place in bundled.FOLDERS.values():
        return {
            "name": f"bundled: {place.name}",
            "licence": bundled.LICENCE,
            "training_data": bundled.TRAINING_DATA if place == bundled.FOLDER else stated_data(place),
            "fingerprints": _fingerprints(place),
        }
    folder = Path(source)
    if not folder.is_dir():
        page = f"not stated here; see the page of {source} on Hugging Face"
        return {"name": str(source), "licence": page, "training_data": page}
    return {
        "name": folder.name,
        "licence": "not stated",
        "training_data": "not stated",
        "fingerprints": _fingerprints(folder),
    }


def stated_data(folder: Path) -> str:
    """Return what the files beside a bundled model say that it was trained on: made.json, or else README.md.

    Args:
        folder: Of the model.

    Returns:
        A phrase; "see README.md ..." if neither states it.
    """
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["training_data"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a record that was written before it had this
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    stated = re.search(r"^It was trained on (.+?)\n\n", text, re.DOTALL | re.MULTILINE)
    if stated is None:
        return f"see README.md and {RECORD} beside the weights"
    phrase = " ".join(stated[1].split()).rstrip(":.")
    return phrase.replace("of these meshes", "of meshes that README.md beside the weights lists")


def _fingerprints(folder: Path) -> list[str]:
    """Fingerprints of the data sets of all runs that made the model; empty without a record."""
    try:
        runs = json.loads((folder / RECORD).read_text(encoding="utf-8"))["runs"]
        found = [data["fingerprint"] for run in runs for data in run["data"]["train"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(dict.fromkeys(found))
