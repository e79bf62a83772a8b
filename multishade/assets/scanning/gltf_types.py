# SPDX-License-Identifier: Apache-2.0
"""glTF JSON in, nothing out: an error if a field that an importer reads has another type than glTF 2.0 specifies.

Only types are checked, and only of fields that matter for meshes and materials; unknown fields are ignored, as the
specification requires. Importers assume these types and fail in many ways if they are wrong.
"""

from typing import Any

from multishade.errors import AssetError

# A name is the type of one value, [name] of a list, {field: ...} of an object; "*" is any field of it, and a field with
# "?" may be absent.
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
    """Check the types of a glTF's JSON.

    Raises:
        AssetError: If a field is missing or has a wrong type; it names the first.
    """
    _check(data, _SCHEMA, "")


def _check(value: Any, schema: Any, field_path: str) -> None:
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            raise AssetError(f"{field_path or 'its JSON'} is {_what(value)}, glTF requires an object")
        for name, inner in schema.items():
            field = name.removesuffix("?")
            if name == "*":
                for key, item in value.items():
                    _check(item, inner, f"{field_path}.{key}")
            elif field in value:
                _check(value[field], inner, f"{field_path}.{field}" if field_path else field)
            elif field == name:
                raise AssetError(f"{field_path or 'its JSON'} has no {field!r}")
    elif isinstance(schema, list):
        if not isinstance(value, list):
            raise AssetError(f"{field_path} is {_what(value)}, glTF requires a list")
        for index, item in enumerate(value):
            _check(item, schema[0], f"{field_path}[{index}]")
    elif schema.endswith("numbers"):
        count = int(schema.split()[0])
        _check(value, ["number"], field_path)
        if len(value) != count:
            raise AssetError(f"{field_path} has {len(value)} numbers, glTF requires {count}")
    else:
        allowed = {"int": int, "number": int | float, "str": str, "bool": bool}[schema]
        if not isinstance(value, allowed) or (isinstance(value, bool) and schema != "bool"):
            raise AssetError(f"{field_path} is {_what(value)}, glTF requires {schema}")


def _what(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"
