# SPDX-License-Identifier: Apache-2.0
"""What a benchmark reader hands out: one object, its photographs (loaded when asked for), lights and truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from multishade.errors import EvaluationError
from multishade.geometry.boxes import Window
from multishade.geometry.camera import crop_intrinsics
from multishade.photometry.solvers.observations import GREY_WEIGHTS

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

RGB = "rgb"
GREYS = tuple(GREY_WEIGHTS)


@dataclass(frozen=True)
class NearLights:
    """LEDs close to the object, in our camera frame. Lengths in the benchmark's unit (LUCES: millimetres).

    positions, axes (unit, the way the LED points): (K, 3); power: (K, 3) RGB; falloff: (K,) exponent of the
    cosine to the axis. axes, falloff: None for lights that shine equally in all directions. distance: mean, of the
    object from the camera, if it is stated.
    """

    positions: Float64
    axes: Float64 | None
    power: Float64
    falloff: Float64 | None
    distance: float | None = None


@dataclass(frozen=True)
class BenchmarkObject:
    """One object (or one image) of a benchmark, in our camera frame: +x right, +y up, +z toward the camera.

    `load_image(k)` gives photograph k as (H, W, 3) float32, linear, as stored; `image` and `images` divide it
    by the light's RGB intensity, which is what the solvers expect. `directions` (K, 3), `light_intensities`
    (K, 3). `mask` (H, W) bool; `normal` (H, W, 3), zero where there is no truth; `depth` (H, W) along the
    camera's axis; `camera` (3, 3) in pixels with the origin at the outer corner of the top-left pixel, None
    for an orthographic view. `inputs` name what a single-image method takes: by default the photographs.
    `notes` say what a reader should know about this object's data, in plain sentences. `view` tells apart
    several samples of one object; statistics take the object, by its `name`, as the unit. `clipped(k)` gives
    (H, W, 3), which channels of photograph k are at the limit of its file and so measure nothing, or None.
    """

    name: str
    benchmark: str
    mask: NDArray[np.bool_]
    image_names: tuple[str, ...] = ()
    load_image: Callable[[int], Float32] | None = None
    directions: Float64 | None = None
    light_intensities: Float64 | None = None
    normal: Float32 | None = None
    depth: Float32 | None = None
    camera: Float64 | None = None
    orthographic: bool = False
    near_lights: NearLights | None = None
    input_names: tuple[str, ...] = ()
    load_input: Callable[[int], Float32] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    view: str = ""
    clipped: Callable[[int], NDArray[np.bool_] | None] | None = None

    @property
    def relative_path(self) -> str:
        """Path without suffix of files about this object: its name, and that of its view if an object has several."""
        return f"{self.name}/{self.view}" if self.view else self.name

    @property
    def scored(self) -> NDArray[np.bool_]:
        """(H, W) bool: inside the mask and with a true normal. The pixels that every metric is taken over."""
        return self.mask & (self.true_normal != 0).any(axis=2)

    @property
    def true_normal(self) -> Float32:
        if self.normal is None:
            raise EvaluationError(
                f"{self.benchmark}/{self.name}: no ground-truth normals; nothing can be measured. "
                "Give their folder with --truth if "
                "you have them, or use `multishade solve`"
            )
        return self.normal

    def image(self, index: int) -> Float32:
        """Photograph `index`, divided by its light's RGB intensity: (H, W, 3) float32."""
        if self.load_image is None:
            raise EvaluationError(
                f"{self.benchmark}/{self.name}: this benchmark has no images under known lights"
            )
        loaded = self.load_image(index)
        if loaded.shape[:2] != self.mask.shape:
            raise EvaluationError(
                f"{self.benchmark}/{self.name}: image {self.image_names[index]} is {loaded.shape[1]} "
                f"x {loaded.shape[0]} pixels, the "
                f"mask {self.mask.shape[1]} x {self.mask.shape[0]}"
            )
        if self.light_intensities is None:
            return loaded
        return loaded / self.light_intensities[index].astype(np.float32)

    def images(
        self, grey: str = RGB, window: Window | None = None, indices: Sequence[int] | None = None
    ) -> Float32:
        """All photographs, divided by their lights' intensities, (K, H, W, 3), or (K, H, W) in grey.

        grey: "rgb", or how RGB becomes one number, a key of photometry's GREY_WEIGHTS.
        window: the part to keep, rows and columns, such as `bounding_window` returns. Images are converted and cut
        one at a time, so that a grey crop never needs the memory of the colour frames.
        """
        return self.measurements(grey, window, indices)[0]

    def measurements(
        self,
        grey: str = RGB,
        window: Window | None = None,
        indices: Sequence[int] | None = None,
        on_image: Callable[[], object] = lambda: None,
    ) -> tuple[Float32, NDArray[np.bool_] | None]:
        """`images`, and where they measure something: False where a value is clipped; None if none is.

        In grey it is (K, H, W), False where any channel is clipped; in RGB (K, H, W, 3).

        on_image: called after each photograph.
        """
        if grey not in (*GREYS, RGB):
            raise EvaluationError(f"grey {grey!r}: expected one of {', '.join((*GREYS, RGB))}")
        chosen = range(len(self.image_names)) if indices is None else indices
        if len(chosen) == 0:
            raise EvaluationError(f"{self.benchmark}/{self.name}: no images under known lights")
        part = window or (slice(None), slice(None))
        height, width = self.mask[part].shape
        stack = np.empty((len(chosen), height, width, 3)[: 4 if grey == RGB else 3], np.float32)
        measured: NDArray[np.bool_] | None = None
        for number, index in enumerate(chosen):
            cut = self.image(index)[part]
            stack[number] = cut if grey == RGB else cut @ np.asarray(GREY_WEIGHTS[grey], np.float32)
            at_limit = None if self.clipped is None else self.clipped(index)
            if at_limit is not None and at_limit[part].any():
                if measured is None:
                    measured = np.ones(stack.shape, bool)
                measured[number] = ~(at_limit[part] if grey == RGB else at_limit[part].any(axis=2))
            on_image()
        return stack, measured

    def camera_of(self, window: Window) -> Float64 | None:
        """The camera matrix of the frame cut to `window`, whose principal point the cut moves; None if orthographic."""
        if self.camera is None or self.orthographic:
            return None
        return crop_intrinsics(self.camera, window)

    def input(self, index: int) -> Float32:
        """Single-image input `index`: (H, W, 3) float32, linear, as stored."""
        load = self.load_input if self.input_names else self.load_image
        if load is None:
            raise EvaluationError(f"{self.benchmark}/{self.name}: no input images")
        return load(index)

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.input_names or self.image_names
