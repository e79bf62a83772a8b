# SPDX-License-Identifier: Apache-2.0
"""Which UVs can carry a material: measured in Blender on planes whose UVs are known."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.blender

SCRIPT = """
import json, sys
import bpy
from blender_scripts import objects, uv
from multishade.protocol.scene import ObjectSource
results = {}
for path in sys.argv[1:]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    results[path] = uv.density(objects.load(ObjectSource("arrays", path)).objects)
print("RESULT" + json.dumps(results))
"""


def test_density_of_good_uvs_and_refusal_of_bad_ones(tmp_path: Path) -> None:
    steps = np.linspace(-1, 1, 9)
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    corner = (np.arange(8)[:, None] * 9 + np.arange(8)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 10], 1), np.stack([corner, corner + 10, corner + 9], 1)]
    )
    place = np.stack([x, y], axis=-1)
    size = 0.5 / np.sqrt(2)  # half the side, once the corners lie on the sphere of radius 0.5
    turned = place @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    layouts = {
        "even": (place, 1 / size),
        "turned": (3 * turned, 3 / size),
        "mirrored": (place * (-1, 1), 1 / size),
        "none": (None, None),
        "collapsed": (0 * place, None),
        "drawn out": (place * (10, 1), None),
        "uneven": (np.sign(place) * place**4, None),
        "not finite": (np.where(np.arange(len(place))[:, None] == 3, np.nan, place), None),
    }
    vertices = np.stack([x, y, 0 * x], axis=-1)
    for name, (uv, _) in layouts.items():
        arrays = {} if uv is None else {"uv": uv[faces]}
        np.savez(tmp_path / f"{name}.npz", vertices=vertices, faces=faces, crease_degrees=0.0, **arrays)
    paths = [str(tmp_path / f"{name}.npz") for name in layouts]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *paths], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    results = json.loads(line.removeprefix("RESULT"))
    for path, (name, (_, expected)) in zip(paths, layouts.items(), strict=True):
        assert results[path] == (None if expected is None else pytest.approx(expected, rel=1e-3)), name
