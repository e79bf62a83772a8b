# SPDX-License-Identifier: Apache-2.0
"""The bytes of a texture in, nothing out if Blender decodes all of it, else the reason for refusing the asset."""

import base64
import binascii
import io
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from multishade.assets.scanning.gltf import Gltf, name_of_extension, view_bytes
from multishade.errors import AssetError, MultiShadeError
from multishade.imaging.codecs import EXR_MAGIC
from multishade.imaging.decode import MOST_PIXELS, decode_image
from multishade.imaging.radiance import HDR_MAGICS
from multishade.text import read_regular

# Pillow's names of the formats that are rendered: PNG and JPEG by Blender, the others from a copy.
RENDERED = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "TGA", "TIFF", "JPEG2000", "DDS", "PSD")
NAMED = ("GIF", "AVIF")  # formats that Blender does not read, of which messages know the name
OPENED = (*(name for name in RENDERED if name != "MPO"), *NAMED)  # Pillow's JPEG reader opens MPO
# Extensions by which a glTF texture names its image; of these Blender reads only the first.
WEBP = "EXT_texture_webp"


def require_gltf_images(gltf: Gltf) -> None:
    """Require that every image of a glTF that Blender reads decodes, and that every texture in use has one.

    Raises:
        AssetError: If not; it names the image or texture.
    """
    for index in sorted(_textures_in_use(gltf.items("materials"))):
        texture = gltf.item("textures", index, "a material")
        extensions = texture.get("extensions", {})
        if "source" not in texture and WEBP not in extensions:
            named = ", ".join(map(name_of_extension, sorted(extensions))) or "no image"
            raise AssetError(
                f"its textures[{index}] has only {named}, which Blender cannot read; export it with PNG or JPEG"
            )
    unread = _images_not_read(gltf)
    for index, item in enumerate(gltf.items("images")):
        if index in unread:
            continue
        name, uri = f"its images[{index}]", item.get("uri")
        if uri is None:
            data = bytes(view_bytes(gltf, item.get("bufferView", -1), f"images[{index}]"))
            require_decodable(data, f"{name} (embedded)")
        elif uri.startswith("data:"):
            try:
                data = base64.b64decode(unquote(uri.partition(",")[2]), validate=True)
            except binascii.Error as error:
                raise AssetError(f"{name} (a data URI) is not base64 ({error})") from error
            require_decodable(data, f"{name} (a data URI)")
        else:
            require_decodable((gltf.path.parent / unquote(uri)).read_bytes(), f"{name} ({uri})")


def require_file_decodable(path: Path, name: str) -> None:
    """Require that a texture file decodes to its last byte.

    Args:
        path: Of the file.
        name: How the error names it.

    Raises:
        AssetError: If it does not.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise AssetError(f"{name} cannot be read ({error.strerror})") from error
    require_decodable(data, name)


def require_decodable(data: bytes, name: str) -> None:
    """Require that an image in memory decodes to its last byte, in a format that is rendered.

    Raises:
        AssetError: If it does not.
    """
    from PIL import Image, UnidentifiedImageError

    if data.startswith((EXR_MAGIC, *HDR_MAGICS)):
        try:
            decode_image(data, name)
        except (MultiShadeError, OSError, ValueError, RuntimeError) as error:
            raise AssetError(f"{name} cannot be read as an image ({error})") from error
        return
    try:
        with Image.open(io.BytesIO(data), formats=OPENED) as image:
            form = image.format
            if image.width * image.height > MOST_PIXELS:
                raise AssetError(
                    f"{name} is {image.width} x {image.height}; up to {MOST_PIXELS:,} pixels are read"
                )
            if form in RENDERED:
                image.load()
    except UnidentifiedImageError as error:
        kind = "KTX2, which Blender cannot read" if data[1:7] == b"KTX 20" else "an unknown format"
        raise AssetError(f"{name} cannot be read as an image ({kind})") from error
    except Image.DecompressionBombError as error:
        raise AssetError(f"{name} cannot be read as an image: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise AssetError(
            f"{name} cannot be read as an image: it is cut short or damaged ({error})"
        ) from error
    if form not in RENDERED:
        raise AssetError(f"{name} is {form}, which Blender cannot read; convert it to PNG or JPEG")


def _images_not_read(gltf: Gltf) -> set[int]:
    """Images that textures name only by an extension that Blender passes over in favour of the texture's own image."""
    read: set[int] = set()
    passed_over: set[int] = set()
    for texture in gltf.items("textures"):
        read.add(texture.get("source", -1))
        for name, extension in texture.get("extensions", {}).items():
            if isinstance(extension, dict):
                (read if name == WEBP else passed_over).add(extension.get("source", -1))
    return passed_over - read


def _textures_in_use(value: Any) -> set[int]:
    """Indices of the textures that materials refer to, also in their extensions."""
    if isinstance(value, list):
        return set().union(*(_textures_in_use(item) for item in value))
    if not isinstance(value, dict):
        return set()
    found: set[int] = set()
    for key, item in value.items():
        if key.lower().endswith("texture") and isinstance(item, dict) and isinstance(item.get("index"), int):
            found.add(item["index"])
        found |= _textures_in_use(item)
    return found
