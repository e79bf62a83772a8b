# SPDX-License-Identifier: Apache-2.0
"""A finished run -> the bundled model: weights in half precision and the record of how they were made.

python -m multishade.training.export out/bundled --curves docs/images/bundled-curves.png
"""

import argparse
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from multishade.errors import ModelError
from multishade.models import load_model
from multishade.models.bundled import FOLDERS, LICENCE
from multishade.models.irondepth.model import IronDepth
from multishade.models.rose import RoSE
from multishade.models.rose.export import export_onnx
from multishade.models.rose.runtime import NETWORK
from multishade.models.wild.model import Wild
from multishade.shards.locate import find_shards
from multishade.shards.marker import committed
from multishade.shards.record import read_dataset
from multishade.training import state as checkpoints
from multishade.training.config import TrainConfig
from multishade.training.model_readme import depth_readme_of, readme_of, training_data
from multishade.training.tasks import parse_config

LARGEST_BYTES = {"rose": 32_000_000}  # by the model's name
LARGEST_OF_OTHERS = 16_000_000
RECORD = "made.json"
LIBRARIES = ("torch", "diffusers", "accelerate", "safetensors", "onnx", "bpy", "numpy")


def export(run: Path, folder: Path | None = None, curves: Path | None = None) -> Path:
    """Write the finished model of `run`, or that of its latest checkpoint, to `folder`, with `made.json`.

    A one-step model without a VAE is written as model.onnx, too; models of `wild` and `irondepth` get a README.md.
    made.json: see `record_of`. curves: a PNG to plot them into. folder: None is the bundled model's of this kind.
    Raises ModelError if the run has no model, none of its kind is bundled, or weights or network are too large for a
    bundled model.
    """
    model = load_model(_model_of(run))
    if folder is None and model.name not in FOLDERS:
        raise ModelError(f"{run}: a model of {model.name}, and none is bundled: give a folder (--folder)")
    folder = folder or FOLDERS[model.name]
    largest = LARGEST_BYTES.get(model.name, LARGEST_OF_OTHERS)
    model.save_pretrained(folder, dtype=torch.float16)
    for network in folder.glob("*/config.json"):
        _remove_origin(network)
    if isinstance(model, RoSE) and model.settings.process == "one_step" and model.settings.base is None:
        export_onnx(model, folder / NETWORK)
    for kind in ("*.safetensors", "*.onnx"):
        size = sum(path.stat().st_size for path in folder.rglob(kind))
        if size > largest:
            raise ModelError(
                f"{folder}: {size / 1e6:.1f} MB of weights; a bundled model may have {largest / 1e6:g} MB"
            )
    record: dict[str, Any] = {
        "libraries": {name: version(name) for name in LIBRARIES},
        "runs": [*map(record_of, runs_of(run))],
    }
    if model.name != "rose":
        record = {"licence": LICENCE, "training_data": training_data(record), **record}
    if isinstance(model, Wild):
        record = {**record, "origin": model.record}
    (folder / RECORD).write_text(_one_line_a_row(record))
    if isinstance(model, Wild):
        (folder / "README.md").write_text(readme_of(model, folder, record), encoding="utf-8")
    if isinstance(model, IronDepth):
        (folder / "README.md").write_text(depth_readme_of(model, folder, record), encoding="utf-8")
    if curves is not None:
        plot_curves([rows_of(each) for each in runs_of(run)], curves)
    return folder


def runs_of(run: Path) -> list[Path]:
    """Return a run and those whose models it continues, first to last."""
    config = config_of(run)
    source = getattr(config.model, "pretrained", None)
    before = Path(source).parent if source is not None else None
    return [*(runs_of(before) if before is not None and (before / "config.json").is_file() else []), run]


def config_of(run: Path) -> TrainConfig:
    """Read the configuration of a run."""
    return parse_config(json.loads((run / "config.json").read_text()))


