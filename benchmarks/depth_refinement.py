# SPDX-License-Identifier: Apache-2.0
"""What refinement along normals gains: depth and its normals before and after, by iterations and by anchors.

    python -m benchmarks.depth_refinement out/train/irondepth-tiny/model --on data/demo/multishade-000001.tar -o out/d

Each view of the shards is refined with its true normals and with those of a trained model (default: the bundled RoSE).
Writes depth.json and depth.png and prints tables: abs rel, rmse, log10, delta 1 to 3 of the depth at the true mean;
mean, median and root mean square of the angle of its normals (planes through 7 x 7 points), the shares below 11.25,
22.5 and 30 degrees; flatness and orientation of planar faces (rms distance in per cent of the depth, degrees). Also of
the integral of the normals alone, by least squares, without a network.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multishade.data.batches import Batch
from multishade.data.fields import FieldSpec
from multishade.data.loader import Loader
from multishade.data.settings import Data, Geometric
from multishade.geometry.camera import Projection
from multishade.geometry.depth import depth_to_points
from multishade.geometry.depth_errors import align_depth, depth_errors, planar_regions, planarity
from multishade.inference.depth import load_depth_model
from multishade.models import load_model
from multishade.models.base import Inputs, Model
from multishade.models.irondepth.model import IronDepth
from multishade.photometry.integration.methods import integrate
from multishade.training.depth_measures import planes_last, score
from multishade.training.normal_maps import predicted

FIELDS = tuple(FieldSpec(name) for name in ("image", "normal", "mask", "depth", "intrinsics"))
ANCHORS = (0, 5, 10, 20, 50, 100, 200)
MARGIN = 1.15
BELOW = (11.25, 22.5, 30.0)
Row = dict[str, float]


def view_scores(depth: Tensor, batch: Batch, faces: bool = False) -> Row:
    """Measure one depth map (1, 1, H, W) of a batch of one view."""
    mask = batch.mask[0, 0].cpu().numpy() > 0.5
    true, camera = batch.depth[0, 0].cpu().numpy(), batch.intrinsics[0].cpu().numpy()
    normal = planes_last(batch.normal[0])
    projection: Projection = "orthographic" if bool(batch.orthographic[0]) else "perspective"
    made = depth[0, 0].cpu().numpy()
    scores, error, _ = score(made, true, normal, mask, camera, projection)
    inside = error[mask]
    scores["rms_angle"] = float(np.sqrt(np.mean(inside**2)))
    scores |= {f"below_{limit:g}": float(np.mean(inside < limit)) for limit in BELOW}
    if faces:
        aligned = align_depth(made, true, mask, projection)
        points, truth = (depth_to_points(each, camera, projection) for each in (aligned, true))
        found = [planarity(points, truth, face) for face in planar_regions(truth, normal, mask)]
        far = 100 / float(true[mask].mean())
        scores["flatness"] = float(np.mean([flat for flat, _ in found])) * far if found else np.nan
        scores["orientation"] = float(np.mean([angle for _, angle in found])) if found else np.nan
    return scores


def integral_scores(normal: Tensor, batch: Batch) -> Row:
    """Measure the depth that normals (1, 3, H, W) alone have, integrated by least squares."""
    mask = batch.mask[0, 0].cpu().numpy() > 0.5
    matrix = batch.intrinsics[0].cpu().numpy().astype(np.float64)
    camera = None if bool(batch.orthographic[0]) else matrix
    depth = integrate(planes_last(normal[0]), mask, camera=camera, pixel_size=1 / matrix[0, 0]).depth
    usable = np.isfinite(depth) & mask
    filled = np.where(usable, depth, np.median(depth[usable])).astype(np.float32)
    return view_scores(torch.from_numpy(filled)[None, None], batch)


def random_anchors(batch: Batch, count: int, rng: np.random.Generator) -> Tensor | None:
    """True depth at `count` pixels of the object, (1, 1, H, W), 0 elsewhere; None for 0."""
    if count == 0:
        return None
    places = np.flatnonzero(batch.mask[0, 0].cpu().numpy().ravel() > 0.5)
    chosen = rng.choice(places, min(count, len(places)), replace=False)
    anchors = torch.zeros_like(batch.depth).flatten()
    anchors[chosen] = batch.depth.flatten()[chosen]
    return anchors.view_as(batch.depth)


def measure_view(
    model: IronDepth, batch: Batch, normals: Model, iterations: int, seed: int
) -> dict[str, Any]:
    """Refine one view: with true and predicted normals by iterations, with predicted normals by anchors."""
    plain = Inputs(
        image=batch.image, mask=batch.mask, intrinsics=batch.intrinsics, orthographic=batch.orthographic
    )
    made, trust = predicted(normals, batch.image, batch.mask)
    given = {
        "true": replace(plain, normal=batch.normal, confidence=batch.mask),
        "predicted": replace(plain, normal=made, confidence=trust),
    }
    found: dict[str, Any] = {}
    for name, inputs in given.items():
        depths = model.refinements(inputs, iterations)
        last = len(depths) - 1
        found[name] = [view_scores(each, batch, place in (0, last)) for place, each in enumerate(depths)]
    found["integral"] = [integral_scores(normal, batch) for normal in (batch.normal, made)]
    rng = np.random.default_rng(seed)
    found["anchors"] = []
    mask = batch.mask[0, 0].cpu().numpy() > 0.5
    true = batch.depth[0, 0].cpu().numpy()
    for count in ANCHORS:
        anchors = random_anchors(batch, count, rng)
        depth = model.refinements(replace(given["predicted"], anchors=anchors), iterations)[-1]
        row = view_scores(depth, batch)
        # With anchors the scale is part of the answer.
        row["raw_abs_rel"] = (
            depth_errors(depth[0, 0].cpu().numpy(), true, mask)["abs_rel"] if count else np.nan
        )
        found["anchors"].append(row)
    flat = np.full_like(true, true[mask].mean())
    found["flat"] = depth_errors(flat, true, mask)
    return found


def mean_rows(rows: Sequence[Row]) -> Row:
    """Average rows name by name; NaN does not count."""
    return {
        name: float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
        for name in rows[0]
        for values in [np.array([row[name] for row in rows])]
    }


def summarise(views: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Average over views."""
    found: dict[str, Any] = {"views": len(views), "flat": mean_rows([view["flat"] for view in views])}
    for name in ("true", "predicted", "integral", "anchors"):
        steps = len(views[0][name])
        found[name] = [mean_rows([view[name][step] for view in views]) for step in range(steps)]
    return found


