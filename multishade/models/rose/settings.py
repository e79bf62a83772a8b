# SPDX-License-Identifier: Apache-2.0
"""What a RoSE model was trained to do, and how it is run: `rose.json` beside its weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ModelError
from multishade.geometry import lights

FORMAT = 1
FILE_NAME = "rose.json"
Process = Literal["diffusion", "one_step"]
Target = Literal["shading", "normal"]
Photo = Literal["grey", "rgb"]
LightAngles = Literal["constant", "lights"]
Guidance = Literal["triangle", "constant"]


@dataclass(frozen=True)
class Sampling:
    """How diffusion is run. The defaults are the paper's.

    steps: Euler steps. guidance: a triangle over the frames between the two scales, or `max_guidance` for all; 1 is
    no guidance and halves the work. noise_augmentation: standard deviation of the noise put on the photo (-1 to 1).
    """

    steps: int = 25
    guidance: Guidance = "triangle"
    min_guidance: float = 1.0
    max_guidance: float = 2.5
    noise_augmentation: float = 1e-5

    def __post_init__(self) -> None:
        _require_one_of("guidance", self.guidance, Guidance)
        if not (1 <= self.steps <= 1000 and self.noise_augmentation >= 0):
            raise ModelError(
                f"steps {self.steps}: expected 1 to 1000; noise_augmentation must not be negative"
            )


@dataclass(frozen=True)
class RoseSettings:
    """One model. The defaults are the published model's.

    lights: K, on a ring at `elevation_degrees`. process: sampled from noise, or one call of the network. target: what
    it makes, K shading frames or one normal map ("direct"). photo: what it sees, the mean of the channels or all three.
    light_angles: what the network is told of a frame's light: nothing (its place in the sequence must do, as in the
    paper) or its angles, in the places where SV3D has the camera's. size: pixels a side that it was trained at.
    base: where the VAE, CLIP and scheduler are, when they are not in the same folder.
    """

    lights: int = 9
    elevation_degrees: float = 45.0
    process: Process = "diffusion"
    target: Target = "shading"
    photo: Photo = "grey"
    light_angles: LightAngles = "constant"
    size: int = 576
    base: str | None = None
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        for name, kind in (
            ("process", Process),
            ("target", Target),
            ("photo", Photo),
            ("light_angles", LightAngles),
        ):
            _require_one_of(name, getattr(self, name), kind)
        if not 3 <= self.lights <= 256:
            raise ModelError(f"lights {self.lights}: expected 3 to 256, since a normal needs three")
        if self.size < 8:
            raise ModelError(f"size {self.size}: expected 8 pixels or more")

    @property
    def directions(self) -> NDArray[np.float64]:
        """(K, 3) unit vectors toward the lights, camera frame."""
        return lights.ring(self.lights, self.elevation_degrees)

    @property
    def frames(self) -> int:
        """Frames of the sequence that the network makes: K shadings, or one normal map."""
        return self.lights if self.target == "shading" else 1

    def as_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}


def settings_from_json(content: Mapping[str, Any], source: str) -> RoseSettings:
    """The content of rose.json -> settings. Raises ModelError, naming `source`, for what this version cannot read."""
    if content.get("format") != FORMAT:
        raise ModelError(
            f"{source}: format {content.get('format')!r}; this version of multishade reads format {FORMAT}"
        )
    values = {name: value for name, value in content.items() if name != "format"}
    sampling = values.pop("sampling", {})
    for kind, given in ((RoseSettings, values), (Sampling, sampling)):
        unknown = sorted(set(given) - {entry.name for entry in fields(kind)})
        if unknown:
            raise ModelError(
                f"{source}: unknown {', '.join(unknown)}; it was written by a newer version of multishade"
            )
    try:
        return RoseSettings(**values, sampling=Sampling(**sampling))
    except (TypeError, ModelError) as error:
        raise ModelError(f"{source}: {error}") from error


def _require_one_of(name: str, value: str, kind: Any) -> None:
    if value not in get_args(kind):
        raise ModelError(f"{name} {value!r}: expected one of {', '.join(get_args(kind))}")
