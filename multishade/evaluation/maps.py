# SPDX-License-Identifier: Apache-2.0
"""One prediction -> a picture: photograph, predicted normals, true normals, angular error with its colour bar."""

from pathlib import Path

import numpy as np

from multishade.evaluation.methods.base import ALL, PredictedNormals
from multishade.evaluation.objects import BenchmarkObject, Float32
from multishade.geometry.boxes import bounding_window
from multishade.imaging import display, panels

# Photographs of DiLiGenT's size are shown as they are; small crops are enlarged to this, large frames shrunk
# to it.
HEIGHT_RANGE = (240, 420)
WIDEST_PANEL, LOWEST_PANEL = 480, 60
MARGIN = 6


def draw_maps(path: Path, target: BenchmarkObject, prediction: PredictedNormals, error: Float32) -> None:
    """Write the picture as PNG, cut to the object."""
    window = bounding_window(target.mask, MARGIN)
    scored = target.scored[window]
    height = int(np.clip(scored.shape[0], *HEIGHT_RANGE))
    height = max(LOWEST_PANEL, min(height, round(WIDEST_PANEL * scored.shape[0] / scored.shape[1])))
    pictures: list[display.Picture] = []
    captions = []
    photograph = _photograph(target, prediction.image)
    if photograph is not None:
        name, image = photograph
        pictures.append(display.radiance_to_rgb(image[window], target.mask[window]))
        captions.append(name)
    values = error[window][scored]
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
    pictures += [
        display.normal_to_rgb(prediction.normal[window], scored),
        display.normal_to_rgb(target.true_normal[window], scored),
        display.error_to_rgb(error[window], scored),
    ]
    captions += ["predicted", "truth", f"error, mean {mean:.2f}°"]
    sized = [display.fit_height(picture, height) for picture in pictures]
    # The ball of the normals stands between the two pictures of them and the error.
    sized.insert(-1, panels.normal_legend(height))
    captions.insert(-1, "")
    sized.append(panels.colour_bar(height))
    title = target.relative_path if prediction.image == ALL else f"{target.relative_path}, {prediction.image}"
    display.save(path, panels.tile([sized], [[*captions, ""]], [title]))


def _photograph(target: BenchmarkObject, image: str) -> tuple[str, Float32] | None:
    """The photograph that the prediction came from, or for all of them the one whose light is nearest to the camera."""
    if image != ALL and image in target.inputs:
        return image, target.input(target.inputs.index(image))
    if target.load_image is None or not target.image_names:
        return (target.inputs[0], target.input(0)) if target.inputs else None
    index = 0 if target.directions is None else int(np.argmax(target.directions[:, 2]))
    return target.image_names[index], target.image(index)
