# SPDX-License-Identifier: GPL-3.0-or-later
"""Shader nodes written as arithmetic: a node tree goes in, scalars and vectors that build its nodes come out.

`g.noise(g.position, size=0.02) * 0.5 + 0.1` adds three nodes and links them. Sizes are in scene units.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import bpy
from mathutils import Euler

Number = float | int
Triple = Sequence[float]

# Root mean square slope of `noise` in a plane for size 1, measured; it varies by 6 % over 0 to 3 octaves of detail.
NOISE_SLOPE = 0.48

# The distance from the centre at which the hollows of `bowls` become level, in cells; and their root mean square slope
# for height and size 1, measured.
LEVEL = 0.75
BOWL_SLOPE = 1.2

# The share of a pixel over which Cycles differences the height. Small: the tilt is then the height's own gradient,
# whatever the resolution, the distance and the sub-pixel place of the ray, so geometry pass and images agree.
BUMP_FILTER_WIDTH = 0.02


class Scalar:
    """One number per shading point: the output socket of a node."""

    def __init__(self, graph: Graph, socket: bpy.types.NodeSocket) -> None:
        self.graph, self.socket = graph, socket

    def _math(self, operation: str, *others: Scalar | Number) -> Scalar:
        return self.graph.math(operation, self, *others)

    def __add__(self, other: Scalar | Number) -> Scalar:
        return self._math("ADD", other)

    def __radd__(self, other: Number) -> Scalar:
        return self._math("ADD", other)

    def __sub__(self, other: Scalar | Number) -> Scalar:
        return self._math("SUBTRACT", other)

    def __rsub__(self, other: Number) -> Scalar:
        return self.graph.math("SUBTRACT", other, self)

    def __mul__(self, other: Scalar | Number) -> Scalar:
        return self._math("MULTIPLY", other)

    def __rmul__(self, other: Number) -> Scalar:
        return self._math("MULTIPLY", other)

    def above(self, threshold: Number) -> Scalar:
        """1 if the value exceeds the threshold, else 0."""
        return self._math("GREATER_THAN", threshold)

    def absolute(self) -> Scalar:
        return self._math("ABSOLUTE")

    def fraction(self) -> Scalar:
        return self._math("FRACT")

    def maximum(self, other: Scalar | Number) -> Scalar:
        return self._math("MAXIMUM", other)

    def times_plus(self, factor: Scalar | Number, addend: Scalar | Number) -> Scalar:
        return self._math("MULTIPLY_ADD", factor, addend)

    def ramp(
        self, low: Number, high: Number, to_low: Number = 0.0, to_high: Number = 1.0, smooth: bool = True
    ) -> Scalar:
        """From `to_low` at `low` to `to_high` at `high`, constant outside; `low` may exceed `high`."""
        kind = "SMOOTHSTEP" if smooth else "LINEAR"
        node = self.graph.node("ShaderNodeMapRange", interpolation_type=kind, clamp=True)
        self.graph.feed(node.inputs["Value"], self)
        ends = {"From Min": low, "From Max": high, "To Min": to_low, "To Max": to_high}
        for name, value in ends.items():
            node.inputs[name].default_value = value
        return Scalar(self.graph, node.outputs["Result"])


class Vector:
    """Three numbers per shading point (a point, a direction or a colour): the output socket of a node."""

    def __init__(self, graph: Graph, socket: bpy.types.NodeSocket) -> None:
        self.graph, self.socket = graph, socket
        self._parts: tuple[Scalar, Scalar, Scalar] | None = None

    def __add__(self, other: Vector | Triple) -> Vector:
        return self.graph.vector_math("ADD", self, other)

    def __sub__(self, other: Vector | Triple) -> Vector:
        return self.graph.vector_math("SUBTRACT", self, other)

    def __mul__(self, other: Vector | Triple | Scalar | Number) -> Vector:
        if isinstance(other, (Scalar, float, int)):
            node = self.graph.node("ShaderNodeVectorMath", operation="SCALE")
            self.graph.feed(node.inputs[0], self)
            self.graph.feed(node.inputs["Scale"], other)
            return Vector(self.graph, node.outputs["Vector"])
        return self.graph.vector_math("MULTIPLY", self, other)

    def __rmul__(self, other: Number) -> Vector:
        return self * other

    def absolute(self) -> Vector:
        return self.graph.vector_math("ABSOLUTE", self)

    def sine(self) -> Vector:
        return self.graph.vector_math("SINE", self)

    def sign(self) -> Vector:
        return self.graph.vector_math("SIGN", self)

    def maximum(self, other: Vector | Triple) -> Vector:
        return self.graph.vector_math("MAXIMUM", self, other)

    def cross(self, other: Vector | Triple) -> Vector:
        return self.graph.vector_math("CROSS_PRODUCT", self, other)

    def normalised(self) -> Vector:
        return self.graph.vector_math("NORMALIZE", self)

    def times_plus(self, factor: Vector | Triple, addend: Vector | Triple) -> Vector:
        return self.graph.vector_math("MULTIPLY_ADD", self, factor, addend)

    def dot(self, other: Vector | Triple) -> Scalar:
        return self.graph.vector_scalar("DOT_PRODUCT", self, other)

    def length(self) -> Scalar:
        return self.graph.vector_scalar("LENGTH", self)

    def parts(self) -> tuple[Scalar, Scalar, Scalar]:
        """x, y and z (or red, green and blue)."""
        if self._parts is None:
            node = self.graph.node("ShaderNodeSeparateXYZ")
            self.graph.feed(node.inputs[0], self)
            x, y, z = (Scalar(self.graph, output) for output in node.outputs)
            self._parts = (x, y, z)
        return self._parts


Value = Scalar | Vector | Number | Triple


class Graph:
    """Builds nodes in one node tree.

    All points and directions are in the object's space, which is the world's: an object's matrix is the identity.
    `object_position` is the surface point, `position` the same moved by `offset` (where textures are read), `rotated`
    the point in a frame turned by `orientation`, whose axes are the vectors `axes`; `normal` is the surface's own.
    """

    def __init__(
        self, tree: bpy.types.NodeTree, orientation: Triple = (0, 0, 0), offset: Triple = (0, 0, 0)
    ) -> None:
        self.tree, self.offset = tree, offset
        self.axes = tuple(tuple(row) for row in Euler(orientation, "XYZ").to_matrix())
        self.object_position = Vector(self, self.node("ShaderNodeTexCoord").outputs["Object"])

    @cached_property
    def normal(self) -> Vector:
        return Vector(self, self.node("ShaderNodeNewGeometry").outputs["Normal"])

    @cached_property
    def position(self) -> Vector:
        return self.object_position + self.offset

    @cached_property
    def rotated(self) -> Vector:
        # Half the cost of a Mapping node, which computes its matrix at every point.
        return self.combine(*(self.object_position.dot(axis) for axis in self.axes))

    def node(self, kind: str, **properties: Any) -> bpy.types.Node:
        node = self.tree.nodes.new(kind)
        for name, value in properties.items():
            setattr(node, name, value)
        return node

    def feed(self, socket: bpy.types.NodeSocket, value: Value) -> None:
        """Link the value to the input, or set it there if it is a constant."""
        if isinstance(value, (Scalar, Vector)):
            self.tree.links.new(value.socket, socket)
        elif isinstance(value, (float, int)):
            socket.default_value = (value, value, value) if socket.type == "VECTOR" else value
        else:
            socket.default_value = (*value, 1.0) if socket.type == "RGBA" else tuple(value)

    def math(self, operation: str, *operands: Scalar | Number) -> Scalar:
        node = self.node("ShaderNodeMath", operation=operation)
        for socket, operand in zip(node.inputs, operands, strict=False):
            self.feed(socket, operand)
        return Scalar(self, node.outputs[0])

    def vector_math(self, operation: str, *operands: Vector | Triple) -> Vector:
        node = self.node("ShaderNodeVectorMath", operation=operation)
        for socket, operand in zip(node.inputs, operands, strict=False):
            self.feed(socket, operand)
        return Vector(self, node.outputs["Vector"])

    def vector_scalar(self, operation: str, *operands: Vector | Triple) -> Scalar:
        node = self.node("ShaderNodeVectorMath", operation=operation)
        for socket, operand in zip(node.inputs, operands, strict=False):
            self.feed(socket, operand)
        return Scalar(self, node.outputs["Value"])

    def constant(self, value: Triple) -> Vector:
        """The same three numbers everywhere."""
        return self.combine(*value)

    def combine(self, x: Scalar | Number, y: Scalar | Number, z: Scalar | Number) -> Vector:
        node = self.node("ShaderNodeCombineXYZ")
        for socket, value in zip(node.inputs, (x, y, z), strict=True):
            self.feed(socket, value)
        return Vector(self, node.outputs[0])

    def mix(self, factor: Scalar | Number, a: Scalar | Number, b: Scalar | Number) -> Scalar:
        """a for a factor of 0, b for 1; the factor is clamped to that range, here and below."""
        return Scalar(self, self._mix("FLOAT", "Float", factor, a, b))

    def mix_colour(self, factor: Scalar | Number, a: Vector | Triple, b: Vector | Triple) -> Vector:
        return Vector(self, self._mix("RGBA", "Color", factor, a, b))

    def mix_vector(self, factor: Scalar | Number, a: Vector | Triple, b: Vector | Triple) -> Vector:
        """As `mix_colour`, for directions: a colour's constant would lose its negative components."""
        return Vector(self, self._mix("VECTOR", "Vector", factor, a, b))

    def _mix(self, data_type: str, name: str, factor: Value, a: Value, b: Value) -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMix", data_type=data_type, factor_mode="UNIFORM", clamp_factor=True)
        inputs = {socket.identifier: socket for socket in node.inputs}
        self.feed(inputs["Factor_Float"], factor)
        self.feed(inputs[f"A_{name}"], a)
        self.feed(inputs[f"B_{name}"], b)
        return next(output for output in node.outputs if output.identifier == f"Result_{name}")

    def noise(self, at: Vector, size: Number, detail: Number = 0.0, roughness: Number = 0.5) -> Scalar:
        """Perlin noise about 0.5, mostly in 0.2 to 0.8; blobs of `size`, `detail` more octaves, each half as large."""
        return Scalar(self, self._noise(at, size, detail, roughness).outputs["Fac"])

    def relief(self, at: Vector, size: Number, slope: Number, detail: Number = 0.0) -> Scalar:
        """Noise as a height (scene units) whose slope has the root mean square `slope`."""
        return self.noise(at, size, detail) * (slope * size / NOISE_SLOPE)

    def noise_along(self, at: Scalar, size: Number, detail: Number = 0.0) -> Scalar:
        """Noise of one coordinate: layers, rings."""
        node = self.node("ShaderNodeTexNoise", noise_dimensions="1D", noise_type="FBM", normalize=True)
        self.feed(node.inputs["W"], at)
        node.inputs["Scale"].default_value = 1.0 / size
        node.inputs["Detail"].default_value = detail
        return Scalar(self, node.outputs["Fac"])

    def warped(self, at: Vector, size: Number, by: Number) -> Vector:
        """The point moved by up to about `by` along one slanted direction: cheaper than three noises."""
        shift = self.noise(at, size) - 0.5
        return at + self.constant((1.6 * by, -1.2 * by, 1.9 * by)) * shift

    def noise_vector(self, at: Vector, size: Number, detail: Number = 0.0) -> Vector:
        """Three independent noises about 0."""
        return Vector(self, self._noise(at, size, detail, 0.5).outputs["Color"]) - (0.5, 0.5, 0.5)

    def _noise(self, at: Vector, size: Number, detail: Number, roughness: Number) -> bpy.types.Node:
        node = self.node("ShaderNodeTexNoise", noise_dimensions="3D", noise_type="FBM", normalize=True)
        self.feed(node.inputs["Vector"], at)
        node.inputs["Scale"].default_value = 1.0 / size
        node.inputs["Detail"].default_value = detail
        node.inputs["Roughness"].default_value = roughness
        return node

    def bowls(self, size: Number, slope: Number) -> tuple[Vector, Scalar, Vector]:
        """Round hollows (domes if `slope` is negative) side by side, level at their borders.

        Returns how fast the height falls (for `tilted`), the height from 0 in the middle to 1 where it is level, and
        a colour per hollow. With s the smooth step from 0 to LEVEL cells and d the distance to the middle m, the height
        is h = H s(d) and its gradient 6 H (1 - d / LEVEL) (p - m) / LEVEL^2: one search for m, not three as by a bump.
        """
        node = self._cells(self.position, size, "F1")
        distance, random = Scalar(self, node.outputs["Distance"]), Vector(self, node.outputs["Color"])
        outward = self.position - Vector(self, node.outputs["Position"])
        steepness = 6.0 * slope / (BOWL_SLOPE * LEVEL * LEVEL * size)
        rise = distance.ramp(0.0, LEVEL, -steepness, 0.0, smooth=False)
        return outward * rise, distance.ramp(0.0, LEVEL), random

    def cells(self, at: Vector, size: Number) -> tuple[Scalar, Vector]:
        """Distance to the nearest cell centre in units of `size` (0.4 to 0.9 at borders), and a random colour."""
        node = self._cells(at, size, "F1")
        return Scalar(self, node.outputs["Distance"]), Vector(self, node.outputs["Color"])

    def cell_borders(self, at: Vector, size: Number) -> Scalar:
        """Distance to the nearest border between cells, in units of `size`."""
        return Scalar(self, self._cells(at, size, "DISTANCE_TO_EDGE").outputs["Distance"])

    def _cells(self, at: Vector, size: Number, feature: str) -> bpy.types.Node:
        node = self.node("ShaderNodeTexVoronoi", voronoi_dimensions="3D", feature=feature)
        self.feed(node.inputs["Vector"], at)
        node.inputs["Scale"].default_value = 1.0 / size
        return node

    def tilted(self, fall: Vector) -> Vector:
        """The surface's normal tilted by a height that falls in the direction and as steeply as `fall` (a gradient)."""
        return (self.normal + (fall - self.normal * self.normal.dot(fall))).normalised()

    def bump(
        self, height: Scalar, normal: Vector | None = None, filter_width: Number = BUMP_FILTER_WIDTH
    ) -> Vector:
        """`normal` (None: the surface's own) tilted by the slope of `height`, which is in scene units.

        The slope is measured over `filter_width` pixels.
        """
        node = self.node("ShaderNodeBump")
        node.inputs["Strength"].default_value = 1.0
        node.inputs["Distance"].default_value = 1.0
        if "Filter Width" in node.inputs:  # Blender 4.2, which BlenderProc runs in, has it fixed
            node.inputs["Filter Width"].default_value = filter_width
        self.feed(node.inputs["Height"], height)
        if normal is not None:
            self.feed(node.inputs["Normal"], normal)
        return Vector(self, node.outputs["Normal"])
