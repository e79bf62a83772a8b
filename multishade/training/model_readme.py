# SPDX-License-Identifier: Apache-2.0
"""An exported model and the record of its runs -> what it was trained on, and the README.md beside its weights."""

import json
from pathlib import Path
from typing import Any

from multishade.models.bundled import FOLDER, LICENCE, TRAINING_DATA
from multishade.models.card import RECORD
from multishade.models.irondepth.model import IronDepth
from multishade.models.wild.model import WEIGHTS, Wild

TABLE = "| mesh |"  # begins the table of meshes in the README.md of the bundled RoSE


def training_data(record: dict[str, Any]) -> str:
    """State what the runs of a record were trained on, in a sentence.

    Args:
        record: With "runs", each with its configuration and data sets. If they saw data sets of the bundled RoSE only,
            the sentence is that model's.
    """
    if _same_as_bundled(record):
        return TRAINING_DATA
    parts = []
    for data in _data(record, "train").values():
        sources = ", ".join(sorted({name.partition("/")[0] for name in data["manifests"]}))
        parts.append(f"{data['samples']} samples of {data['config'].get('name', 'a data set')} ({sources})")
    return f"renders: {'; '.join(parts)}; {RECORD} beside the weights has recipes, manifests and fingerprints"


def readme_of(model: Wild, folder: Path, record: dict[str, Any]) -> str:
    """Write the README.md of an exported `wild` model from its record.

    Args:
        model: The model.
        folder: That it was written to.
        record: What made.json holds.

    Returns:
        Markdown. Numbers are those of the record; what it does not have is not stated.
    """
    weights = sum(value.numel() for value in model.network.parameters())
    size = (folder / WEIGHTS).stat().st_size
    side, heads = model.settings.size, model.settings.heads
    beside = f", and beside them {' and '.join(heads)}" if heads else ""
    encoder = model.record.get("encoder")
    network = (
        "The network of the source, `network: paper`"
        if model.settings.network == "paper"
        else "An EfficientNet-Lite0 encoder and a decoder, `network: lite0`"
    )
    before = (
        f", whose weights before training are those of {encoder['package']} {encoder['version']} "
        f"({encoder['licence']}, trained on {encoder['trained_on']})"
        if encoder
        else ""
    )
    features = model.record.get("perceptual", {}).get("features", "not recorded")
    lines = [
        "# wild: normals of a single photo",
        "",
        f"A colour photo of {side} x {side} pixels -> normals{beside}, in one call. {network}{before}; "
        f"{weights / 1e6:.1f} million weights, half floats, {size / 1e6:.1f} MB. The weights are under {LICENCE}. "
        f"Features of the perceptual loss in training: {features}.",
        "",
        f"`{RECORD}` has the configurations, the data's fingerprints and shards, the libraries and the curves.",
        "",
    ]
    last = next((run["validation"][-1] for run in reversed(record["runs"]) if run["validation"]), None)
    if last is not None:
        images = sum(data["samples"] for data in _data(record, "val").values())
        lines += [
            f"On its {images} validation samples: mean angular error {last['val/mean_angle']:.2f} degrees, median "
            f"{last['val/median_angle']:.2f}; the best constant normal {last['val/constant_angle']:.2f}.",
            "",
        ]
    return "\n".join(lines + _trained_on(record))


def depth_readme_of(model: IronDepth, folder: Path, record: dict[str, Any]) -> str:
    """Write the README.md of an exported `irondepth` model from its record. Arguments and result as `readme_of`."""
    settings = model.settings
    weights = sum(value.numel() for value in model.network.parameters())
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    options = record["runs"][0]["config"]
    start = options["model"].get("weights", "not recorded")
    normals = options["objective"].get("normals")
    given = "true ones with errors" + (f", and those of a trained model ({normals})" if normals else "")
    lines = [
        "# irondepth: depth along normals",
        "",
        f"A colour photo of {settings.size} x {settings.size} pixels, its normals with their confidence, and the "
        f"camera -> depth, refined {settings.iterations} times in cells of {settings.stride} pixels. EfficientNet "
        f"{settings.encoder} (weights before training: {start}) and a decoder; {weights / 1e6:.1f} million weights, "
        f"half floats, {size / 1e6:.1f} MB. The weights are under {LICENCE}. Normals in training: {given}.",
        "",
        f"`{RECORD}` has the configurations, the data's fingerprints and shards, the libraries and the curves.",
        "",
    ]
    last = next((run["validation"][-1] for run in reversed(record["runs"]) if run["validation"]), None)
    if last is not None:
        lines += ["| validation | initial | refined |", "| --- | ---: | ---: |"]
        for prefix, what in (("", "true normals"), ("predicted_", "predicted normals")):
            for name, measure in (
                ("abs_rel", "abs rel"),
                ("mean_angle", "mean angle of the depth's normals, degrees"),
            ):
                if f"val/{prefix}{name}" in last:
                    before, after = last[f"val/{prefix}initial_{name}"], last[f"val/{prefix}{name}"]
                    lines.append(f"| {what}: {measure} | {before:.4g} | {after:.4g} |")
        lines += ["", f"An object without relief has abs rel {last['val/flat_abs_rel']:.4g}.", ""]
    return "\n".join(lines + _trained_on(record))


def _trained_on(record: dict[str, Any]) -> list[str]:
    """The last lines of a README: the data, and the meshes if they are those of the bundled RoSE."""
    lines = [f"Trained on {record['training_data']}.", ""]
    if _same_as_bundled(record):
        text = (FOLDER / "README.md").read_text(encoding="utf-8")
        lines += [text[text.index(TABLE) :].rstrip(), ""]
    return lines


def _data(record: dict[str, Any], use: str) -> dict[str, dict[str, Any]]:
    """The data sets of all runs, by fingerprint."""
    return {data["fingerprint"]: data for run in record["runs"] for data in run["data"][use]}


def _same_as_bundled(record: dict[str, Any]) -> bool:
    """Whether the runs saw data sets of the bundled RoSE only."""
    known = json.loads((FOLDER / RECORD).read_text(encoding="utf-8"))
    return _data(record, "train").keys() <= _data(known, "train").keys()
