# SPDX-License-Identifier: Apache-2.0
"""The bytes of a texture in, nothing out if Blender decodes all of it, else the reason for refusing the asset."""

import base64
import binascii
import io
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from multishade.assets.scanning.gltf import Gltf, name_of_extension, view_bytes
from multishade.errors import AssetError, ImageFileError
from multishade.imaging.blender_formats import PLAIN_MAGICS, require_copyable
from multishade.imaging.decode import MOST_PIXELS, decode_image, open_with_pillow
from multishade.protocol import limits
from multishade.text import read_regular

# (place, first bytes, name) of formats that are not rendered, although some are read as photographs.
NOT_RENDERED = (
    (0, b"GIF8", "GIF"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyp", "HEIC or a movie"),
    (1, b"KTX 20", "KTX2"),
)
# Extensions by which a glTF texture names its image; of these Blender reads only the first.
WEBP = "EXT_texture_webp"
LOOKED_AT = 256  # pixels a side, at least, of an image whose colour is asked for


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
        require_decodable(*_gltf_image(gltf, index, item))


def gltf_has_grey_normal_map(gltf: Gltf) -> bool:
    """Return whether a material names an image without colour as a normal map; to be called after
    `require_gltf_images`.
    """
    textures = set()
    for material in gltf.items("materials"):
        coat = material.get("extensions", {}).get("KHR_materials_clearcoat")
        for part, key in ((material, "normalTexture"), (coat, "clearcoatNormalTexture")):
            named = part.get(key) if isinstance(part, dict) else None
            if isinstance(named, dict) and isinstance(named.get("index"), int):
                textures.add(named["index"])
    sources = set()
    for index in sorted(textures):
        texture = gltf.item("textures", index, "a material")
        webp = texture.get("extensions", {}).get(WEBP)
        sources.add((webp if isinstance(webp, dict) else texture).get("source", -1))
    images = {index: gltf.item("images", index, "a texture") for index in sorted(sources)}
    return any(is_grey(*_gltf_image(gltf, index, item)) for index, item in images.items())


def is_grey(data: bytes, name: str) -> bool:
    """Return whether an image in memory has no colour, so that it cannot be a normal map of a tangent space.

    Rendering leaves such a map out.

    Raises:
        AssetError: If it does not decode; it has `name`.
    """
    try:
        pixels = decode_image(data, name, upright=False).rgb
    except ImageFileError as error:
        raise AssetError(str(error)) from error
    rows, columns = (max(1, side // LOOKED_AT) for side in pixels.shape[:2])
    return limits.has_no_colour(np.clip(pixels[::rows, ::columns], 0, 1).reshape(-1, 3))


def _gltf_image(gltf: Gltf, index: int, item: dict[str, Any]) -> tuple[bytes, str]:
    """The bytes of an image, and how messages name it."""
    name, uri = f"its images[{index}]", item.get("uri")
    if uri is None:
        return bytes(view_bytes(gltf, item.get("bufferView", -1), f"images[{index}]")), f"{name} (embedded)"
    if not uri.startswith("data:"):
        return (gltf.path.parent / unquote(uri)).read_bytes(), f"{name} ({uri})"
    try:
        return base64.b64decode(unquote(uri.partition(",")[2]), validate=True), f"{name} (a data URI)"
    except binascii.Error as error:
        raise AssetError(f"{name} (a data URI) is not base64 ({error})") from error


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
    """Require that an image in memory decodes to its last byte, by the reader that it has in rendering.

    Raises:
        AssetError: If it does not.
    """
    for place, magic, kind in NOT_RENDERED:
        if data[place:].startswith(magic):
            raise AssetError(f"{name} is {kind}, which Blender cannot read; convert it to PNG or JPEG")
    if data.startswith(PLAIN_MAGICS):
        _require_plain(data, name)
        return
    try:
        require_copyable(decode_image(data, name, upright=False))
    except ImageFileError as error:
        raise AssetError(str(error)) from error


def _require_plain(data: bytes, name: str) -> None:
    """`require_decodable` of PNG and JPEG, which Blender reads itself."""
    from PIL import UnidentifiedImageError

    damaged = f"{name} cannot be read as an image: it is cut short or damaged"
    try:
        with open_with_pillow(io.BytesIO(data), ("PNG", "JPEG")) as image:  # MPO is JPEG
            if image.width * image.height > MOST_PIXELS:
                raise AssetError(
                    f"{name} is {image.width} x {image.height}; up to {MOST_PIXELS:,} pixels are read"
                )
            image.load()
    except UnidentifiedImageError as error:
        raise AssetError(damaged) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise AssetError(f"{damaged} ({error})") from error


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
