# SPDX-License-Identifier: Apache-2.0
"""Whether a model finds an object without a mask: renders over photographs, and the overlap with their true masks.

    python -m benchmarks.coverage data/bundled-test [--behind scenes] [--model FOLDER] [-o FILE.png]

Each composite is an image of the shards, scaled and placed at random over one of scikit-image's sample photographs,
which no training set of ours has. Prints the intersection over union of the mask that `infer` finds and the true one:
mean, median, the worst; and the mean angular error with the found and with the given mask. -o draws some of them.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from multishade.geometry.angles import angular_error_degrees
from multishade.imaging import display, panels
from multishade.imaging.color import linear_to_srgb, png_to_linear
from multishade.inference.photo import Photo
from multishade.inference.predict import infer
from multishade.models import load_model
from multishade.shards.dataset import Dataset
from multishade.shards.sample import Sample

Float32 = NDArray[np.float32]
# Photographs of a surface or a scene without an object in front; photographs that show an object of their own, so that
# nothing tells which of the two is meant.
PHOTOGRAPHS = {
    "surfaces": ("brick", "grass", "gravel", "immunohistochemistry", "hubble_deep_field", "moon"),
    "scenes": ("astronaut", "chelsea", "coffee", "rocket", "camera"),
}
SIDE = 384  # pixels of the photograph's shorter side
SCALE = (0.35, 0.85)  # of the object's longer side to that
PICTURED = 12


@dataclass(frozen=True)
class Composite:
    """pixels (H, W, 3), display-encoded; mask (H, W); normal (H, W, 3)."""

    name: str
    pixels: Float32
    mask: NDArray[np.bool_]
    normal: Float32


def photographs(kind: str) -> list[tuple[str, Float32]]:
    """Sample photographs that are installed with scikit-image, linear light. kind: a key of `PHOTOGRAPHS`."""
    from skimage import data

    found = []
    for name in PHOTOGRAPHS[kind]:
        picture = getattr(data, name)()
        picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
        scale = SIDE / min(picture.shape[:2])
        size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        found.append((name, png_to_linear(cv2.resize(picture[..., :3], size, interpolation=cv2.INTER_AREA))))
    return found


def compose(sample: Sample, image: str, behind: tuple[str, Float32], rng: np.random.Generator) -> Composite:
    """Place one image of a sample over a photograph."""
    name, picture = behind
    rows, columns = np.nonzero(sample.mask)
    box = slice(max(rows.min() - 1, 0), rows.max() + 2), slice(max(columns.min() - 1, 0), columns.max() + 2)
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    factor = SIDE * rng.uniform(*SCALE) / longer
    light = sample.images[image][box].astype(np.float32)
    alpha = sample.alpha[box]
    normal, mask = sample.normal[box].astype(np.float32), sample.mask[box].astype(np.float32)
    size = round(light.shape[1] * factor), round(light.shape[0] * factor)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    light, alpha = (cv2.resize(each, size, interpolation=how).clip(0) for each in (light, alpha))
    normal = cv2.resize(normal, size, interpolation=cv2.INTER_NEAREST)
    mask = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 0.5
    height, width = picture.shape[:2]
    top = int(rng.integers(max(1, height - size[1] + 1)))
    left = int(rng.integers(max(1, width - size[0] + 1)))
    canvas, whole = picture.copy(), np.zeros((height, width), bool)
    normals = np.zeros((height, width, 3), np.float32)
    place = slice(top, top + size[1]), slice(left, left + size[0])
    shape = canvas[place].shape[:2]
    cut = slice(shape[0]), slice(shape[1])
    canvas[place] = light[cut] + canvas[place] * (1 - alpha[cut].clip(0, 1)[..., None])
    whole[place], normals[place] = mask[cut], normal[cut]
    return Composite(f"{sample.key} {image} over {name}", linear_to_srgb(canvas.clip(0, 1)), whole, normals)


def composites(places: Sequence[Path], kind: str, count: int, seed: int) -> Iterator[Composite]:
    """`count` composites; samples and photographs in turn."""
    rng, behind = np.random.default_rng(seed), photographs(kind)
    samples = [(data, key) for data in map(Dataset, map(str, places)) for key in data]
    for number in range(count):
        data, key = samples[number % len(samples)]
        sample = data[key]
        names = sorted(sample.images)
        yield compose(sample, names[int(rng.integers(len(names)))], behind[number % len(behind)], rng)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shards", type=Path, nargs="+", metavar="SHARDS")
    parser.add_argument("--model", help="a folder (default: the bundled model)")
    parser.add_argument("--behind", choices=tuple(PHOTOGRAPHS), default="surfaces", help="photographs")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.png", help="picture of some composites")
    options = parser.parse_args(arguments)
    model = load_model(options.model, runtime="auto")
    scores, found_errors, given_errors, pictures = [], [], [], []
    for each in composites(options.shards, options.behind, options.count, options.seed):
        found = infer(Photo(each.pixels), model)
        given = infer(Photo(each.pixels, each.mask), model)
        overlap = float((found.mask & each.mask).sum() / (found.mask | each.mask).sum())
        scores.append((overlap, each.name))
        both = found.mask & each.mask
        if both.any():
            for errors, result in ((found_errors, found), (given_errors, given)):
                errors.append(float(np.nanmean(angular_error_degrees(result.normal, each.normal)[both])))
        if len(pictures) < PICTURED:
            photo = np.rint(each.pixels * 255).astype(np.uint8)
            outline = photo.copy()
            contours, _ = cv2.findContours(found.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(outline, contours, -1, (255, 0, 255), 2)
            normals = display.normal_to_rgb(found.normal, found.mask)
            pictures.append((f"IoU {overlap:.2f}", outline, normals))
    values = np.array([score for score, _ in scores])
    print(
        f"{len(values)} composites over {options.behind}: IoU mean {values.mean():.3f}, median "
        f"{np.median(values):.3f}, {np.mean(values >= 0.85):.0%} at least 0.85"
    )
    print(
        f"mean error where both masks agree: {np.mean(found_errors):.2f} degrees with the mask found, "
        f"{np.mean(given_errors):.2f} with the mask given"
    )
    for overlap, name in sorted(scores)[:5]:
        print(f"  {overlap:.3f} {name}")
    if options.output is not None:
        rows = [pictures[start : start + 4] for start in range(0, len(pictures), 4)]
        tiled = panels.tile(
            [
                [display.fit_height(p, 160) for _, photo, normals in row for p in (photo, normals)]
                for row in rows
            ],
            [[text for caption, _, _ in row for text in (caption, "normals")] for row in rows],
        )
        options.output.parent.mkdir(parents=True, exist_ok=True)
        display.save(options.output, tiled)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
