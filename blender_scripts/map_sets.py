# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of PBR maps (files) -> nodes that feed the Principled shader, by the object's UVs or by box projection.

Box projection needs no UVs: each of the six sides of a box around the object shows the maps unmirrored, blended between
neighbouring sides. Cycles has it for colours; for normals it is built here. A tangent-space
normal (x, y, z) is read as slopes: going along the map's u the height falls by x/z, going along v by y/z. The slopes
of the three projections, turned into object space and blended, tilt the surface's own normal as a bump of the height
would (surface gradients: Mikkelsen, "Surface Gradient-Based Bump Mapping Framework", JCGT 2020).
"""

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender_scripts.procedural.graph import Graph, Scalar, Vector

BLEND = 0.25  # how far projections overlap, from 0 (a hard edge where the surface is diagonal) to 1
FINEST_TEXEL = (
    0.0015  # scene units, about half a pixel at 576 x 576: finer detail would only alias in the ground truth
)
FLATTEST_Z = 0.1  # a tangent-space normal with less z than this is compression noise, not a slope
OCCLUSION = (
    0.5  # share of the occlusion map that darkens the colour; light transport computes part of it anyway
)
SMOOTHEST = 0.05  # least roughness: a point light is invisible in a perfect mirror
SCENE_LINEAR_FILES = (".exr", ".hdr")
WEIGHTS = "box projection weights"
MAPS = ("base_color", "roughness", "metallic", "normal", "height", "ao", "opacity")


class MapUnusable(ValueError):
    """The file of a map is missing or not an image."""


def build_map_set(tree: bpy.types.NodeTree, shader: bpy.types.Node, spec: dict[str, Any]) -> None:
    """Feed `shader` from `spec`:

    `kind` "metallic" or "non-metallic": used if there is no metallic map; `maps` name -> absolute path, of
    which only `base_color` is required; `normal_convention` "opengl" (green points up the map) or "directx" (down);
    `projection` "box" or "uv"; `repeats` of the map's longer side per scene unit (box), or of the map per unit of UV;
    `height_scale` for a difference of 1, scene units; `channels` map -> "R", "G" or "B" for those that are packed in
    one image; `inverted` maps whose files hold one minus the value. A normal map contains what a height map would, so
    the height map is read only if there is none.

    Raises MapUnusable if a file is missing or not an image, ValueError if the spec is wrong.
    """
    _check(spec)
    maps, metal = spec["maps"], spec["kind"] == "metallic"
    graph = Graph(tree)
    box = spec["projection"] == "box"
    read = _BoxProjection(graph, spec["repeats"]) if box else _UVProjection(graph, spec["repeats"])
    colour = read.colour(maps["base_color"])

    def scalar(name: str) -> Scalar:
        value = read.scalar(maps[name], _channel(spec, name))
        return value.times_plus(-1.0, 1.0) if name in spec.get("inverted", ()) else value

    if "ao" in maps and not metal:
        colour = colour * scalar("ao").times_plus(OCCLUSION, 1.0 - OCCLUSION)
    graph.feed(shader.inputs["Base Color"], colour)
    shader.inputs["Metallic"].default_value = float(metal)
    if "metallic" in maps:
        graph.feed(shader.inputs["Metallic"], scalar("metallic"))
    shader.inputs["Roughness"].default_value = 0.35 if metal else 0.6
    if "roughness" in maps:
        graph.feed(shader.inputs["Roughness"], scalar("roughness").maximum(SMOOTHEST))
    if "opacity" in maps:
        graph.feed(shader.inputs["Alpha"], scalar("opacity").above(0.5))
    if "normal" in maps:
        graph.feed(shader.inputs["Normal"], read.normal(maps["normal"], spec["normal_convention"]))
    elif "height" in maps:
        sign = -1.0 if "height" in spec.get("inverted", ()) else 1.0
        height_scale = sign * spec["height_scale"]
        graph.feed(shader.inputs["Normal"], read.bump(maps["height"], height_scale, _channel(spec, "height")))


def _channel(spec: dict[str, Any], name: str) -> int:
    """The channel of its image that a map is in."""
    return "RGB".index(spec.get("channels", {}).get(name, "R"))


def _check(spec: dict[str, Any]) -> None:
    allowed = {
        "kind": ("metallic", "non-metallic"),
        "projection": ("uv", "box"),
        "normal_convention": ("opengl", "directx"),
    }
    for key, values in allowed.items():
        if spec[key] not in values:
            raise ValueError(f"map set: {key} {spec[key]!r} is not one of {', '.join(values)}")
    if unknown := set(spec["maps"]) - set(MAPS):
        raise ValueError(f"map set: unknown maps {', '.join(sorted(unknown))}; there are: {', '.join(MAPS)}")
    if "base_color" not in spec["maps"]:
        raise ValueError("map set: no base_color map")
    if not spec["repeats"] > 0:
        raise ValueError(f"map set: repeats {spec['repeats']} is not above 0")


class _UVProjection:
    """Reads maps at the object's own UVs; tangents are the mesh's."""

    def __init__(self, graph: Graph, repeats: float) -> None:
        self.graph = graph
        self.uv = Vector(graph, graph.node("ShaderNodeTexCoord").outputs["UV"]) * repeats

    def _sample(self, image: bpy.types.Image, interpolation: str = "Linear") -> Vector:
        node = self.graph.node("ShaderNodeTexImage", image=image, interpolation=interpolation)
        self.graph.feed(node.inputs["Vector"], self.uv)
        return Vector(self.graph, node.outputs["Color"])

    def colour(self, path: str) -> Vector:
        return self._sample(_load(path, data=False))

    def scalar(self, path: str, channel: int = 0) -> Scalar:
        return self._sample(_load(path, data=True)).parts()[channel]

    def normal(self, path: str, convention: str) -> Vector:
        texel = self._sample(_load(path, data=True))
        if convention == "directx":
            texel = texel.times_plus((1.0, -1.0, 1.0), (0.0, 1.0, 0.0))
        node = self.graph.node("ShaderNodeNormalMap", space="TANGENT")
        self.graph.feed(node.inputs["Color"], texel)
        return Vector(self.graph, node.outputs["Normal"])

    def bump(self, path: str, height_scale: float, channel: int = 0) -> Vector:
        height = self._sample(_load(path, data=True), "Cubic").parts()[channel]
        # Heights come in steps (8 bit), texels apart: difference them over a whole pixel.
        return self.graph.bump(height * height_scale, filter_width=1.0)


class _BoxProjection:
    """Reads maps from the six sides of the object's box, `repeats` tiles per scene unit.

    Seen from outside, u runs to the right and v along z on the sides across x and y, along x on those across z. This is
    how Cycles lays its box projection, which does the colours; `normal` follows it.
    """

    def __init__(self, graph: Graph, repeats: float) -> None:
        self.graph, self.repeats = graph, float(repeats)
        self.at = graph.object_position * self.repeats

    def _sample(self, image: bpy.types.Image, at: Vector, interpolation: str = "Linear") -> Vector:
        node = self.graph.node("ShaderNodeTexImage", image=image, interpolation=interpolation)
        node.projection, node.projection_blend = "BOX", BLEND
        self.graph.feed(node.inputs["Vector"], at)
        return Vector(self.graph, node.outputs["Color"])

    def colour(self, path: str) -> Vector:
        return self._sample(self._tile(path, data=False), self.at)

    def scalar(self, path: str, channel: int = 0) -> Scalar:
        return self._sample(self._tile(path, data=True), self.at).parts()[channel]

    def normal(self, path: str, convention: str) -> Vector:
        texels = self._texels(path)
        normals = 2.0 * texels[..., :3] - 1.0
        slopes = normals[..., :2] / np.maximum(normals[..., 2:], FLATTEST_Z)
        if convention == "directx":
            slopes[..., 1] *= -1.0
        return self._tilted(slopes, path)

    def bump(self, path: str, height_scale: float, channel: int = 0) -> Vector:
        heights = self._texels(path, exact=True)[..., channel] * height_scale
        texels_per_unit = self.repeats * heights.shape[1]
        along_u = np.roll(heights, -1, axis=1) - np.roll(heights, 1, axis=1)
        along_v = np.roll(heights, -1, axis=0) - np.roll(heights, 1, axis=0)
        return self._tilted(np.stack([along_u, along_v], axis=-1) * (-0.5 * texels_per_unit), path)

    def _tilted(self, slopes: np.ndarray, path: str) -> Vector:
        """The surface's normal tilted by the map's slopes (H, W, 2): how fast the height falls along u and along v."""
        g = self.graph
        image = _image(Path(path).name + " slopes", np.pad(slopes, ((0, 0), (0, 0), (0, 1))), data=True)
        px, py, pz = self.at.parts()
        sx, sy, sz = g.normal.sign().parts()
        wx, wy, wz = self._weights().parts()
        ax, bx = self._slopes(image, px=sx * py, py=pz)
        ay, by = self._slopes(image, px=sy * px * -1.0, py=pz)
        az, bz = self._slopes(image, px=sz * py * -1.0, py=px)
        fall = g.combine(
            wz * bz - wy * sy * ay,
            wx * sx * ax - wz * sz * az,
            wx * bx + wy * by,
        )
        return g.tilted(fall)

    def _slopes(self, image: bpy.types.Image, px: Scalar, py: Scalar) -> tuple[Scalar, Scalar]:
        node = self.graph.node("ShaderNodeTexImage", image=image)
        self.graph.feed(node.inputs["Vector"], self.graph.combine(px, py, 0.0))
        along_u, along_v, _ = Vector(self.graph, node.outputs["Color"]).parts()
        return along_u, along_v

    def _weights(self) -> Vector:
        """How much of the projections along x, y and z Cycles blends here, read off its own box projection.

        At this fixed point each of them sees one texel, whichever way it is turned: x a red, y a green, z a blue one.
        """
        texels = np.zeros((4, 4, 3), np.float32)
        texels[0, 1:3] = (1, 0, 0)
        texels[0, [0, 3]] = (0, 1, 0)
        texels[3, 1:3] = (0, 0, 1)
        image = bpy.data.images.get(WEIGHTS) or _image(WEIGHTS, texels, data=True)
        return self._sample(image, self.graph.constant((0.875, 0.375, 0.125)), interpolation="Closest")

    def _tile(self, path: str, data: bool) -> bpy.types.Image:
        """The map as an image that is square, as Cycles' box projection needs it, and no finer than can be seen."""
        image = _load(path, data)
        if image.size[0] == image.size[1] and tuple(image.size) == self._finest(image):
            return image
        return _image(Path(path).name, self._square(image, data), data)

    def _texels(self, path: str, exact: bool = False) -> np.ndarray:
        return self._square(_load(path, data=True), data=True, exact=exact)

    def _square(self, image: bpy.types.Image, data: bool, exact: bool = False) -> np.ndarray:
        """Texels (N, N, 3) averaged down to what can be seen, the map repeated along its short side to a square.

        Blender averages fast, but rounds an 8-bit map to 8 bits again; `exact` keeps the fractions, which heights
        need: their differences count.
        """
        width, height = self._finest(image)
        if not exact and (width, height) != tuple(image.size):
            image.scale(width, height)
        texels = _averaged(_pixels(image, data), height, width)
        bpy.data.images.remove(image)
        return np.tile(texels, (max(round(width / height), 1), max(round(height / width), 1), 1))

    def _finest(self, image: bpy.types.Image) -> tuple[int, int]:
        """Width and height of the map once its texels are no smaller than FINEST_TEXEL."""
        width, height = image.size
        shrink = min(1.0, 1.0 / (self.repeats * FINEST_TEXEL * max(width, height)))
        return max(round(width * shrink), 1), max(round(height * shrink), 1)


