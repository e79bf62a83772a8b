# SPDX-License-Identifier: Apache-2.0
"""A family and a seed in, a closed mesh out: objects that need no file, unlimited by seed.

Every family is a room of its own (`superquadric.py`, `blob.py`, ...) with one function from a generator to a mesh.
"""

from multishade.procedural.objects.family import BLENDER_FAMILIES, FAMILIES, build
from multishade.procedural.objects.mesh import ObjectMesh

__all__ = ["BLENDER_FAMILIES", "FAMILIES", "ObjectMesh", "build"]
