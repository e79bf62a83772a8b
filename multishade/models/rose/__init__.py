# SPDX-License-Identifier: Apache-2.0
"""RoSE: one photo -> a sequence of shading images under known lights -> normals.

`multishade.models.load_model` loads it, `multishade.infer` runs it on a photo.
"""

from multishade.models.rose.model import RoSE
from multishade.models.rose.settings import RoseSettings, Sampling

__all__ = ["RoSE", "RoseSettings", "Sampling"]
