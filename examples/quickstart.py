# SPDX-License-Identifier: Apache-2.0
"""The whole idea: render one object, read its sample, solve its shading for normals, and make a mesh of them.

    python examples/quickstart.py [FOLDER]

It needs no assets, no GPU and about half a minute. Each name of `multishade` is described in docs/api.md.
"""

import sys
from pathlib import Path

import numpy as np

import multishade

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data/quickstart")

# A recipe by its name, and what differs from it.
changes = ["shards.count=1", "shards.groups=1", "views.count=1", "camera.type=orthographic"]
config = multishade.load_config("demo", changes)
multishade.render(multishade.make_plan(config), folder)

samples = multishade.Dataset(folder)
sample = next(iter(samples.values()))
directions = np.array(sample.info.shading.directions)  # (9, 3), camera frame
# Each light gives one equation for the three unknowns of a normal, unless the surface is in shadow there.
solution = multishade.solve(sample.shading, directions, sample.mask, method="relu")

cosine = np.sum(solution.normal * sample.normal, axis=-1)[sample.mask & solution.determined]
print(f"{sample.key}: mean angular error {np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean():.2f} degrees")

surface = multishade.integrate(solution.normal, sample.mask, method="bilateral")
multishade.mesh_from_depth(surface.depth, sample.mask).export(folder / "surface.ply")
print(f"surface: {folder / 'surface.ply'}")