def plot(summary: Mapping[str, Any], path: Path) -> None:
    """Draw the errors against iterations and against anchors."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 4, figsize=(13, 3.1), dpi=110, layout="constrained")
    for place, (name, label) in enumerate(
        (("abs_rel", "abs rel"), ("mean_angle", "normals' mean error, degrees"))
    ):
        for source, style in (("true", "C0.-"), ("predicted", "C1.-")):
            axes[place].plot([row[name] for row in summary[source]], style, label=f"{source} normals")
        axes[place].set(xlabel="iterations", ylabel=label, ylim=(0, None))
        axes[place + 2].plot(
            ANCHORS, [row[name] for row in summary["anchors"]], "C1.-", label="predicted normals"
        )
        axes[place + 2].set(xlabel="anchors", ylabel=label, ylim=(0, None))
    axes[0].legend(frameon=False)
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def table(summary: Mapping[str, Any]) -> str:
    """The figures before and after as a table in Markdown."""
    names = [name for name in summary["true"][0] if name != "raw_abs_rel"]
    lines = [f"| {summary['views']} views | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for source in ("true", "predicted"):
        for when, row in (("initial", summary[source][0]), ("refined", summary[source][-1])):
            lines.append(
                f"| {source} normals, {when} | " + " | ".join(f"{row[name]:.4g}" for name in names) + " |"
            )
    for source, row in zip(("true", "predicted"), summary["integral"], strict=True):
        figures = (f"{row[name]:.4g}" if name in row else "" for name in names)
        lines.append(f"| {source} normals, integrated | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def views_of(shards: Sequence[str], size: int, most: int) -> list[Batch]:
    """One batch for each view, framed as in training, not augmented."""
    data = Data(
        shards=tuple(shards), grey=False, geometric=Geometric(size=size, frame="object", margin=MARGIN)
    )
    loader = Loader(data, fields=FIELDS, batch_size=1)
    return list(islice(loader, min(most, loader.batches_per_epoch)))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure the refinement of depth along normals.")
    parser.add_argument("model", help="folder of an irondepth model")
    parser.add_argument("--on", nargs="+", required=True, metavar="SHARDS", help="shards with depth")
    parser.add_argument("--normals", metavar="MODEL", help="model of the normals (default: the bundled one)")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--views", type=int, default=100, help="at most (default: 100)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(argv)
    model = load_depth_model(f"irondepth:{options.model}")
    normals = load_model(options.normals)
    batches = views_of(options.on, model.settings.size, options.views)
    views = [
        measure_view(model, batch, normals, options.iterations, seed) for seed, batch in enumerate(batches)
    ]
    summary = summarise(views)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "depth.json").write_text(json.dumps(summary, indent=1) + "\n")
    plot(summary, options.output / "depth.png")
    print(table(summary))
    anchored: list[tuple[int, Row]] = list(zip(ANCHORS, summary["anchors"], strict=True))
    for count, row in anchored:
        print(f"{count} anchors: abs rel {row['abs_rel']:.4g}, normals {row['mean_angle']:.2f} degrees")


if __name__ == "__main__":
    main()
