# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by test_blender_materials.py in a process of its own: builds materials, renders them tiny, writes what came out.

`python material_renders.py FOLDER` reads FOLDER/maps (made by the test) and writes FOLDER/results.npz and results.json.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bpy
import numpy as np
import OpenEXR
from mathutils import Matrix, Vector

from blender_scripts.map_sets import BLEND
from blender_scripts.materials import build_material
from blender_scripts.procedural.graph import BOWL_SLOPE, LEVEL, Graph
from multishade.procedural import materials

SIDES = {
    "x+": (1, 0, 0),
    "x-": (-1, 0, 0),
    "y+": (0, 1, 0),
    "y-": (0, -1, 0),
    "z+": (0, 0, 1),
    "z-": (0, 0, -1),
}
OBLIQUE = (0.6, -1.2, 0.75)
REPEATS, HEIGHT_SCALE = 1.5, 0.05


def main(folder: Path) -> None:
    stage = Stage(folder)
    arrays: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    built_in_families(stage, arrays, facts)
    map_sets(stage, folder / "maps", arrays, facts)
    bowls(stage, arrays)
    np.savez(folder / "results.npz", **arrays)
    (folder / "results.json").write_text(json.dumps(facts))


class Stage:
    """A camera, one light, a ball, a cube and a plane; renders the object in a material."""

    def __init__(self, folder: Path) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.file = folder / "render.exr"
        self.scene = scene = bpy.context.scene
        scene.render.engine, scene.cycles.device = "CYCLES", "CPU"
        scene.render.threads_mode, scene.render.threads = "FIXED", 2
        scene.render.film_transparent = scene.render.use_persistent_data = True
        scene.render.use_compositing = False
        scene.render.filepath = str(self.file)
        scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
        scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
        scene.render.image_settings.color_depth = "32"
        scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
        scene.cycles.max_bounces = 2
        scene.view_layers[0].use_pass_normal = True
        scene.world = bpy.data.worlds.new("grey")
        background = next(node for node in scene.world.node_tree.nodes if node.type == "BACKGROUND")
        background.inputs["Color"].default_value = (0.5, 0.5, 0.5, 1.0)
        sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
        sun.data.energy = 3.0
        sun.matrix_world = Vector((0.2, -0.8, 1.0)).to_track_quat("Z", "Y").to_matrix().to_4x4()
        scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        scene.camera.data.sensor_width, scene.camera.data.lens = 32, 35
        for item in (sun, scene.camera):
            scene.collection.objects.link(item)
        bpy.ops.mesh.primitive_uv_sphere_add(radius=0.5, segments=64, ring_count=32)
        self.ball = bpy.context.object
        self.ball.data.polygons.foreach_set("use_smooth", [True] * len(self.ball.data.polygons))
        bpy.ops.mesh.primitive_cube_add(size=1 / 3**0.5)
        self.cube = bpy.context.object
        self.plane = self._plane()

    def _plane(self) -> bpy.types.Object:
        """A square that faces +z, with UVs that lie as box projection lays a map there: u along -y, v along x."""
        mesh = bpy.data.meshes.new("plane")
        mesh.from_pydata(
            [(-0.35, -0.35, 0), (0.35, -0.35, 0), (0.35, 0.35, 0), (-0.35, 0.35, 0)], [], [(0, 1, 2, 3)]
        )
        layer = mesh.uv_layers.new(name="UVMap")
        for loop, vertex in zip(layer.data, ((x.co.x, x.co.y) for x in mesh.vertices), strict=True):
            loop.uv = (-vertex[1], vertex[0])
        plane = bpy.data.objects.new("plane", mesh)
        self.scene.collection.objects.link(plane)
        return plane

    def render(
        self,
        item: bpy.types.Object,
        material: Any,
        seen_from: Any = OBLIQUE,
        size: int = 64,
        samples: int = 1,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Image (size, size, 4) and normals (size, size, 3); with one sample, at pixel centres."""
        scene = self.scene
        for other in (self.ball, self.cube, self.plane):
            other.hide_render = other is not item
        item.data.materials.clear()
        item.data.materials.append(material)
        place = Vector(seen_from)
        place *= 1.6 / place.length
        turn = place.to_track_quat("Z", "Y").to_matrix().to_4x4()
        scene.camera.matrix_world = Matrix.Translation(place) @ turn
        scene.render.resolution_x = scene.render.resolution_y = size
        scene.cycles.samples = samples
        scene.cycles.pixel_filter_type = "BOX"
        scene.cycles.filter_width = 0.01 if samples == 1 else 1.0
        bpy.ops.render.render(write_still=True)
        channels = {
            name.split(".", 1)[1]: np.array(channel.pixels, np.float32)
            for part in OpenEXR.File(str(self.file), separate_channels=True).parts
            for name, channel in part.channels.items()
        }
        image = np.stack([channels[f"Combined.{c}"] for c in "RGBA"], axis=-1)
        return image, np.stack([channels[f"Normal.{c}"] for c in "XYZ"], axis=-1)


def matt(material: bpy.types.Material) -> bpy.types.Material:
    """The same with a diffuse shader, whose normal pass is the shading normal and no blend of lobes."""
    tree = material.node_tree
    diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
    principled = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    for link in principled.inputs["Normal"].links:
        tree.links.new(link.from_socket, diffuse.inputs["Normal"])
    tree.links.new(diffuse.outputs[0], tree.get_output_node("CYCLES").inputs["Surface"])
    return material


def with_normal(make: Callable[[Graph], Any]) -> bpy.types.Material:
    """A matt material whose normal is what `make` returns."""
    material = bpy.data.materials.new("bump")
    tree = material.node_tree
    graph = Graph(tree, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    principled = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    graph.feed(principled.inputs["Normal"], make(graph))
    return matt(material)


def structure(material: bpy.types.Material) -> dict[str, Any]:
    """What other code relies on."""
    tree = material.node_tree
    shaders = [node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"]
    output = tree.get_output_node("CYCLES")
    normal, coat, alpha = (
        [link.from_socket.as_pointer() for link in shaders[0].inputs[name].links]
        for name in ("Normal", "Coat Normal", "Alpha")
    )
    step = shaders[0].inputs["Alpha"].links[0].from_node.operation if alpha else None
    return {
        "principled shaders": len(shaders),
        "other shaders": sum(bool(n.outputs) and n.outputs[0].type == "SHADER" for n in tree.nodes)
        - len(shaders),
        "surface is principled": output.inputs["Surface"].links[0].from_node.type == "BSDF_PRINCIPLED",
        "displaced": output.inputs["Displacement"].is_linked,
        "normal linked": bool(normal),
        "coat normal is normal": coat == normal,
        "alpha": step,
        "emission": shaders[0].inputs["Emission Strength"].default_value,
    }


def built_in_families(stage: Stage, arrays: dict[str, Any], facts: dict[str, Any]) -> None:
    arrays["smooth"] = stage.render(stage.ball, bpy.data.materials.new("smooth"), size=192)[1]
    for family in materials.FAMILIES:
        for seed in (1, 2):
            spec = {
                "source": "builtin",
                "family": family,
                "parameters": materials.sample_parameters(family, seed),
            }
            material = build_material(spec, family)
            facts[f"structure {family} {seed}"] = structure(material)
            arrays[f"image {family} {seed}"] = stage.render(stage.ball, material, samples=4)[0]
        matt(material)
        arrays[f"coarse {family}"] = stage.render(stage.ball, material, size=64)[1]
        arrays[f"fine {family}"] = stage.render(stage.ball, material, size=192)[1]


def map_sets(stage: Stage, maps: Path, arrays: dict[str, Any], facts: dict[str, Any]) -> None:
    def spec(
        projection: str = "box", convention: str = "opengl", repeats: float = REPEATS, **files: str
    ) -> dict:
        return {
            "source": "maps",
            "kind": "non-metallic",
            "maps": {name: str(maps / file) for name, file in ({"base_color": "grey.png"} | files).items()},
            "normal_convention": convention,
            "projection": projection,
            "repeats": repeats,
            "height_scale": HEIGHT_SCALE,
        }

    def normals(item: bpy.types.Object, seen_from: Any, size: int = 64, **choices: Any) -> np.ndarray:
        return stage.render(item, matt(build_material(spec(**choices), "maps")), seen_from, size)[1]

    bumped = with_normal(lambda graph: _cycles_box_bump(graph, maps / "height.exr"))
    for side, direction in SIDES.items():
        # Not quite along the axis, or the camera's up would be undefined.
        seen_from = np.array(direction) + (0.02, 0.03, 0.01)
        arrays[f"bump {side}"] = stage.render(stage.cube, bumped, seen_from)[1]
        arrays[f"height {side}"] = normals(stage.cube, seen_from, height="height.exr")
        for convention in ("opengl", "directx"):
            key = f"{convention} {side}"
            arrays[key] = normals(stage.cube, seen_from, convention=convention, normal=f"{convention}.png")
    arrays["bump ball"] = stage.render(stage.ball, bumped, size=128)[1]
    arrays["opengl ball"] = normals(stage.ball, OBLIQUE, 128, normal="opengl.png")
    above = (0.02, 0.03, 1.0)
    for convention in ("opengl", "directx"):
        for projection in ("uv", "box"):
            arrays[f"{projection} {convention}"] = normals(
                stage.plane, above, projection=projection, convention=convention, normal=f"{convention}.png"
            )
    arrays["uv height"] = normals(stage.plane, above, projection="uv", height="height.exr")
    for files in ({"base_color": "stripes_wide.png"}, {"base_color": "stripes_square.png"}):
        key = files["base_color"]
        arrays[key] = stage.render(stage.cube, build_material(spec(repeats=1.0, **files), key), samples=4)[0]
    holed = build_material(spec(opacity="checker.png"), "holed")
    facts["structure holed"] = structure(holed)
    arrays["holed"] = stage.render(stage.plane, holed, above, samples=1)[0]
    arrays["whole"] = stage.render(stage.plane, build_material(spec(), "whole"), above, samples=1)[0]
    for repeats in (1.0, 40.0):  # 40: the maps are averaged down when they are loaded
        for file in sorted(path.name for path in maps.glob("mid.*")):
            material = build_material(spec(base_color=file, repeats=repeats), file)
            arrays[f"{repeats:.0f} {file}"] = stage.render(stage.plane, material, above)[0]
    for name, change in {
        "missing": {"base_color": "nowhere.png"},
        "torn": {"base_color": "torn.png"},
        "unknown map": {"gloss": "grey.png"},
        "convention": {"convention": "vulkan"},
        "repeats": {"repeats": 0.0},
    }.items():
        facts[f"error {name}"] = _error({**spec(**change)})  # type: ignore[arg-type]
    facts["error source"] = _error({"source": "scanned"})
    facts["error family"] = _error({"source": "builtin", "family": "velvet", "parameters": {}})


def _cycles_box_bump(graph: Graph, path: Path) -> Any:
    """Cycles' own box projection of the height map, bumped: knows nothing of how `map_sets` turns normals."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    node = graph.node("ShaderNodeTexImage", image=image, projection="BOX", projection_blend=BLEND)
    node.interpolation = "Cubic"
    graph.feed(node.inputs["Vector"], graph.object_position * REPEATS)
    height = graph.math("MULTIPLY", 1.0, HEIGHT_SCALE)
    graph.tree.links.new(node.outputs["Color"], height.socket.node.inputs[0])
    return graph.bump(height)


def _error(spec: dict[str, Any]) -> str:
    try:
        build_material(spec, "wrong")
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def bowls(stage: Stage, arrays: dict[str, Any]) -> None:
    """The closed form of a bowl's slope, and Cycles' bump of the same bowl."""
    size, slope = 0.12, 0.3

    def bumped(graph: Graph) -> Any:
        distance, _ = graph.cells(graph.position, size)
        return graph.bump(distance.ramp(0.0, LEVEL) * (slope * size / BOWL_SLOPE))

    exact = with_normal(lambda graph: graph.tilted(graph.bowls(size, slope)[0]))
    arrays["bowls exact"] = stage.render(stage.ball, exact, size=128)[1]
    arrays["bowls bumped"] = stage.render(stage.ball, with_normal(bumped), size=128)[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
