# SPDX-License-Identifier: Apache-2.0
"""RoSE: one photo -> a sequence of shading images under known lights -> normals.

from multishade.models.rose import RoSE
RoSE.from_pretrained("out/rose-tiny/model").infer("photo.jpg").normal
"""

from multishade.models.rose.model import RoSE
from multishade.models.rose.settings import RoseSettings, Sampling

__all__ = ["RoSE", "RoseSettings", "Sampling"]
