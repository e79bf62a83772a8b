# SPDX-License-Identifier: Apache-2.0
"""A prediction or a solved object -> `Results`: the one thing that `write.py` makes files of, whatever the command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.geometry import lights
from multishade.imaging import display
from multishade.imaging.display import Picture
from multishade.inference.measures import Measures, measure
from multishade.inference.overview import prediction_overview, solved_overview
from multishade.inference.photometric import SolvedObject
from multishade.inference.prediction import PhotoPrediction
from multishade.inference.surface import Surface, integrate_normals, surface_of
from multishade.inference.view import View
from multishade.photometry.shading import lambert

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

# Of a prediction: pixels of the longer side at most, frames a second.
VIDEO_SIDE, VIDEO_RATE = 768, 6.0
# Of a solved object: one turn of the light around a ring.
RING_FRAMES, RING_RATE = 48, 16.0


@dataclass(frozen=True)
class Results:
    """What is known about one object, before it becomes files.

    Attributes:
        command: That made it.
        name: Of the photo or the object.
        normal: (H, W, 3) unit vectors, camera frame; 0 where there is none.
        mask: (H, W) bool, the object.
        confidence: (H, W), 0 to 1.
        picture: (H, W, 3) sRGB, the photo or one of the photographs.
        texture: (H, W, 3) sRGB, what the surface is painted with.
        texture_is: "photo" or "albedo".
        view: The camera.
        surface: The integrated normals, or None.
        overview: Draws everything in one picture.
        shading: Makes the frames of a video, 8-bit pictures; None without one.
        rate: Frames a second.
        albedo: (H, W, 3) linear, or None.
        measures: What the normals tell about their input, or None.
        record: Facts for record.json.
        model: Name, licence and training data, or None.
        notes: Plain sentences.
        sequence: The images under known lights, (K, h, w, 3) linear, of a part of the photo, and their (K, 3)
            directions; None of a photo.
    """

    command: str
    name: str
    normal: Float32
    mask: Bool
    confidence: Float32
    picture: Picture
    texture: Picture
    texture_is: str
    view: View
    surface: Surface | None
    overview: Callable[[], Picture]
    shading: Callable[[], list[Picture]] | None = None
    rate: float = VIDEO_RATE
    albedo: Float32 | None = None
    measures: Measures | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    sequence: tuple[Float32, NDArray[np.float64]] | None = None

    @property
    def given(self) -> Bool:
        """(H, W) where there is a normal."""
        return (self.normal != 0).any(axis=2)


def results_of_prediction(
    prediction: PhotoPrediction,
    integrator: str | None = "bilateral",
    model: Mapping[str, Any] | None = None,
    record: Mapping[str, Any] | None = None,
) -> Results:
    """Collect what a model predicts for a photo.

    Args:
        prediction: What `infer` returns.
        integrator: Of `multishade.photometry.integration.methods`; None for no surface.
        model: What `models.card.model_card` tells about the model.
        record: Further facts for record.json.
    """
    photo, normal = prediction.photo, prediction.normal
    given = (normal != 0).any(axis=2)
    surface = None if integrator is None else integrate_normals(normal, integrator, photo.view)
    measures, suspect = measure(normal, prediction.confidence, given)
    picture = np.rint(photo.pixels * 255).astype(np.uint8)
    facts = {
        "photo": photo.name,
        "mask": None if photo.mask is None else round(float(photo.mask.mean()), 6),
        "object": round(float(prediction.mask.mean()), 6),
        **(record or {}),
    }

    def shading() -> list[Picture]:
        return [display.grey_to_rgb(frame) for frame in shading_frames(prediction)]

    return Results(
        command="infer",
        name=photo.name,
        normal=normal,
        mask=prediction.mask,
        confidence=prediction.confidence,
        picture=picture,
        texture=picture,
        texture_is="photo",
        view=photo.view,
        surface=surface,
        overview=lambda: prediction_overview(prediction, surface),
        shading=None if prediction.frames is None else shading,
        measures=measures,
        record=facts,
        model=model,
        notes=(*photo.notes, *suspect),
    )


def results_of_solved(
    solved: SolvedObject,
    photograph: tuple[str, Float32],
    view: View,
    truth: Float32 | None = None,
    record: Mapping[str, Any] | None = None,
    sequence: tuple[Float32, NDArray[np.float64]] | None = None,
) -> Results:
    """Collect what images under known lights determine.

    Args:
        solved: What `solve_object` returns.
        photograph: Name and linear (H, W, 3) of the photograph that is shown.
        view: The camera.
        truth: (H, W, 3) true normals, 0 where there is none; None if they are unknown.
        record: What is known about the input and its solution, for record.json.
        sequence: As in `Results`.
    """
    facts: dict[str, Any] = dict(record or {})
    facts["determined"] = round(float(solved.determined[solved.mask].mean()), 6)
    facts.pop("notes", None)
    determined = solved.determined[solved.window]

    def shading() -> list[Picture]:
        sequence = lambert(solved.normal[solved.window], lights.ring(RING_FRAMES), determined)
        return [display.grey_to_rgb(frame, determined, display.BLACK) for frame in sequence]

    return Results(
        command="solve",
        name=str(facts.get("name", "object")),
        normal=solved.normal,
        mask=solved.mask,
        confidence=solved.confidence,
        picture=display.radiance_to_rgb(photograph[1]),
        texture=display.radiance_to_rgb(solved.albedo, solved.determined, display.BLACK),
        texture_is="albedo",
        view=view,
        surface=surface_of(solved),
        overview=lambda: solved_overview(solved, photograph, truth),
        shading=shading,
        rate=RING_RATE,
        albedo=solved.albedo,
        measures=solved.measures,
        record=facts,
        notes=(*(record or {}).get("notes", ()), *solved.notes),
        sequence=sequence,
    )


def shading_frames(prediction: PhotoPrediction, side: int = VIDEO_SIDE) -> list[Float32]:
    """Return the frames, 0 to 1, at the photo's size or smaller, so that the longer side is at most `side`."""
    import cv2

    height, width = prediction.mask.shape
    scale = min(1.0, side / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return [
        np.clip(cv2.resize(prediction.frame(k), size, interpolation=cv2.INTER_AREA), 0, 1)
        for k in range(0 if prediction.frames is None else len(prediction.frames))
    ]
