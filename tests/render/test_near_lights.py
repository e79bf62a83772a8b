# SPDX-License-Identifier: Apache-2.0
"""A ball that Blender renders under points of light near it is solved by their positions."""

import math
from pathlib import Path

import numpy as np
import pytest
import trimesh

from multishade.config import models
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.camera import intrinsics
from multishade.geometry.lights import hemisphere
from multishade.photometry.near_light import PointLights, solve_near
from multishade.photometry.solvers.methods import solve
from multishade.protocol.scene import Group, Light, Sequence, View
from multishade.render.blender import BlenderProcess, render_views
from multishade.render.stopwatch import Stopwatch
from tests.support.scenes import ANY_FILE, DISTANCE, camera, mesh_source, settings

pytestmark = pytest.mark.blender


def test_rendered_points_of_light_are_solved_where_far_lights_fail(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=6, radius=0.5)
    # From some 0.9 from the middle of the ball, whose radius is 0.5.
    positions = 0.9 * hemisphere(9, 25) + [0, 0, -DISTANCE]
    lights = tuple(
        Light(f"image_{k}", "point", position=tuple(map(float, place)), strength=2.0)  # type: ignore[arg-type]
        for k, place in enumerate(positions)
    )
    seen_by = camera("perspective")
    view = View("s000000-g0000-v0", 11, seen_by, lights, Sequence("cast", ((0.0, 0.0, 1.0),)))
    group = Group("s000000-g0000", mesh_source(ball, tmp_path, 180.0), {"source": "own"}, (view,))
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as blender:
        (rendered,) = render_views(blender, group, settings(samples=16), Stopwatch())
    images = np.stack([rendered.images[light.field] for light in lights])
    mask, normal = rendered.mask, rendered.normal
    distance = float(rendered.depth[mask].mean())
    k = np.array(intrinsics(seen_by))
    near = solve_near(images, PointLights(positions), mask, k, distance, integrator="poisson")
    far = solve(images, near.directions, mask, method="robust")
    # Toward the rim few lights reach a pixel, and antialiasing mixes it with the background.
    inside = mask & (normal[..., 2] > math.cos(math.radians(65)))
    error = angular_error_degrees(near.solution.normal, normal)[inside]
    wrong = angular_error_degrees(far.normal, normal)[inside]
    assert np.nanmean(error) < 1.5 and np.nanmean(wrong) > 4 * np.nanmean(error)
