# SPDX-License-Identifier: Apache-2.0
"""A run of training -> the model in the box: weights in half precision, and beside them how they were made.

python -m multishade.training.boxing out/boxed --curves docs/images/boxed-curves.png
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from multishade import dataset, shard
from multishade.errors import ModelError
from multishade.inference.box import FOLDER
from multishade.rose import RoSE
from multishade.training import checkpoints
from multishade.training.config import TrainConfig

LARGEST_BYTES = 32_000_000
RECORD = "made.json"
LIBRARIES = ("torch", "diffusers", "accelerate", "safetensors", "bpy", "numpy")


def box(run: Path, folder: Path = FOLDER, curves: Path | None = None) -> Path:
    """Put the finished model of `run`, or that of its latest checkpoint, into `folder`, with `made.json`.

    made.json: the training configuration, the data sets with their fingerprints, recipes and shards, the libraries,
    seconds, and the curves. curves: a PNG to draw them into. Raises ModelError where there is nothing to box, and for
    weights above 32 MB.
    """
    config = TrainConfig.model_validate_json((run / "config.json").read_text())
    found = [run / "model"] if (run / "model").is_dir() else checkpoints.listed(run)
    if not found:
        raise ModelError(f"{run}: neither a model nor a checkpoint in it; train first")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    RoSE.from_pretrained(found[-1]).save_pretrained(folder, dtype=torch.float16)
    _forget_origin(folder / "unet" / "config.json")
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    if size > LARGEST_BYTES:
        raise ModelError(
            f"{folder}: {size / 1e6:.1f} MB of weights; the box holds {LARGEST_BYTES / 1e6:g} MB"
        )
    record: dict[str, Any] = {
        "steps": config.optimisation.steps if found[-1].name == "model" else int(found[-1].name[5:]),
        "seconds": round(seconds_of(rows, config.logging.every)),
        "config": config.model_dump(mode="json", exclude={"output"}),
        "data": {"train": [_data_set(place) for place in config.data.train]},
        "libraries": {name: version(name) for name in LIBRARIES},
        "validation": [row for row in rows if "val/mean_angle" in row],
        "training": [_shortened(row) for row in rows if "train/loss" in row],
    }
    record["data"]["val"] = [_data_set(place) for place in config.data.val]
    (folder / RECORD).write_text(_one_line_a_row(record))
    if curves is not None:
        draw_curves(rows, curves)
    return folder


def seconds_of(rows: list[dict[str, Any]], every: int) -> float:
    """Wall time of the steps of a run's metrics, validation not counted. every: steps between logged rows."""
    return float(sum(row["seconds"] * every for row in rows if "train/loss" in row))


def draw_curves(rows: list[dict[str, Any]], path: Path) -> None:
    """Rows of metrics.jsonl -> a PNG: the error on val shards against the constant's, and the training loss."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logged = [row for row in rows if "train/loss" in row]
    checked = [row for row in rows if "val/mean_angle" in row]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), dpi=110, layout="constrained")
    steps = [row["step"] for row in checked]
    left.plot(steps, [row["val/mean_angle"] for row in checked], marker=".", label="model, mean")
    left.plot(steps, [row["val/median_angle"] for row in checked], marker=".", label="model, median")
    left.plot(
        steps, [row["val/constant_angle"] for row in checked], "--", color="grey", label="best constant"
    )
    left.set(xlabel="step", ylabel="angular error, degrees", title="val shards", ylim=(0, None))
    left.legend(frameon=False)
    right.plot([row["step"] for row in logged], [row["train/loss"] for row in logged], linewidth=0.7)
    right.set(xlabel="step", ylabel="loss", title="training, augmented", ylim=(0, None))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def _data_set(place: str) -> dict[str, Any]:
    """A folder of shards -> its recipe and fingerprint, and each shard's hash. Paths of one's own stay out."""
    folder = Path(place)
    known = dataset.read_dataset(folder)
    markers = {tar.name: shard.committed(tar) for tar in dataset.list_shards([folder])}
    kept = {name: marker for name, marker in markers.items() if marker is not None}
    return {
        "fingerprint": known.fingerprint,
        "manifests": dict(known.manifests),
        "config": dict(known.config),
        "samples": sum(marker.samples for marker in kept.values()),
        "shards": {name: marker.sha256 for name, marker in kept.items()},
    }


def _forget_origin(path: Path) -> None:
    """diffusers notes the folder that a network was loaded from."""
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}


def _one_line_a_row(record: dict[str, Any]) -> str:
    """JSON whose curves do not fill thousands of lines."""
    curves = ("validation", "training")
    rest = json.dumps({name: value for name, value in record.items() if name not in curves}, indent=2)
    lists = [
        f'  "{name}": [\n    ' + ",\n    ".join(json.dumps(row) for row in record[name]) + "\n  ]"
        for name in curves
    ]
    return rest.rstrip("}\n") + "},\n" + ",\n".join(lists) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Put the model of a run into the box.")
    parser.add_argument("run", type=Path, help="out/NAME of multishade train")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="the box (default: the package's own)")
    parser.add_argument("--curves", type=Path, metavar="FILE.png", help="draw the curves into it")
    options = parser.parse_args()
    print(f"boxed: {box(options.run, options.folder, options.curves)}")


if __name__ == "__main__":
    main()
