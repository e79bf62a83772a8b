# SPDX-License-Identifier: Apache-2.0
"""The fixed panel: 12 objects x materials, each one view under a parallel light, a point light and two environments."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rendering.glass import glass_glb
from multishade.assets.manifest import read_environments
from multishade.assets.schema import MaterialRow, ObjectRow
from multishade.config import Config, load_config
from multishade.procedural import materials, objects
from multishade.protocol import scene
from multishade.render import sampling
from multishade.render.plan import PlannedGroup, environment_path

CONFIG = Path("configs/multishade-fine.yaml")
LICENCE = "CC0-1.0"


@dataclasses.dataclass(frozen=True)
class Item:
    """One line of the panel. `material` None: the glass in the object's file."""

    object: str
    material: str | None
    shows: str

    @property
    def number(self) -> int:
        return PANEL.index(self)

    @property
    def name(self) -> str:
        material = self.material.split("/")[0].replace("_", " ") if self.material else "glass"
        return f"{self.object.split('/')[0]}, {material}"


PANEL = (
    Item("blob/3", "metal_polished/1", "glossy metal"),
    Item("knot/5", "metal_brushed/2", "metal with a grain"),
    Item("lathe/7", "metal_hammered/4", "metal in relief"),
    Item("csg/2", "metal_oxidised/3", "metal beside a matt layer"),
    Item("superquadric/4", "fabric/0", "fine weave"),
    Item("cloth/6", "fabric/5", "cloth in folds"),
    Item("relief/1", "stone/6", "fine texture"),
    Item("spiky/9", "wood/2", "fine texture, deep hollows"),
    Item("perforated/3", "plastic/5", "holes, light between surfaces"),
    Item("metaball/8", "skin/1", "light under the surface"),
    Item("crystal/6", "ceramic/0", "coat over colour"),
    Item("lathe/2", None, "glass"),
)


def config(overrides: list[str] | None = None) -> Config:
    """The paper's recipe in clean images."""
    return load_config(CONFIG, overrides or [])


def planned(item: Item, config: Config, folder: Path, views: range = range(1)) -> PlannedGroup:
    """Plan the item as a group; glass is written to `folder`. Cameras and lights depend on the place in the panel."""
    environments = tuple(
        row for row in read_environments(config.sources.environments[0]) if row.split == "train"
    )
    paths = [environment_path(row) for row in environments]
    towards = config.views.model_copy(update={"canonical": ("front",) * views.stop, "jitter_degrees": 40.0})
    key = f"panel-{item.number:02d}"
    seen = []
    for number in views:
        rng = np.random.default_rng([576, item.number, number])
        seed = int(rng.integers(2**31))
        camera = sampling.sample_camera(config.camera, towards, number, rng)
        distance = float(np.linalg.norm(np.asarray(camera.camera_to_world)[:3, 3]))
        lights = sampling.sample_lights(config.lights, paths, rng, distance)
        sequence = sampling.sample_sequence(config.shading, config.lights, paths, rng)
        seen.append(scene.View(f"{key}-v{number}", seed, camera, lights, sequence))
    material, spec = _material(item)
    still = scene.ObjectSource("monkey").rotation
    return PlannedGroup(
        key, 0, item.number, _object(item, folder), material, spec, still, tuple(seen), environments
    )


def _material(item: Item) -> tuple[MaterialRow | None, dict[str, Any]]:
    if item.material is None:
        return None, {"source": "own"}
    family, seed = item.material.split("/")
    row = MaterialRow(
        id=item.material.replace("/", "-"),
        source="builtin",
        location=item.material,
        licence=LICENCE,
        split="train",
        kind=materials.FAMILIES[family],
    )
    return row, {
        "source": "builtin",
        "family": family,
        "parameters": materials.sample_parameters(family, int(seed)),
    }


def _object(item: Item, folder: Path) -> ObjectRow:
    family, seed = item.object.split("/")
    what: dict[str, Any] = {"licence": LICENCE, "split": "train", "family": family}
    if item.material is not None:
        return ObjectRow(id=f"{family}-{seed}", source="builtin", location=item.object, **what)
    mesh = objects.build(family, int(seed))
    data = glass_glb(mesh.vertices, mesh.faces)
    (folder / "glass.glb").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    row = ObjectRow(id="glass", source="file", location="glass.glb", sha256=digest, **what)
    return row.with_folder(folder)
