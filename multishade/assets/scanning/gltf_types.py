# SPDX-License-Identifier: Apache-2.0
"""glTF JSON in, nothing out: AssetError where a field that an importer reads has another type than glTF 2.0
says.

Only types are checked, and only of fields that matter for meshes and materials; unknown fields are ignored,
as the specification asks. Importers assume these types, and fall over in many ways where they are wrong.
"""

from typing import Any

from multishade.errors import AssetError

# A name stands for one value, [name] for a list, {field: ...} for an object, "*" for any field of
# one, "?" after it: it may be absent.
_TEXTURE: dict[str, Any] = {"index": "int", "texCoord?": "int", "scale?": "number", "strength?": "number"}
_TEXTURE |= {"extensions?": {"*": {}}}
_SCHEMA: dict[str, Any] = {
    "asset": {"version": "str", "minVersion?": "str", "generator?": "str", "copyright?": "str"},
    "extensionsUsed?": ["str"],
    "extensionsRequired?": ["str"],
    "scene?": "int",
    "scenes?": [{"nodes?": ["int"], "name?": "str"}],
    "nodes?": [
        {
            "mesh?": "int",
            "skin?": "int",
            "camera?": "int",
            "children?": ["int"],
            "name?": "str",
            "matrix?": "16 numbers",
            "rotation?": "4 numbers",
            "scale?": "3 numbers",
            "translation?": "3 numbers",
        }
    ],
    "meshes?": [
        {
            "name?": "str",
            "primitives": [
                {
                    "attributes": {"POSITION?": "int", "NORMAL?": "int", "TEXCOORD_0?": "int"},
                    "indices?": "int",
                    "material?": "int",
                    "mode?": "int",
                    "extensions?": {"*": {}},
                }
            ],
        }
    ],
    "accessors?": [
        {
            "bufferView?": "int",
            "byteOffset?": "int",
            "componentType": "int",
            "count": "int",
            "type": "str",
            "normalized?": "bool",
            "min?": ["number"],
            "max?": ["number"],
            "sparse?": {
                "count": "int",
                "indices": {"bufferView": "int", "byteOffset?": "int", "componentType": "int"},
                "values": {"bufferView": "int", "byteOffset?": "int"},
            },
        }
    ],
    "bufferViews?": [{"buffer": "int", "byteOffset?": "int", "byteLength": "int", "byteStride?": "int"}],
    "buffers?": [{"uri?": "str", "byteLength": "int"}],
    "images?": [{"uri?": "str", "mimeType?": "str", "bufferView?": "int", "name?": "str"}],
    "textures?": [{"source?": "int", "sampler?": "int", "name?": "str"}],
    "samplers?": [{"magFilter?": "int", "minFilter?": "int", "wrapS?": "int", "wrapT?": "int"}],
    "materials?": [
        {
            "name?": "str",
            "pbrMetallicRoughness?": {
                "baseColorFactor?": "4 numbers",
                "baseColorTexture?": _TEXTURE,
                "metallicFactor?": "number",
                "roughnessFactor?": "number",
                "metallicRoughnessTexture?": _TEXTURE,
            },
            "normalTexture?": _TEXTURE,
            "occlusionTexture?": _TEXTURE,
            "emissiveTexture?": _TEXTURE,
            "emissiveFactor?": "3 numbers",
            "alphaMode?": "str",
            "alphaCutoff?": "number",
            "doubleSided?": "bool",
            "extensions?": {"*": {}},
        }
    ],
    "skins?": [{"inverseBindMatrices?": "int", "skeleton?": "int", "joints": ["int"]}],
}


def check_types(data: Any) -> None:
    """Raise AssetError naming the first field of a glTF's JSON that is missing or of a wrong type."""
    _check(data, _SCHEMA, "")


def _check(value: Any, schema: Any, place: str) -> None:
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            raise AssetError(f"{place or 'its JSON'} is {_what(value)}, glTF wants an object")
        for name, inner in schema.items():
            field = name.removesuffix("?")
            if name == "*":
                for key, item in value.items():
                    _check(item, inner, f"{place}.{key}")
            elif field in value:
                _check(value[field], inner, f"{place}.{field}" if place else field)
            elif field == name:
                raise AssetError(f"{place or 'its JSON'} has no {field!r}")
    elif isinstance(schema, list):
        if not isinstance(value, list):
            raise AssetError(f"{place} is {_what(value)}, glTF wants a list")
        for index, item in enumerate(value):
            _check(item, schema[0], f"{place}[{index}]")
    elif schema.endswith("numbers"):
        count = int(schema.split()[0])
        _check(value, ["number"], place)
        if len(value) != count:
            raise AssetError(f"{place} has {len(value)} numbers, glTF wants {count}")
    else:
        allowed = {"int": int, "number": int | float, "str": str, "bool": bool}[schema]
        if not isinstance(value, allowed) or (isinstance(value, bool) and schema != "bool"):
            raise AssetError(f"{place} is {_what(value)}, glTF wants {schema}")


def _what(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"
