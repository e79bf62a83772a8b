# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and vectors per shading point, written as arithmetic: each operation adds a node to their graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from blender_scripts.procedural.graph import Graph

Number = float | int
Triple = Sequence[float]


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
        """1 where the value exceeds the threshold, else 0."""
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
