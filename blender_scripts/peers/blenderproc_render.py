# SPDX-License-Identifier: GPL-3.0-or-later
"""The same images by BlenderProc 2.8, with the calls that its documentation shows.

Run by a Python that has bpy 4.2 and BlenderProc's requirements, with BlenderProc's source on the path and
USE_EXTERNAL_BPY_MODULE=1; see `benchmarks.rendering.methods`. `python blenderproc_render.py REQUEST.json`.
"""

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

REQUEST = json.loads(Path(sys.argv[1]).read_text())
sys.path.insert(0, REQUEST["blenderproc"])
os.environ["PYTHONPATH"] = REQUEST["blenderproc"]
import blenderproc as bproc  # noqa: E402  # has to be imported first; reads its own path from the environment
import numpy as np  # noqa: E402
from mathutils import Vector  # noqa: E402

sys.path.insert(0, REQUEST["repository"])
from blender_scripts.materials import build_material  # noqa: E402
from multishade.protocol import scene  # noqa: E402
from multishade.protocol.codec import from_json  # noqa: E402


def main() -> None:
    cpu = time.process_time()
    group = from_json(scene.Group, REQUEST["group"])
    view = group.views[0]
    bproc.init()
    bproc.renderer.set_cpu_threads(REQUEST["threads"])
    bproc.renderer.set_output_format("OPEN_EXR", 32, enable_transparency=True)
    # Exactly the requested samples, and Blender's default light paths: BlenderProc's own have no glossy bounce.
    bproc.renderer.set_noise_threshold(0)
    bproc.renderer.set_light_bounces(
        diffuse_bounces=4, glossy_bounces=4, max_bounces=12, transmission_bounces=12, ao_bounces_render=0
    )
    loaded = bproc.loader.load_obj(REQUEST["mesh"])
    _assign_material(loaded, group)
    camera = view.camera
    scale = camera.focal_mm / camera.sensor_mm * max(camera.width, camera.height)
    matrix = np.array([[scale, 0, camera.width / 2 - 0.5], [0, scale, camera.height / 2 - 0.5], [0, 0, 1]])
    bproc.camera.set_intrinsics_from_K_matrix(matrix, camera.width, camera.height)
    pose = np.array(camera.camera_to_world)
    bproc.camera.add_camera_pose(pose)
    bproc.renderer.enable_normals_output()
    bproc.renderer.enable_depth_output(activate_antialiasing=False)
    folder = REQUEST["folder"]
    images, shading = {}, []
    for light in view.lights:
        began = time.process_time()
        lamp = _light(light, pose)
        bproc.renderer.set_max_amount_of_samples(REQUEST["samples"][light.kind])
        data = bproc.renderer.render()
        np.save(Path(folder) / f"{light.field}.npy", np.asarray(data["colors"][0], np.float32))
        if lamp is not None:
            lamp.delete()
        images[light.field] = time.process_time() - began
    white = bproc.material.create("white")
    white.set_principled_shader_value("Base Color", [1, 1, 1, 1])
    white.set_principled_shader_value("Roughness", 1.0)
    for item in loaded:
        item.replace_materials(white)
    bproc.renderer.set_max_amount_of_samples(REQUEST["samples"]["shading"])
    for direction in view.sequence.directions[: REQUEST["shadings"]]:
        began = time.process_time()
        lamp = _light(scene.Light("shading", "parallel", direction=direction, strength=math.pi), pose)
        bproc.renderer.render()
        lamp.delete()
        shading.append(time.process_time() - began)
    result = {"cpu": time.process_time() - cpu, "images": images, "shading": shading}
    print("\n" + json.dumps(result), flush=True)
    os._exit(0)  # bpy 4.2 sometimes crashes at exit


def _assign_material(loaded: list[Any], group: scene.Group) -> None:
    if group.material["source"] == "own":
        glass = bproc.material.create("glass")
        for name, value in REQUEST["own"].items():
            glass.set_principled_shader_value(name, value)
        material = glass
    else:
        material = bproc.types.Material(build_material(group.material, "material"))
    for item in loaded:
        item.replace_materials(material)
        if REQUEST["crease_degrees"] > 0:
            item.set_shading_mode("auto", REQUEST["crease_degrees"])


def _light(light: scene.Light, pose: np.ndarray) -> Any:
    """Light the scene by this one; returns the lamp, or None for an environment."""
    rotation = pose[:3, :3]
    if light.environment is not None:
        angle = -math.radians(light.rotation_degrees)
        bproc.world.set_world_background_hdr_img(
            REQUEST["environments"][light.environment], light.environment_strength, [0, 0, angle]
        )
        return None
    bproc.renderer.set_world_background([0, 0, 0])
    lamp = bproc.types.Light()
    if light.direction is not None:
        lamp.set_type("SUN")
        towards = Vector(rotation @ np.array(light.direction))
        lamp.set_rotation_euler(list(towards.to_track_quat("Z", "Y").to_euler()))
        lamp.set_energy(light.strength)
        lamp.blender_obj.data.angle = math.radians(light.size)
    else:
        position = pose[:3, 3] + rotation @ np.array(light.position)
        lamp.set_type("POINT")
        lamp.set_location(position.tolist())
        lamp.set_energy(4 * math.pi * float(position @ position) * light.strength)
        lamp.set_radius(light.size)
    lamp.set_color(list(light.colour))
    return lamp


if __name__ == "__main__":
    main()
