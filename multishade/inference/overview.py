# SPDX-License-Identifier: Apache-2.0
"""A prediction or a solved object -> one picture that shows all of it: maps, shading, surface and error."""

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.boxes import bounding_window
from multishade.imaging import display, panels
from multishade.imaging.clay import render_clay
from multishade.imaging.display import Picture
from multishade.inference.photometric import SolvedObject
from multishade.inference.prediction import PhotoPrediction
from multishade.inference.surface import Surface

Float32 = NDArray[np.float32]
Captioned = tuple[str, Picture]

PANEL_HEIGHT = 300
TURN_DEGREES = 35.0


def prediction_overview(prediction: PhotoPrediction, surface: Surface | None) -> Picture:
    """Photo, normals, confidence, three of the shading frames, the surface from the front and turned."""
    given = (prediction.normal != 0).any(axis=2)
    window = bounding_window(given, margin=8)
    mask = given[window]
    first: list[Captioned] = [
        ("photo", np.rint(prediction.photo.pixels[window] * 255).astype(np.uint8)),
        ("normals", _with_ball(display.normal_to_rgb(prediction.normal[window], mask))),
        ("confidence", display.grey_to_rgb(prediction.confidence[window], mask)),
    ]
    second: list[Captioned] = []
    if prediction.frames is not None:
        count = len(prediction.frames)
        for k in (0, round(count / 3), round(2 * count / 3)):
            shading = display.grey_to_rgb(prediction.frame(k)[window], mask)
            second.append((f"shading {k + 1} of {count}", shading))
    if surface is not None:
        points, inside = surface.points(), np.isfinite(surface.depth)
        for caption, turn in (("surface", 0.0), (_turned_caption("surface"), TURN_DEGREES)):
            clay = render_clay(points, surface.normal, inside, PANEL_HEIGHT, turn)
            (second if prediction.frames is None else first).append((caption, clay))
    return _in_rows([first, second])


def solved_overview(
    solved: SolvedObject, photograph: tuple[str, Float32], truth: Float32 | None = None
) -> Picture:
    """A photograph, normals, albedo, confidence, the surface, and the error if the truth is known.

    photograph: name and linear (H, W, 3). truth: (H, W, 3) true normals, 0 where there is none.
    """
    window = solved.window
    determined = solved.determined[window]
    name, image = photograph
    first: list[Captioned] = [
        (f"photograph {name}", display.radiance_to_rgb(image[window], solved.mask[window])),
        ("normals", _with_ball(display.normal_to_rgb(solved.normal[window], determined))),
        ("albedo", display.radiance_to_rgb(solved.albedo[window], determined)),
        ("confidence", display.grey_to_rgb(solved.confidence[window], determined)),
    ]
    second: list[Captioned] = []
    if solved.depth is not None:
        inside = determined & np.isfinite(solved.depth)
        clay = render_clay(solved.points(), solved.normal[window], inside, PANEL_HEIGHT, TURN_DEGREES)
        second.append(("depth, near is bright", display.depth_to_rgb(solved.depth, determined)))
        second.append((_turned_caption("surface"), clay))
    if truth is None:
        return _in_rows([first, second])
    scored = (solved.mask & (truth != 0).any(axis=2))[window]
    error = solved.error(truth)[window]
    second.append(("true normals", _with_ball(display.normal_to_rgb(truth[window], scored))))
    second.append((f"error, mean {np.nanmean(error):.2f}°", display.error_to_rgb(error, scored)))
    second.append(("", panels.colour_bar(PANEL_HEIGHT)))
    return _in_rows([first, second])


def _with_ball(normals: Picture) -> Picture:
    """A picture of normals and beside it the ball that explains its colours."""
    sized = display.fit_height(normals, PANEL_HEIGHT)
    return np.concatenate([sized, panels.normal_legend(len(sized))], axis=1)


def _turned_caption(name: str) -> str:
    return f"{name}, turned {TURN_DEGREES:g}°"


def _in_rows(rows: list[list[Captioned]]) -> Picture:
    filled = [row for row in rows if row]
    return panels.tile(
        [[display.fit_height(picture, PANEL_HEIGHT) for _, picture in row] for row in filled],
        [[caption for caption, _ in row] for row in filled],
    )
