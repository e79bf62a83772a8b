# SPDX-License-Identifier: Apache-2.0
"""Pictures of what a model that takes one photo makes, beside the truth: of DiLiGenT, or its worst and best renders.

    python -m benchmarks.model_pictures diligent ../diligent/catPNG -o docs/images/bundled-cat.png
    python -m benchmarks.model_pictures shards data/bundled-test -o docs/images/bundled-failures.png

Each row: photo, predicted and true normals, error (black 0, pale yellow large), confidence. Of shards the three worst
and the three best objects are drawn, each by its worst image.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers import diligent, shards
from multishade.evaluation.run import angular_errors
from multishade.geometry.boxes import bounding_window
from multishade.imaging import display, panels
from multishade.imaging.display import Picture
from multishade.inference.photo import linear_photo
from multishade.inference.predict import infer
from multishade.models import load_model
from multishade.models.base import Model

HEIGHT = 176
EACH = 3  # worst, and best, objects
NUMBER = "025"  # of the photographs of an object of DiLiGenT


def row_of(target: BenchmarkObject, index: int, model: Model) -> tuple[float, list[tuple[str, Picture]]]:
    """Mean error of one photograph, and the pictures of its row."""
    photo = linear_photo(target.input(index), target.mask, target.inputs[index])
    found = infer(photo, model)
    assert target.normal is not None
    error = np.nan_to_num(angular_errors(found.normal, target), nan=90.0)
    window, mean = bounding_window(target.mask, margin=4), float(error[target.scored].mean())
    mask = target.mask[window]
    label = target.tags.get("family", target.name)
    return mean, [
        (f"{label}, {target.inputs[index]}", np.rint(photo.pixels[window] * 255).astype(np.uint8)),
        ("predicted", display.normal_to_rgb(found.normal[window], mask)),
        ("true", display.normal_to_rgb(target.normal[window], mask)),
        (f"error, mean {mean:.1f}°", display.error_to_rgb(error[window], mask)),
        ("confidence", display.grey_to_rgb(found.confidence[window], mask)),
    ]


def rows_of_shards(places: Sequence[Path], model: Model) -> Iterator[list[tuple[str, Picture]]]:
    """The worst and the best objects, by the mean over their images and views."""
    rows: dict[str, list[tuple[float, list[tuple[str, Picture]]]]] = {}
    for target in shards.read_places(places):
        for index in range(len(target.inputs)):
            rows.setdefault(target.name, []).append(row_of(target, index, model))
    ordered = sorted(rows.values(), key=lambda found: -float(np.mean([mean for mean, _ in found])))
    for found in (*ordered[:EACH], *ordered[-EACH:]):
        yield max(found, key=lambda pair: pair[0])[1]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("diligent", "shards"))
    parser.add_argument("places", type=Path, nargs="+", metavar="PLACE")
    parser.add_argument("--model", help="a folder (default: the bundled model)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    model = load_model(options.model, runtime="auto")
    if options.kind == "shards":
        rows = list(rows_of_shards(options.places, model))
    else:
        targets = [target for place in options.places for target in diligent.read(place)]
        numbers = [[Path(name).stem for name in target.inputs].index(NUMBER) for target in targets]
        rows = [row_of(target, index, model)[1] for target, index in zip(targets, numbers, strict=True)]
    tiled = panels.tile(
        [[display.fit_height(picture, HEIGHT) for _, picture in row] for row in rows],
        [[caption for caption, _ in row] for row in rows],
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    display.save(options.output, tiled)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
