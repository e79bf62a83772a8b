# SPDX-License-Identifier: Apache-2.0
"""A generator in, a turned piece out: vessels with an inner and an outer wall, chessmen, balusters, wheels."""

import numpy as np

from multishade.procedural.objects.mesh import ObjectMesh
from multishade.procedural.objects.turnery import chessman, spindle, wheel
from multishade.procedural.objects.vessel import bell, goblet, vessel

DESIGNS = (vessel, goblet, chessman, spindle, wheel, bell)
WEIGHTS = (0.4, 0.12, 0.12, 0.16, 0.1, 0.1)


def lathe(rng: np.random.Generator) -> ObjectMesh:
    """One of the turned designs, plain or with its wall fluted, faceted, lobed or twisted."""
    return DESIGNS[int(rng.choice(len(DESIGNS), p=WEIGHTS))](rng)
