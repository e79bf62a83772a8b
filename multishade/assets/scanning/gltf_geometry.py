# SPDX-License-Identifier: Apache-2.0
"""A parsed glTF in, counts and bounds of the triangles in its scene out; every index is checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.assets.scanning.gltf import COMPONENTS, Gltf, accessor_values, view_bytes
from multishade.errors import AssetError
from multishade.geometry.rotations import matrix_from_quaternion
from multishade.protocol import limits

DRACO = "KHR_draco_mesh_compression"
TRIANGLES, FAN = 4, 6  # modes of a primitive; 5 is a strip


@dataclass(frozen=True)
class Declared:
    """Geometry as the file declares it, over every instance in the scene.

    Attributes:
        vertices: Number of vertices.
        faces: Number of triangles.
        bounds: (2, 3) float64 low and high corner, in the file's axes.
        compressed: Whether some of it is Draco, whose indices and positions were not checked.
        exact: Whether trimesh reads all of it (no Draco, no triangle fans, no instancing extension).
        parts: (P, 2, 3) low and high corner of each instance.
        meshes: Indices of the meshes in the scene.
    """

    vertices: int
    faces: int
    bounds: NDArray[np.float64]
    compressed: bool
    exact: bool
    parts: NDArray[np.float64]
    meshes: tuple[int, ...]


def declared_geometry(gltf: Gltf) -> Declared:
    """Count and bound the triangles in the scene, and check each primitive's bytes and indices.

    Raises:
        AssetError: If an index is out of range, a reference points nowhere, bytes are missing or nodes form a cycle;
            it names the mesh.
    """
    for index in range(len(gltf.items("bufferViews"))):
        view_bytes(gltf, index, "the file")
    if (reason := limits.too_many(len(gltf.items("nodes")) + _gpu_instances(gltf), 0)) is not None:
        raise AssetError(reason)
    vertices = faces = 0
    exact, compressed = True, False
    parts = []
    checked: dict[int, list[tuple[int, int, NDArray[np.float64]]]] = {}
    for mesh_index, transform in _mesh_instances(gltf):
        if mesh_index not in checked:
            primitives = gltf.item("meshes", mesh_index, "a node")["primitives"]
            checked[mesh_index] = [
                measured
                for number, primitive in enumerate(primitives)
                if (measured := _primitive(gltf, primitive, f"meshes[{mesh_index}].primitives[{number}]"))
            ]
            compressed = compressed or any(
                DRACO in primitive.get("extensions", {}) for primitive in primitives
            )
            exact = exact and all(primitive.get("mode", TRIANGLES) != FAN for primitive in primitives)
            # trimesh takes normalised integers for coordinates.
            exact = exact and not any(_is_normalised(gltf, primitive) for primitive in primitives)
        corners = []
        for count, triangles, box in checked[mesh_index]:
            vertices += count
            faces += triangles
            with np.errstate(invalid="ignore", over="ignore"):
                corners.append(box @ transform[:3, :3].T + transform[:3, 3])
        if corners:
            points = np.concatenate(corners)
            parts.append(np.stack([points.min(axis=0), points.max(axis=0)]))
        if (reason := limits.too_many(0, faces)) is not None:
            raise AssetError(reason)
    if not faces:
        raise AssetError("has no faces in its scene (only points or lines, or nothing at all)")
    boxes = np.stack(parts)
    bounds = np.stack([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])
    exact = exact and not compressed and "EXT_mesh_gpu_instancing" not in gltf.json.get("extensionsUsed", [])
    return Declared(vertices, faces, bounds, compressed, exact, boxes, tuple(checked))


def _gpu_instances(gltf: Gltf) -> int:
    """Instances by EXT_mesh_gpu_instancing."""
    count = 0
    for node in gltf.items("nodes"):
        extension = node.get("extensions", {}).get("EXT_mesh_gpu_instancing")
        attributes = extension.get("attributes", {}) if isinstance(extension, dict) else {}
        used = [
            gltf.item("accessors", index, "EXT_mesh_gpu_instancing")["count"]
            for index in (attributes.values() if isinstance(attributes, dict) else ())
            if isinstance(index, int)
        ]
        count += max(used, default=0)
    return count


def _mesh_instances(gltf: Gltf) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """(mesh index, world matrix (4, 4)) of each node of the scene that has a mesh."""
    scenes = gltf.items("scenes")
    if not scenes:
        raise AssetError("has no scene")
    scene = gltf.item("scenes", gltf.json.get("scene", 0), "the default scene")
    stack = [(root, np.eye(4)) for root in scene.get("nodes", [])]
    seen: set[int] = set()
    while stack:
        index, parent = stack.pop()
        if index in seen:
            raise AssetError(f"its nodes are not a tree: nodes[{index}] is reached twice")
        seen.add(index)
        node = gltf.item("nodes", index, "the scene or a node")
        world = parent @ _local_matrix(node)
        if "mesh" in node:
            yield node["mesh"], world
        stack += [(child, world) for child in node.get("children", [])]


def _local_matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    matrix = np.eye(4)
    matrix[:3, :3] = matrix_from_quaternion(w, x, y, z)
    matrix[:3, :3] *= np.array(node.get("scale", (1.0, 1.0, 1.0)))
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def _primitive(
    gltf: Gltf, primitive: dict[str, Any], name: str
) -> tuple[int, int, NDArray[np.float64]] | None:
    """(vertices, triangles, the eight corners of its box (8, 3)), or None for points and lines."""
    mode = primitive.get("mode", TRIANGLES)
    if mode not in range(7):
        raise AssetError(f"{name}: {mode} is not a mode of a primitive (0 to 6)")
    if mode < TRIANGLES or "POSITION" not in primitive["attributes"]:
        return None
    accessor = gltf.item("accessors", primitive["attributes"]["POSITION"], f"{name}: POSITION")
    count = accessor["count"]
    corners = count
    if DRACO in primitive.get("extensions", {}):
        _check_draco(gltf, primitive["extensions"][DRACO], name)
        if "indices" in primitive:
            corners = gltf.item("accessors", primitive["indices"], f"{name}: indices")["count"]
        low, high = accessor.get("min"), accessor.get("max")
        if not (low and high and len(low) == len(high) == 3):
            raise AssetError(f"{name}: POSITION states no min and max")
    else:
        positions = accessor_values(gltf, primitive["attributes"]["POSITION"], f"{name}: POSITION")
        if positions.shape[1] != 3:
            raise AssetError(f"{name}: POSITION is {accessor['type']}, not VEC3")
        if "indices" in primitive:
            indices = accessor_values(gltf, primitive["indices"], f"{name}: indices")
            corners = len(indices)
            if corners and int(indices.max()) >= count:
                raise AssetError(
                    f"{name}: index {int(indices.max())} is out of range, there are {count} vertices"
                )
        for attribute, index in primitive["attributes"].items():
            other = len(accessor_values(gltf, index, f"{name}: {attribute}"))
            if other != count:
                raise AssetError(f"{name}: {attribute} has {other} entries, POSITION has {count}")
        if not count:
            return None
        with np.errstate(invalid="ignore"):
            low, high = positions.min(axis=0), positions.max(axis=0)
    triangles = corners // 3 if mode == TRIANGLES else max(0, corners - 2)
    if not triangles:
        return None
    normalised = accessor.get("normalized", False) and accessor["componentType"] in (5120, 5121, 5122, 5123)
    scale = 1 / np.iinfo(COMPONENTS[accessor["componentType"]]).max if normalised else 1.0
    box = (
        scale * np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), np.float64).reshape(3, 8).T
    )
    return count, triangles, box


def _is_normalised(gltf: Gltf, primitive: dict[str, Any]) -> bool:
    index = primitive["attributes"].get("POSITION")
    return index is not None and bool(gltf.items("accessors")[index].get("normalized", False))


def _check_draco(gltf: Gltf, extension: Any, name: str) -> None:
    if not isinstance(extension, dict) or not isinstance(extension.get("bufferView"), int):
        raise AssetError(f"{name}: its Draco extension names no bufferView")
    if view_bytes(gltf, extension["bufferView"], name)[:5] != b"DRACO":
        raise AssetError(f"{name}: its Draco data does not begin with 'DRACO'")
