# SPDX-License-Identifier: GPL-3.0-or-later
"""A light in the camera's frame -> the scene lit by it and nothing else."""

import math
import os
from collections.abc import Sequence

import bpy
from mathutils import Matrix, Vector

from multishade.protocol.scene import STUDIO, Light


class EnvironmentUnusable(Exception):
    """An environment map cannot be read."""


class LightRig:
    """The scene's lamps and worlds, reused from image to image so that Cycles updates as little as possible."""

    def __init__(self, scene: bpy.types.Scene, importance_map: int) -> None:
        """`importance_map`: pixels across the map by which Cycles samples an environment."""
        self._scene, self._importance_map = scene, importance_map
        self._lamps: dict[str, bpy.types.Object] = {}
        self._worlds: dict[str, bpy.types.World] = {}
        self._current: dict[str, tuple[float, float]] = {}  # world -> rotation and strength as last set

    def darken(self) -> None:
        """Switch all lights off, for the geometry buffers."""
        self._show_only(None)
        self._scene.world = None

    def light(self, light: Light, camera_to_world: Matrix) -> None:
        """Light the scene; directions and positions of `light` are in the frame of `camera_to_world`."""
        if light.direction is not None:
            direction = camera_to_world.to_3x3() @ Vector(light.direction)
            self._sun(direction, light.strength, light.size, light.colour)
        elif light.position is not None:
            self._point(camera_to_world @ Vector(light.position), light)
        else:
            self._show_only(None)
        world = self._world(light, light.environment) if light.environment is not None else None
        if self._scene.world != world:  # assigning the same world again would rebuild its importance map
            self._scene.world = world

    def combined(self, lights: Sequence[Light], camera_to_world: Matrix) -> None:
        """Light the scene with several parallel lights at once, and nothing else."""
        rotation = camera_to_world.to_3x3()
        for number, light in enumerate(lights):
            direction = rotation @ Vector(light.direction)
            self._sun(direction, light.strength, light.size, light.colour, f"SUN{number}")
        for number in range(len(lights)):
            self._lamps[f"SUN{number}"].hide_render = False
        self._scene.world = None

    def _sun(
        self, direction: Vector, irradiance: float, diameter_degrees: float, colour: tuple, name: str = "SUN"
    ) -> None:
        lamp = self._lamp(name, "SUN")
        lamp.rotation_mode = "QUATERNION"
        lamp.rotation_quaternion = direction.to_track_quat("Z", "Y")
        lamp.data.energy = irradiance
        lamp.data.angle = math.radians(diameter_degrees)
        lamp.data.color = colour

    def _point(self, position: Vector, light: Light) -> None:
        lamp = self._lamp("POINT", "POINT")
        lamp.location = position
        # Radiant power of an isotropic source whose irradiance at the object's centre (the origin) is the strength.
        lamp.data.energy = 4 * math.pi * position.length_squared * light.strength
        lamp.data.shadow_soft_size = light.size
        lamp.data.use_soft_falloff = False
        lamp.data.color = light.colour

    def _lamp(self, name: str, kind: str) -> bpy.types.Object:
        """The lamp of this name, which becomes the only one that is on."""
        if name not in self._lamps:
            lamp = bpy.data.objects.new(name.lower(), bpy.data.lights.new(name.lower(), kind))
            self._scene.collection.objects.link(lamp)
            self._lamps[name] = lamp
        self._show_only(name)
        return self._lamps[name]

    def _show_only(self, kind: str | None) -> None:
        for name, lamp in self._lamps.items():
            lamp.hide_render = name != kind

    def _world(self, light: Light, path: str) -> bpy.types.World:
        world = self._worlds.get(path)
        if world is None:
            world = self._worlds[path] = _build_world(path, self._importance_map)
        wanted = (light.rotation_degrees, light.environment_strength)
        if wanted != self._current.get(path):
            self._current[path] = wanted
            nodes = world.node_tree.nodes
            # Rotating the map by +a means looking it up at -a.
            nodes["Mapping"].inputs["Rotation"].default_value[2] = -math.radians(light.rotation_degrees)
            nodes["Background"].inputs["Strength"].default_value = light.environment_strength
        return world


def _resolve(path: str) -> str:
    """Replace `studio:NAME` by the path of a map that comes with Blender."""
    if not path.startswith(STUDIO):
        return path
    return os.path.join(
        bpy.utils.system_resource("DATAFILES", path="studiolights/world"), path[len(STUDIO) :]
    )


def _build_world(path: str, importance_map: int) -> bpy.types.World:
    world = bpy.data.worlds.new("environment")
    world.use_nodes = True
    # Cycles rebuilds its importance map whenever the environment rotates: a fine map costs time, a coarse one misses
    # the sun. The resolution has to be set before Cycles first uses the world.
    world.cycles.sampling_method = "MANUAL"
    world.cycles.sample_map_resolution = importance_map
    tree = world.node_tree
    tree.nodes.clear()
    try:
        image = bpy.data.images.load(_resolve(path))
    except RuntimeError as error:
        raise EnvironmentUnusable(f"{path}: cannot be loaded as an environment: {error}") from error
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    mapping = tree.nodes.new("ShaderNodeMapping")
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    background = tree.nodes.new("ShaderNodeBackground")
    output = tree.nodes.new("ShaderNodeOutputWorld")
    mapping.name, background.name = "Mapping", "Background"
    texture.image = image
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    tree.links.new(background.outputs["Background"], output.inputs["Surface"])
    return world