def rows_of(run: Path) -> list[dict[str, Any]]:
    """Read the run's metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def record_of(run: Path) -> dict[str, Any]:
    """Steps made, wall seconds, processes, configuration, curves; of each data set recipe, fingerprint and shards."""
    config, rows, model = config_of(run), rows_of(run), _model_of(run)
    last = checkpoints.listed(run)[-1:]
    state = json.loads((last[0] / "training" / "state.json").read_text()) if last else {"processes": 1}
    return {
        "steps": config.optimisation.steps if model.name == "model" else int(model.name[5:]),
        "seconds": round(seconds_of(rows, config.logging.every)),
        "processes": state["processes"],
        "config": config.model_dump(mode="json", exclude={"output"}),
        "data": {
            use: [_data_set(place) for place in places]
            for use, places in (("train", config.data.train), ("val", config.data.val))
        },
        "validation": [_shortened(row) for row in rows if "val/mean_angle" in row],
        "training": [_shortened(row) for row in rows if _loss_of(row) is not None],
    }


def seconds_of(rows: list[dict[str, Any]], every: int) -> float:
    """Wall time of the steps of a run's metrics, validation not counted. every: steps between logged rows."""
    return float(sum(row["seconds"] * every for row in rows if _loss_of(row) is not None))


def plot_curves(runs: list[list[dict[str, Any]]], path: Path) -> None:
    """Rows of runs that follow each other -> a PNG: the error on val shards, the constant's, and the training loss."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), dpi=110, layout="constrained")
    before = 0
    for place, rows in enumerate(runs):
        logged = [row for row in rows if _loss_of(row) is not None]
        checked = [row for row in rows if "val/mean_angle" in row]
        steps = [before + row["step"] for row in checked]
        for name, label, style in (
            ("mean", "model, mean", "C0.-"),
            ("median", "model, median", "C1.-"),
            ("constant", "best constant", "C7--"),
        ):
            values = [row[f"val/{name}_angle"] for row in checked]
            left.plot(steps, values, style, label=None if place else label)
        right.plot(
            [before + row["step"] for row in logged],
            [_loss_of(row) for row in logged],
            "C0",
            linewidth=0.7,
        )
        before += max((row["step"] for row in rows), default=0)
        if place + 1 < len(runs):
            for axes in (left, right):
                axes.axvline(before, color="grey", linewidth=0.5)
    left.set(xlabel="step", ylabel="angular error, degrees", title="val shards", ylim=(0, None))
    left.legend(frameon=False)
    right.set(xlabel="step", ylabel="loss", title="training, augmented", ylim=(0, None))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def _loss_of(row: dict[str, Any]) -> float | None:
    """The training loss of a row of metrics, a generator's if it has several; None: the row has none."""
    loss: float | None = row.get("train/loss", row.get("train/generator/loss"))
    return loss


def _model_of(run: Path) -> Path:
    found = [run / "model"] if (run / "model").is_dir() else checkpoints.listed(run)
    if not found:
        raise ModelError(f"{run}: neither a model nor a checkpoint in it; train first")
    return found[-1]


def _data_set(place: str) -> dict[str, Any]:
    """A folder of shards -> its recipe and fingerprint, and each shard's hash, without paths of this machine."""
    folder = Path(place)
    known = read_dataset(folder)
    markers = {tar.name: committed(tar) for tar in find_shards([folder])}
    found = {name: marker for name, marker in markers.items() if marker is not None}
    return {
        "fingerprint": known.fingerprint,
        "manifests": dict(known.manifests),
        "config": dict(known.config),
        "samples": sum(marker.samples for marker in found.values()),
        "shards": {name: marker.sha256 for name, marker in found.items()},
    }


def _remove_origin(path: Path) -> None:
    """Remove the folder that a network was loaded from, which diffusers stores."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}


def _one_line_a_row(record: dict[str, Any]) -> str:
    """JSON whose curves do not fill thousands of lines."""
    text = json.dumps(record, indent=2)
    # A row is an object without objects or lists in it, deep inside.
    rows = re.compile(r"\{\n {10,}\"step\"[^{}\[\]]*\}")
    return rows.sub(lambda row: re.sub(r"\n *", " ", row[0]), text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Export the model of a run as the bundled model.")
    parser.add_argument("run", type=Path, help="folder of a run of `multishade train`")
    parser.add_argument("--folder", type=Path, help="where to write it (default: into the package)")
    parser.add_argument("--curves", type=Path, metavar="FILE.png", help="plot the curves into it")
    options = parser.parse_args()
    print(f"exported: {export(options.run, options.folder, options.curves)}")


if __name__ == "__main__":
    main()
