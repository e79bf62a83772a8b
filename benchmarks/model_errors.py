# SPDX-License-Identifier: Apache-2.0
"""Where a model that takes one photo fails, and whether its confidence tells: tables and a plot.

    python -m benchmarks.model_errors data/bundled-test [MODEL] [-o docs/images/bundled-confidence.png]

Every image of the shards is predicted with its mask given. Prints Markdown tables of the mean angular error by the
object's family, the kind of material, the image's light, the angle of the true normal to the view axis, the distance to
the outline in shares of the object's longer side, and ten bins of confidence with equally many pixels each, which -o
plots. Means of families, materials and lights are over images, the others over pixels, as many of each image.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers import shards
from multishade.evaluation.run import angular_errors
from multishade.inference.photo import linear_photo
from multishade.inference.predict import infer
from multishade.models import load_model
from multishade.models.base import Model

Float32 = NDArray[np.float32]
PIXELS = 2000  # of an image
BINS = 10
TILTS = (0, 15, 30, 45, 60, 75, 90)
DISTANCES = (0, 0.01, 0.02, 0.04, 0.08, 0.16, 1)


@dataclass(frozen=True)
class Errors:
    """One image: its name, tags and mean error in degrees; of some of its pixels error, confidence, tilt, distance."""

    name: str
    tags: dict[str, str]
    mean: float
    error: Float32
    confidence: Float32
    tilt: Float32
    distance: Float32


def measure(target: BenchmarkObject, model: Model, rng: np.random.Generator) -> Iterator[Errors]:
    """Predict each image of an object. Missing normals count as 90 degrees."""
    from scipy.ndimage import distance_transform_edt

    assert target.normal is not None
    rows, columns = np.nonzero(target.mask)
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    distance = distance_transform_edt(np.pad(target.mask, 1))[1:-1, 1:-1] / longer
    tilt = np.degrees(np.arccos(np.clip(target.normal[..., 2], -1, 1)))
    for index, name in enumerate(target.inputs):
        prediction = infer(linear_photo(target.input(index), target.mask, name), model)
        error = np.nan_to_num(angular_errors(prediction.normal, target), nan=90.0)
        inside = np.flatnonzero(target.mask)
        chosen = rng.choice(inside, min(PIXELS, len(inside)), replace=False)
        yield Errors(
            f"{target.name} {target.view} {name}",
            {**target.tags, "light": name.removeprefix("image_").rstrip("0123456789").rstrip("_")},
            float(error[target.mask].mean()),
            error.ravel()[chosen].astype(np.float32),
            prediction.confidence.ravel()[chosen],
            tilt.ravel()[chosen].astype(np.float32),
            distance.ravel()[chosen].astype(np.float32),
        )


def by_tag(images: Sequence[Errors], tag: str) -> dict[str, tuple[int, float]]:
    """Value of the tag -> number of images, mean error; the worst first."""
    groups = defaultdict(list)
    for image in images:
        groups[image.tags[tag]].append(image.mean)
    means = {value: (len(errors), float(np.mean(errors))) for value, errors in groups.items()}
    return dict(sorted(means.items(), key=lambda item: -item[1][1]))


def by_range(
    values: Float32, errors: Float32, edges: Sequence[float]
) -> list[tuple[float, float, float, float]]:
    """(low, high, share of the pixels, mean error) of each range."""
    found = []
    for low, high in zip(edges, edges[1:], strict=False):
        inside = (values >= low) & (values < high if high < edges[-1] else values <= high)
        if inside.any():
            found.append((low, high, float(inside.mean()), float(errors[inside].mean())))
    return found


def by_confidence(confidence: Float32, errors: Float32) -> list[tuple[float, float]]:
    """(mean confidence, mean error) of ten bins of equally many pixels, least confident first."""
    order = np.argsort(confidence, kind="stable")
    return [
        (float(confidence[part].mean()), float(errors[part].mean())) for part in np.array_split(order, BINS)
    ]


def plot(bins: Sequence[tuple[float, float]], path: Path) -> None:
    """Write the plot of `by_confidence` as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.6, 3.4), dpi=110, layout="constrained")
    confidence, error = np.transpose(bins)
    axes.plot(confidence, error, "C0o-", label="ten bins of pixels")
    line = np.array([min(confidence), max(confidence)])
    axes.plot(line, 90 * (1 - line), "C7--", label="what the confidence states")
    axes.set(xlabel="confidence", ylabel="angular error, degrees", ylim=(0, None))
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shards", type=Path, nargs="+", metavar="SHARDS")
    parser.add_argument("--model", help="a folder (default: the bundled model)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.png", help="plot of confidence and error")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the mean error of each image")
    options = parser.parse_args(arguments)
    model, rng = load_model(options.model, runtime="auto"), np.random.default_rng(0)
    images = [found for target in shards.read_places(options.shards) for found in measure(target, model, rng)]
    print(f"{len(images)} images, mean error {np.mean([image.mean for image in images]):.2f} degrees\n")
    for tag in ("family", "material", "light"):
        print(f"| {tag} | images | degrees |\n| --- | ---: | ---: |")
        for value, (count, mean) in by_tag(images, tag).items():
            print(f"| {value} | {count} | {mean:.1f} |")
        print()
    error = np.concatenate([image.error for image in images])
    for title, name, edges, unit in (
        ("tilt of the true normal", "tilt", TILTS, "°"),
        ("distance to the outline", "distance", DISTANCES, ""),
    ):
        print(f"| {title} | share of pixels | degrees |\n| --- | ---: | ---: |")
        values = np.concatenate([getattr(image, name) for image in images])
        for low, high, share, mean in by_range(values, error, edges):
            print(f"| {low:g} to {high:g}{unit} | {share:.0%} | {mean:.1f} |")
        print()
    bins = by_confidence(np.concatenate([image.confidence for image in images]), error)
    print("| confidence | degrees |\n| ---: | ---: |")
    for confidence, mean in bins:
        print(f"| {confidence:.3f} | {mean:.1f} |")
    falls = all(first[1] >= second[1] for first, second in zip(bins, bins[1:], strict=False))
    print(f"\nthe error {'falls' if falls else 'does NOT fall'} with confidence over all ten bins")
    if options.output is not None:
        plot(bins, options.output)
    if options.json is not None:
        options.json.write_text(
            json.dumps({image.name: round(image.mean, 3) for image in images}, indent=1) + "\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
