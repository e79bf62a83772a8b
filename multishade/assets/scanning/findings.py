# SPDX-License-Identifier: Apache-2.0
"""The materials of a mesh file in, what Blender will correct about them out, as tags."""

from collections.abc import Iterable
from typing import Any

from multishade.assets.scanning.gltf import Gltf
from multishade.errors import AssetError

BLACK = 1e-3  # largest component of a colour that counts as black
THRESHOLD = 0.5  # coverage from which a material is solid


def gltf_findings(gltf: Gltf) -> tuple[str, ...]:
    """List what will be corrected about the materials of a glTF."""
    materials = gltf.items("materials")
    tags: list[str] = []
    if any(_glows_over_black(material) for material in materials):
        tags.append("colour-from-emission")
    if any(_is_hole(material) for material in materials):
        tags.append("transparent-parts")
    return tuple(tags)


def require_solid_part(gltf: Gltf, meshes: Iterable[int]) -> None:
    """Require that some part of these meshes has a material that is not a hole all over.

    Raises:
        AssetError: If the constant alpha of all of their materials is below one half.
    """
    primitives = [primitive for mesh in meshes for primitive in gltf.items("meshes")[mesh]["primitives"]]
    used = [primitive.get("material") for primitive in primitives if primitive.get("mode", 4) >= 4]
    holes = [index is not None and _is_hole(gltf.item("materials", index, "a primitive")) for index in used]
    if holes and all(holes):
        raise AssetError("all of it is transparent: its alpha is below one half everywhere")


def mtl_findings(statements: Iterable[list[str]]) -> tuple[str, ...]:
    """List what will be corrected about the materials of an OBJ, from the statements of its material library."""
    glow = base = 0.0
    textured = opaque_stated = False
    tags: set[str] = set()

    def close() -> None:
        if glow > BLACK and base <= BLACK and not textured:
            tags.add("colour-from-emission")

    for word, *values in statements:
        key, numbers = word.lower(), _numbers(values)
        if key == "newmtl":
            close()
            glow, base, textured, opaque_stated = 0.0, 1.0, False, False
        elif key == "ke" and numbers:
            glow = max(numbers)
        elif key == "kd" and numbers:
            base = max(numbers)
        elif key == "map_kd":
            textured = True
        elif key == "d" and numbers:
            opaque_stated = True
            tags |= {"transparent-parts"} if numbers[-1] < THRESHOLD else set()
        elif key == "tr" and numbers and not opaque_stated and 1.0 - numbers[-1] < THRESHOLD:
            tags.add("transparent-parts")
    close()
    return tuple(sorted(tags))


def _numbers(values: list[str]) -> list[float]:
    try:
        return [float(value) for value in values]
    except ValueError:
        return []


def _glows_over_black(material: dict[str, Any]) -> bool:
    base = material.get("pbrMetallicRoughness", {}).get("baseColorFactor", [1, 1, 1, 1])
    return max(base[:3]) <= BLACK and max(material.get("emissiveFactor", [0, 0, 0])) > BLACK


def _is_hole(material: dict[str, Any]) -> bool:
    surface, mode = material.get("pbrMetallicRoughness", {}), material.get("alphaMode", "OPAQUE")
    least = {"BLEND": THRESHOLD, "MASK": material.get("alphaCutoff", 0.5)}.get(mode, 0.0)
    return bool(surface.get("baseColorFactor", [1, 1, 1, 1])[3] < least)
