# SPDX-License-Identifier: GPL-3.0-or-later
"""What a family hands back: the inputs of the Principled shader by name, and the height that tilts the normal."""

from dataclasses import dataclass, field

from .graph import Scalar, Value


@dataclass(frozen=True)
class Surface:
    """`inputs` by the names of the Principled shader's sockets; `height` in scene units, None for a smooth surface."""

    inputs: dict[str, Value] = field(default_factory=dict)
    height: Scalar | None = None
