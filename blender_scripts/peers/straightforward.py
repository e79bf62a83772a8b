# SPDX-License-Identifier: GPL-3.0-or-later
"""A straightforward script: one `bpy.ops.render.render` per image and per light.

The whole frame each time, Blender's default denoiser, nothing kept between renders, the scene rebuilt for each object.
`python -m blender_scripts.peers.straightforward REQUEST.json`; `benchmarks.rendering.methods` writes the request.
Objects, materials and environments are built by our own modules, so that the images show the same.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import bpy
from mathutils import Matrix

from blender_scripts import objects
from blender_scripts.lights import LightRig
from blender_scripts.materials import build_material
from blender_scripts.render import place_camera
from multishade.protocol import scene
from multishade.protocol.codec import from_json


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text())
    cpu = time.process_time()
    group = from_json(scene.Group, request["group"])
    view = group.views[0]
    folder = Path(request["folder"])
    images = _render_images(group, view, request, folder)
    shading = _render_shading(group, view, request, folder)
    print("\n" + json.dumps({"cpu": time.process_time() - cpu, "images": images, "shading": shading}))


def _render_images(
    group: scene.Group, view: scene.View, request: dict[str, Any], folder: Path
) -> dict[str, float]:
    """Render four images, normal and depth with the first. Returns CPU seconds by image."""
    seconds = {}
    current = _build(group, request["threads"])
    if group.material["source"] != "own":
        material = build_material(group.material, "material")
        for item in current.objects:
            if item.type == "MESH":
                item.data.materials.clear()
                item.data.materials.append(material)
    matrix = place_camera(current, view.camera)
    for number, light in enumerate(view.lights):
        began = time.process_time()
        rig = LightRig(current, 1024)
        rig.light(light, matrix)
        _automatic_importance_map(current)
        layer = current.view_layers[0]
        layer.use_pass_normal = layer.use_pass_z = number == 0
        _write(current, folder / f"{light.field}.exr", request["samples"][light.kind])
        for lamp in [item for item in current.objects if item.type == "LIGHT"]:
            bpy.data.objects.remove(lamp)
        seconds[light.field] = time.process_time() - began
    return seconds


def _render_shading(
    group: scene.Group, view: scene.View, request: dict[str, Any], folder: Path
) -> list[float]:
    """Render the object in white under the first lights of the sequence. Returns CPU seconds by light."""
    if not request["shadings"]:
        return []
    current = _build(group, request["threads"])
    white = bpy.data.materials.new("white")
    white.use_nodes = True
    white.node_tree.nodes.clear()
    diffuse = white.node_tree.nodes.new("ShaderNodeBsdfDiffuse")
    diffuse.inputs["Color"].default_value = (1, 1, 1, 1)
    output = white.node_tree.nodes.new("ShaderNodeOutputMaterial")
    white.node_tree.links.new(diffuse.outputs[0], output.inputs["Surface"])
    for item in current.objects:
        if item.type == "MESH":
            item.data.materials.clear()
            item.data.materials.append(white)
    matrix = place_camera(current, view.camera)
    rig = LightRig(current, 1024)
    seconds = []
    for number, direction in enumerate(view.sequence.directions[: request["shadings"]]):
        began = time.process_time()
        rig.light(scene.Light("shading", "parallel", direction=direction, strength=math.pi), Matrix(matrix))
        _write(current, folder / f"shading{number}.exr", request["samples"]["shading"])
        seconds.append(time.process_time() - began)
    return seconds


def _build(group: scene.Group, threads: int) -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    objects.load(group.object)
    current = bpy.context.scene
    current.render.engine = "CYCLES"
    current.render.threads_mode, current.render.threads = "FIXED", threads
    current.render.film_transparent = True
    current.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
    current.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    return current


def _automatic_importance_map(current: bpy.types.Scene) -> None:
    """Undo the importance map that our worlds set: Blender's default is automatic."""
    if current.world is not None:
        current.world.cycles.sampling_method = "AUTOMATIC"


def _write(current: bpy.types.Scene, path: Path, samples: int) -> None:
    current.cycles.samples = samples
    current.cycles.use_denoising = True
    current.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main()
