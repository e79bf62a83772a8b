# SPDX-License-Identifier: Apache-2.0
"""Small assets that the tests of remote sources serve, and the policy with which they are fetched."""

import trimesh

from multishade.assets.fetch.client import FetchPolicy
from multishade.assets.fetch.ingest import FetchResult
from multishade.assets.sandbox import Limits

QUICK = FetchPolicy(workers=4, attempts=2, first_wait=0.01, failures_in_a_row=3)
LIMITS = Limits(seconds=60, workers=1)


def glb(*meshes: trimesh.Trimesh) -> bytes:
    scene = trimesh.Scene()
    for number, mesh in enumerate(meshes):
        scene.add_geometry(mesh, geom_name=f"m{number}", node_name=f"n{number}")
    return bytes(scene.export(file_type="glb"))


def ball(
    radius: float = 1.0, at: tuple[float, float, float] = (0, 0, 0), subdivisions: int = 2
) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return mesh.apply_translation(at)


def reasons(result: FetchResult) -> dict[str, str]:
    return {each.name: each.reason for each in result.rejected}
