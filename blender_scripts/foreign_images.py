# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of an imported scene -> the same, or copies where Blender's reader of the format is not trusted.

Blender decodes an image when its pixels are asked for first, which is after this. PNG and JPEG are left to it. Of every
other image the bytes are handed to the worker, whose own readers make a PNG or a plain EXR of it in a confined process;
then the group is loaded again, with that copy in place of the image.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import bpy

from blender_scripts import audit
from blender_scripts.errors import ObjectUnusable
from multishade.protocol.messages import ForeignImage

PLAIN = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
# First bytes of what is an image elsewhere and not rendered here.
NOT_READ = {
    b"GIF8": "GIF",
    b"\xabKTX": "KTX2",
    b"SDPX": "DPX",
    b"XPDS": "DPX",
    b"\x80*_\xd7": "Cineon",
    b"\x1aE\xdf\xa3": "a movie",
}
FAULT, COPY = "multishade_fault", "multishade_copy"  # custom properties of images
LARGEST_BYTES = 1 << 31  # of an image file
# Users of images that no mesh shows.
UNSEEN = ("WORLD", "SCENE", "SCREEN", "WINDOWMANAGER", "BRUSH", "CAMERA", "WORKSPACE", "LIGHT")


class ForeignImages(Exception):
    """Images that copies have to be made of before the object can be loaded."""

    def __init__(self, images: list[ForeignImage]) -> None:
        super().__init__(f"{len(images)} images need copies")
        self.images = tuple(images)


def replace(root: Path, name: str, copies: dict[str, str]) -> None:
    """Replace every image that is neither PNG nor JPEG by its copy, before Blender decodes any.

    An image that cannot be read is marked (`fault_of`) and emptied: whether it matters depends on whether it is shown.

    Args:
        root: Folder outside of which no file is read.
        name: Of the object, for messages.
        copies: sha256 -> path of the copy, or "!" and why there is none.

    Raises:
        ForeignImages: If there are images that `copies` lacks.
    """
    if not bpy.data.images:
        return
    missing: dict[str, ForeignImage] = {}
    users = bpy.data.user_map(subset=set(bpy.data.images))
    for image in list(bpy.data.images):
        if image.source in ("GENERATED", "VIEWER") or image.type in ("RENDER_RESULT", "COMPOSITING"):
            continue
        if all(user.id_type in UNSEEN for user in users.get(image, ())):
            bpy.data.images.remove(image)
            continue
        try:
            data = _bytes_to_replace(image, root, name)
        except ObjectUnusable as error:
            _empty(image, str(error))
            continue
        if data is None:
            continue
        digest = hashlib.sha256(data).hexdigest()
        copy = copies.get(digest)
        if copy is None:
            missing.setdefault(digest, _handed_over(image, digest, data))
        elif copy.startswith("!"):
            _empty(image, f"{name}: the texture {audit.label(image)!r} cannot be read: {copy[1:]}")
        else:
            _put(image, copy)
    if missing:
        raise ForeignImages(list(missing.values()))


def fault_of(image: bpy.types.Image) -> str | None:
    """Why an image cannot be rendered, as `replace` found out; None if nothing is wrong."""
    return image.get(FAULT)


def is_copy(image: bpy.types.Image) -> bool:
    """Whether an image is a copy that the worker made."""
    return COPY in image


def _bytes_to_replace(image: bpy.types.Image, root: Path, name: str) -> bytes | None:
    """The bytes of an image if Blender is not to read it; None if it may, or if there is no file.

    Raises ObjectUnusable if it is not read at all.
    """
    texture = f"{name}: the texture {audit.label(image)!r}"
    if image.source == "MOVIE":
        raise ObjectUnusable(f"{texture} is a movie, which is not read")
    packed = [item.packed_file.data for item in image.packed_files]
    if packed:
        contents = [bytes(data) for data in packed]
    else:
        contents = []
        for path in _files(image):
            audit.require_below(path, root, name)
            if not path.exists():
                continue
            if not path.is_file():
                raise ObjectUnusable(f"{texture} is at {str(path)!r}, which is not a file")
            if path.stat().st_size > LARGEST_BYTES:
                raise ObjectUnusable(f"{texture} is larger than {LARGEST_BYTES >> 30} GiB")
            contents.append(path.read_bytes())
    foreign = [data for data in contents if not data.startswith(PLAIN)]
    for data in foreign:
        kind = next((kind for magic, kind in NOT_READ.items() if data.startswith(magic)), None)
        if data[4:8] == b"ftyp":
            kind = {b"avif": "AVIF", b"heic": "HEIC", b"mif1": "HEIF"}.get(data[8:12], "a movie")
        if kind is not None:
            raise ObjectUnusable(f"{texture} is {kind}, which is not read; convert it to PNG or JPEG")
    if not foreign:
        return None
    if len(contents) > 1 or image.source in ("TILED", "SEQUENCE"):
        raise ObjectUnusable(
            f"{texture} is made of several files that are neither PNG nor JPEG; convert them"
        )
    return foreign[0]


def _files(image: bpy.types.Image) -> list[Path]:
    """The files of an image that is not packed."""
    if not image.filepath:
        return []
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    if image.source == "TILED":
        return [Path(str(path).replace("<UDIM>", str(tile.number))) for tile in image.tiles]
    return [path]


def _handed_over(image: bpy.types.Image, digest: str, data: bytes) -> ForeignImage:
    path = os.path.join(tempfile.gettempdir(), f"{digest}.image")
    Path(path).write_bytes(data)
    return ForeignImage(digest, path, audit.label(image))


def _put(image: bpy.types.Image, copy: str) -> None:
    """Let an image be that file; how its numbers are taken, and whether it is packed, stay."""
    was_packed, colours, alpha = bool(image.packed_files), image.colorspace_settings.name, image.alpha_mode
    label = audit.label(image)
    if was_packed:
        image.unpack(method="REMOVE")
    image.source = "FILE"
    image.filepath = copy
    image.reload()
    image.colorspace_settings.name, image.alpha_mode = colours, alpha
    if was_packed:
        image.pack()
    image[COPY] = label


def _empty(image: bpy.types.Image, fault: str) -> None:
    """Let an image read nothing, and keep why."""
    if image.packed_files:
        image.unpack(method="REMOVE")
    image.source = "GENERATED"
    image.filepath = ""
    image[FAULT] = fault
