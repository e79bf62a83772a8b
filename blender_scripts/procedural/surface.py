# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a material family: inputs of the Principled shader by name, and the relief that tilts the normal."""

from dataclasses import dataclass

from blender_scripts.procedural.graph import Scalar, Value, Vector


@dataclass(frozen=True)
class Surface:
    """`inputs` by the names of the Principled shader's sockets; the relief is the sum of both that are given:

    `height` in scene units, and `fall`, how fast a second height falls (minus its gradient, in the object's space).
    """

    inputs: dict[str, Value]
    height: Scalar | None = None
    fall: Vector | None = None
