# SPDX-License-Identifier: Apache-2.0
"""The files of an item -> normals, what the page shows of them, and the files to download."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multishade.errors import MultiShadeError, SolveError
from multishade.evaluation.readers.benchmark import read_folder
from multishade.evaluation.readers.folder_files import find_lights, visible
from multishade.evaluation.solve import SolveOptions, solve_target
from multishade.imaging import codecs
from multishade.inference.page import facts_of, pack_results
from multishade.inference.photo import read_photo
from multishade.inference.predict import infer
from multishade.inference.results import Results, results_of_prediction
from multishade.inference.write import Output, write_results
from multishade.models.base import Model
from multishade.models.card import model_card
from multishade.models.registry import load_model
from multishade.studio.item import Item

LONGEST_PICTURE = 1280  # pixels of the picture in which the mask is painted
QUALITY = 88
BALLS = ("chrome", "matte")


class Maker:
    """Makes the results of items, with one model that is loaded once.

    Attributes:
        megapixels: The largest photo.
    """

    def __init__(self, model: str | Path | None = None, megapixels: float = 40.0) -> None:
        self._source, self.megapixels = model, megapixels
        self._model: Model | None = None

    def make(self, item: Item) -> None:
        """Make everything; an error that a person can mend becomes the item's."""
        item.state, item.error = "working", None
        try:
            results = self._predicted(item) if item.kind == "photo" else _solved(item)
            if not results.given.any():
                raise SolveError("nothing is found in it; paint the object in the mask")
            item.step = "preparing the view"
            _show(item, results)
            item.state, item.step = "shown", "writing the files"
            for path in item.results.glob("*"):
                path.unlink()
            write_results(item.results, results, Output())
            item.state, item.step = "done", ""
        except MultiShadeError as error:
            item.state, item.error = "failed", _without_folder(str(error), item)
        except Exception as error:  # the page must not wait for ever
            item.state, item.error = "failed", f"unexpected {type(error).__name__}: {error}"
            raise

    def _predicted(self, item: Item) -> Results:
        item.step = "reading the photo"
        (source,) = item.source.iterdir()
        painted = item.painted if item.painted.is_file() else None
        photo = read_photo(source, painted, self.megapixels)
        if self._model is None:
            item.step = "loading the model"
            self._model = load_model(self._source, runtime="auto")
        item.step = "normals"
        prediction = infer(photo, self._model)
        item.step = "surface"
        return results_of_prediction(
            prediction,
            "poisson",
            model_card(self._source),
            {"file": item.name, "painted": painted is not None},
        )


def _solved(item: Item) -> Results:
    item.step = "reading the photographs"
    (folder,) = item.source.iterdir()
    ball = item.options.get("ball")
    if ball is None and find_lights(folder) is None:
        raise SolveError(
            "no lights are known: send light_directions.txt or a .lp file with the photographs, or choose a ball"
        )
    ambient, ball_mask = (_named(folder, stem) for stem in ("ambient", "ball_mask"))
    if ball is None and ball_mask is not None:
        raise SolveError(f"{ball_mask.name}: choose what the ball is like, chrome or matt")
    target = read_folder(
        folder,
        mask_file=item.painted if item.painted.is_file() else None,
        srgb=bool(item.options.get("srgb")),
        ambient=ambient,
        aside=() if ball_mask is None else (ball_mask,),
    )
    total, read = len(target.image_names), 0

    def on_image() -> None:
        nonlocal read
        read += 1
        item.step = f"photograph {read} of {total}"

    def on_step(step: str) -> None:
        item.step = step

    options = SolveOptions(ball=ball, ball_mask=ball_mask, facts={"srgb": bool(item.options.get("srgb"))})
    return solve_target(target, options, on_image, on_step).results


def paint(item: Item, painted: NDArray[np.bool_]) -> None:
    """Take a mask that was painted in the picture of the page.

    What differs from the mask that is shown counts; elsewhere the mask keeps the photo's own size and edges.

    Args:
        item: With results.
        painted: (h, w) at the size of the picture.

    Raises:
        SolveError: If it has another size or is empty.
    """
    with item.lock:
        shown, whole = (codecs.read_png(item.shown / name) > 127 for name in ("mask.png", "whole.png"))
    if painted.shape != shown.shape:
        raise SolveError(
            f"a mask of {painted.shape[1]} x {painted.shape[0]} pixels, the picture has {shown.shape[1]} x "
            f"{shown.shape[0]}"
        )
    if not painted.any():
        raise SolveError("the mask is empty; paint the object")
    size = (whole.shape[1], whole.shape[0])
    changed = _resized(painted != shown, size)
    mask = np.where(changed, _resized(painted, size), whole)
    if not mask.any():
        raise SolveError("the mask is empty; paint the object")
    # Replaced in one step, since the worker may read it now.
    _write_mask(item.folder / "new.png", mask)
    (item.folder / "new.png").replace(item.painted)


def _show(item: Item, results: Results) -> None:
    item.shown.mkdir(exist_ok=True)
    picture = Image.fromarray(np.ascontiguousarray(results.picture))
    picture.thumbnail((LONGEST_PICTURE, LONGEST_PICTURE), Image.Resampling.LANCZOS)
    data = json.dumps(pack_results(results), separators=(",", ":"))
    with item.lock:
        picture.save(item.shown / "picture.jpg", quality=QUALITY)
        _write_mask(item.shown / "mask.png", _resized(results.mask, picture.size))
        _write_mask(item.shown / "whole.png", results.mask)
        (item.shown / "object.json").write_text(data, encoding="utf-8")
        item.facts, item.notes = facts_of(results), results.notes
        item.colours = results.texture_is.capitalize()
        item.version += 1


def _write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    codecs.write_png(path, np.where(mask, np.uint8(255), np.uint8(0)))


def _resized(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask at (width, height); pixels that are covered by half and more count."""
    if mask.shape == (size[1], size[0]):
        return mask
    image = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    smaller = size[0] < mask.shape[1]
    filtered = image.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR)
    return np.asarray(filtered) > 127


def _named(folder: Path, stem: str) -> Path | None:
    return next((path for path in visible(folder.iterdir()) if path.stem.lower() == stem), None)


def _without_folder(message: str, item: Item) -> str:
    """A message about the files that were sent, without the temporary folder in which they lie."""
    for folder in (item.source, item.folder):
        message = message.replace(f"{folder}/", "").replace(str(folder), item.name)
    return message