def _averaged(texels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Texels (H, W, C) averaged down to (height, width, C); a side that is not shorter stays."""
    for axis, length in enumerate((height, width)):
        if length < texels.shape[axis]:
            starts = np.arange(length) * texels.shape[axis] // length
            counts = np.diff(starts, append=texels.shape[axis]).astype(np.float32)
            texels = np.add.reduceat(texels, starts, axis=axis) / np.expand_dims(counts, (1 - axis, 2))
    return texels


def _load(path: str, data: bool) -> bpy.types.Image:
    try:
        image = bpy.data.images.load(path, check_existing=False)
    except RuntimeError as error:
        raise MapUnusable(f"{path}: no such map, or not readable: {error}") from error
    image.alpha_mode = "CHANNEL_PACKED"
    linear = path.lower().endswith(SCENE_LINEAR_FILES)
    image.colorspace_settings.name = "Non-Color" if data else "Linear Rec.709" if linear else "sRGB"
    if 0 in image.size:
        bpy.data.images.remove(image)
        raise MapUnusable(f"{path}: not an image that Blender can decode; use JPEG, PNG, WebP or EXR")
    return image


def _pixels(image: bpy.types.Image, data: bool) -> np.ndarray:
    """The image as (H, W, 3) float32 from the bottom row up, scene-linear unless it is data."""
    width, height = image.size
    texels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(texels)
    texels = texels.reshape(height, width, 4)[..., :3]
    if data or image.is_float:  # Blender holds float images in scene-linear already
        return texels
    return np.where(texels <= 0.04045, texels / 12.92, ((texels + 0.055) / 1.055) ** 2.4)


def _image(name: str, texels: np.ndarray, data: bool) -> bpy.types.Image:
    """A float image inside Blender from (H, W, 3) texels, scene-linear unless they are data."""
    height, width = texels.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False, float_buffer=True, is_data=data)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = texels
    image.pixels.foreach_set(rgba.ravel())
    image.pack()
    return image
