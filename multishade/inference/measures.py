# SPDX-License-Identifier: Apache-2.0
"""Normals that were solved or predicted, and their lights -> numbers and notes by which a wrong input shows itself.

Lights in another frame, photographs in another order or clipped values give normals that look finished. Their curl, the
share that faces away, and the condition of the lights tell without any ground truth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.lights import condition, largest_gap_degrees

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

# Normals farther than this from the view axis (cosine) have slopes too steep to be differentiated.
LEAST_FACING = 0.2
# A note is written above these: share facing away, condition of the lights, curl, and its quotient after the axes are
# changed.
MANY_FACING_AWAY, POOR_CONDITION, LARGE_CURL, MUCH_SMALLER = 0.01, 20.0, 0.05, 0.6
# Curl above and mean confidence below which photographs seem to be paired with other lights than their own.
NO_SURFACE, NO_FIT = 0.3, 0.3
FEW_SQUARES = 50
ONE_SIDE = 185.0  # degrees without a light; evenly spread ones leave at most 180
_AXES = {
    "-y": "x,-y,z: y points down in the file of lights, or x to the left",
    "swapped": "y,x,z: x and y are exchanged in the file of lights",
    "turned": "y,-x,z: the lights, or the photographs, are turned by a quarter",
}


@dataclass(frozen=True)
class Measures:
    """What normals and lights tell about their input.

    Attributes:
        facing_away: Share of the normals with z <= 0.
        mean_confidence: Over the pixels with a normal.
        curl: 0 for normals of a surface to 1: sum |dp/dy - dq/dx| / sum (|dp/dy| + |dq/dx|), p and q the slopes. None
            for too few pixels.
        clipped: Share of the values on the object that are at their format's limit, and left out; None for a photo.
        lights_condition: Largest over smallest singular value of the directions; None for a photo.
        lights_gap: Largest angle around the view axis without a light, degrees; None for a photo.
    """

    facing_away: float
    mean_confidence: float
    curl: float | None
    clipped: float | None = None
    lights_condition: float | None = None
    lights_gap: float | None = None

    def summary(self) -> str:
        """One line of all of them."""
        parts = [f"{100 * self.facing_away:.1f} % of the normals face away"]
        if self.clipped is not None:
            parts.append(f"{100 * self.clipped:.1f} % of the values clipped")
        parts.append(f"mean confidence {self.mean_confidence:.2f}")
        parts.append("curl unknown" if self.curl is None else f"curl {self.curl:.2f}")
        if self.lights_condition is not None:
            parts.append(f"condition of the lights {self.lights_condition:.1f}")
        return ", ".join(parts)

    def as_json(self) -> dict[str, float | None]:
        """The numbers for a record, rounded; an infinite condition as None."""
        values = vars(self)
        return {
            name: None if value is None or not np.isfinite(value) else round(float(value), 6)
            for name, value in values.items()
        }


def measure(
    normal: Float32,
    confidence: Float32,
    given: Bool,
    directions: Float64 | None = None,
    measured: Bool | None = None,
    mask: Bool | None = None,
) -> tuple[Measures, tuple[str, ...]]:
    """Measure normals.

    Args:
        normal: (H, W, 3) unit vectors, camera frame.
        confidence: (H, W).
        given: (H, W) bool, where there is a normal.
        directions: (K, 3) unit vectors toward the lights; None for a photo.
        measured: (K, h, w) or (K, h, w, 3), False where a value is clipped; None: none is.
        mask: (h, w) the object in `measured`.

    Returns:
        The measures, and plain sentences about those that are suspect.
    """
    away = float((normal[given][:, 2] <= 0).mean()) if given.any() else 0.0
    curls = curl_by_axes(normal, given)
    curl = None if curls is None else curls[""]
    share = None if directions is None else 0.0
    if measured is not None:
        assert mask is not None
        share = float((~measured[:, mask]).mean()) if mask.any() else 0.0
    measures = Measures(
        facing_away=away,
        mean_confidence=float(confidence[given].mean()) if given.any() else 0.0,
        curl=curl,
        clipped=share,
        lights_condition=None if directions is None else condition(directions),
        lights_gap=None if directions is None else largest_gap_degrees(directions),
    )
    return measures, _notes(measures, curls)


def curl_by_axes(normal: Float32, given: Bool) -> dict[str, float] | None:
    """The curl, 0 to 1, as given ("") and after the axes of the image plane are changed; None for too few pixels.

    Keys: "-y" y turned around (x turned around has the same curl), "swapped" x and y exchanged, "turned" both.
    """
    usable = given & (normal[..., 2] > LEAST_FACING)
    square = usable[:-1, :-1] & usable[:-1, 1:] & usable[1:, :-1] & usable[1:, 1:]
    if int(square.sum()) < FEW_SQUARES:
        return None
    facing = np.where(usable, normal[..., 2], 1).astype(np.float64)
    p, q = (-normal[..., axis] / facing for axis in (0, 1))

    def along(slope: Float64) -> tuple[Float64, Float64]:
        """Derivatives to the right and up at the corners that four pixels share."""
        right = slope[:-1, 1:] + slope[1:, 1:] - slope[:-1, :-1] - slope[1:, :-1]
        up = slope[:-1, :-1] + slope[:-1, 1:] - slope[1:, :-1] - slope[1:, 1:]
        return right[square], up[square]

    (p_x, p_y), (q_x, q_y) = along(p), along(q)

    def ratio(first: Float64, second: Float64) -> float:
        size = float((np.abs(first) + np.abs(second)).sum())
        return float(np.abs(first - second).sum()) / size if size > 1e-9 else 0.0

    return {
        "": ratio(p_y, q_x),
        "-y": ratio(p_y, -q_x),
        "swapped": ratio(q_y, p_x),
        "turned": ratio(q_y, -p_x),
    }


def _notes(measures: Measures, curls: dict[str, float] | None) -> tuple[str, ...]:
    notes = []
    if measures.facing_away > MANY_FACING_AWAY:
        notes.append(
            f"{100 * measures.facing_away:.1f} % of the normals face away from the camera, which nothing that is seen "
            "does: check the frame of the lights (x right, y up, z toward the camera) and the mask."
        )
    if measures.clipped is not None and measures.clipped > 0:
        notes.append(
            f"{100 * measures.clipped:.2g} % of the values on the object are clipped (at the limit of the file) and "
            "left out: expose less."
        )
    if measures.lights_condition is not None and measures.lights_condition > POOR_CONDITION:
        notes.append(
            f"The lights lie nearly in one plane or close together (condition {measures.lights_condition:.0f}): small "
            "errors of the photographs become large errors of the normals."
        )
    if measures.lights_gap is not None and measures.lights_gap > ONE_SIDE:
        assert measures.lights_condition is not None
        notes.append(
            f"All lights are on one side: none over {measures.lights_gap:.0f} degrees around the view axis (condition "
            f"{measures.lights_condition:.1f}). What faces away from them is in shadow and rests on few values."
        )
    if curls is not None and curls[""] > LARGE_CURL and measures.lights_condition is not None:
        best = min(_AXES, key=lambda name: curls[name])
        if curls[best] < MUCH_SMALLER * curls[""]:
            notes.append(
                f"The normals fit no surface (curl {curls['']:.2f}), but would with other axes (curl {curls[best]:.2f} "
                f"for {_AXES[best]}). Here x points right, y up and z toward the camera."
            )
        elif curls[""] > NO_SURFACE and measures.mean_confidence < NO_FIT:
            notes.append(
                f"The photographs do not fit their lights (mean confidence {measures.mean_confidence:.2f}), nor the "
                f"normals a surface (curl {curls['']:.2f}): check which photograph belongs to which light."
            )
    return tuple(notes)
