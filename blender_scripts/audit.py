# SPDX-License-Identifier: GPL-3.0-or-later
"""The imported scene -> nothing if all of it is sound, else ObjectUnusable that names what is not.

Blender itself reports little: it paints a texture that it cannot decode in magenta, fills the missing part of a JPEG
with grey, reads past the end of an array, and renders what is left if a part is missing.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from blender_scripts.errors import ObjectUnusable

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
LARGEST_RATIO = (
    2.0  # between the box that was measured when the file was scanned and the one that Blender shows
)


def require_images(materials: list[bpy.types.Material], root: Path, name: str) -> None:
    """Every image that these materials show lies below `root` and decodes to its last byte.

    Image nodes that nothing is computed from are removed, and with them the use of images that may not be there.
    """
    checked: set[str] = set()
    for material in materials:
        in_use = nodes_in_use(material)
        for node in [] if material.node_tree is None else list(material.node_tree.nodes):
            if node.type == "TEX_IMAGE" and node not in in_use:
                material.node_tree.nodes.remove(node)
        for node in nodes_in_use(material):
            if node.type not in ("TEX_IMAGE", "TEX_ENVIRONMENT"):
                continue
            if node.image is None:
                raise ObjectUnusable(f"{name}: material {material.name!r} has an image node without an image")
            if node.image.name_full not in checked:
                checked.add(node.image.name_full)
                if (fault := node.image.get("multishade_fault")) is not None:
                    raise ObjectUnusable(fault)
                if _on_disk(node.image) and "multishade_copy" not in node.image:
                    file = bpy.path.abspath(node.image.filepath, library=node.image.library)
                    require_below(Path(file), root, name)
                _require_image(node.image, f"{name}: the texture {label(node.image)!r}")


def require_below(file: Path, root: Path, name: str) -> None:
    """A file that `name` refers to lies below `root`, links followed: nothing else of a machine is rendered."""
    real, folder = os.path.realpath(file), os.path.realpath(root)
    if os.path.commonpath([folder, real]) != folder:
        raise ObjectUnusable(f"{name}: refers to {str(file)!r}, which lies outside of {root}")


def find_beside(folder: Path, name: str) -> Path | None:
    """The file that an asset in `folder` names; a path on its author's own disk is looked up by its last part."""
    plain = name.strip("\"'").replace("\\", "/")
    for candidate in (plain, plain.rpartition("/")[2]):
        if candidate and not candidate.startswith("/") and (folder / candidate).is_file():
            return folder / candidate
    return None


def require_libraries_below(root: Path, name: str) -> None:
    """All libraries of a .blend lie below `root`."""
    for library in bpy.data.libraries:
        require_below(Path(bpy.path.abspath(library.filepath)), root, name)


def require_size(found: np.ndarray, scanned: tuple[tuple, tuple] | None, name: str) -> None:
    """The box (2, 3) of the faces that Blender shows has the size that the scan measured.

    Axes differ between formats, so that diagonals are compared.
    """
    if scanned is None:
        return
    expected = float(np.linalg.norm(np.subtract(scanned[1], scanned[0])))
    diagonal = float(np.linalg.norm(found[1] - found[0]))
    if not expected / LARGEST_RATIO <= diagonal <= expected * LARGEST_RATIO:
        raise ObjectUnusable(
            f"{name}: is {diagonal:.4g} units across in Blender, but {expected:.4g} where its manifest was made; "
            "scan it again"
        )


def nodes_in_use(material: bpy.types.Material) -> list[bpy.types.Node]:
    """The nodes from which the material's output is computed, those inside of groups included."""
    if material.node_tree is None:
        return []
    output = material.node_tree.get_output_node("CYCLES")
    return list(upstream(output)) if output is not None else []


def upstream(node: bpy.types.Node, seen: set[int] | None = None) -> Iterator[bpy.types.Node]:
    """A node and those from which it is computed, each once, muted ones left out; seen: pointers to pass over."""
    seen = set() if seen is None else seen
    stack = [node]
    while stack:
        current = stack.pop()
        if current.as_pointer() in seen or current.mute:
            continue
        seen.add(current.as_pointer())
        yield current
        if current.type == "GROUP" and current.node_tree is not None:
            for inner in current.node_tree.nodes:
                if inner.type == "GROUP_OUTPUT":
                    yield from upstream(inner, seen)
        for socket in current.inputs:
            stack += [link.from_node for link in socket.links if not link.is_muted]


def label(image: bpy.types.Image) -> str:
    """How messages name an image: by its file, also if it has been replaced by a copy."""
    if "multishade_copy" in image:
        return image["multishade_copy"]
    return Path(image.filepath.replace("\\", "/")).name or image.name


def _on_disk(image: bpy.types.Image) -> bool:
    return (
        image.source in ("FILE", "TILED", "SEQUENCE", "MOVIE")
        and not image.packed_file
        and bool(image.filepath)
    )


def _require_image(image: bpy.types.Image, name: str) -> None:
    if image.source in ("GENERATED", "VIEWER"):
        return
    data = image.packed_file.data if image.packed_file else None
    if data is None and image.source == "FILE":
        path = Path(bpy.path.abspath(image.filepath, library=image.library))
        if not path.is_file():
            raise ObjectUnusable(f"{name} is missing ({image.filepath})")
        data = path.read_bytes()
    if data is not None and bytes(data[:7]) == b"\xabKTX 20":
        raise ObjectUnusable(f"{name} is KTX2, which Blender cannot read")
    if 0 in image.size:  # asking for its size makes Blender decode it
        raise ObjectUnusable(f"{name} is not an image that Blender can decode")
    if data is not None and (fault := fault_of(bytes(data))):
        raise ObjectUnusable(f"{name} is damaged: {fault}")


def fault_of(data: bytes) -> str | None:
    """What is wrong with the bytes of an image file, or None.

    Checks PNG (every chunk's checksum, and the end), JPEG (the end of the image) and WebP (the stated length); the
    decoders of other formats report a fault themselves.
    """
    if data.startswith(PNG):
        return _fault_of_png(data)
    if data.startswith(JPEG):
        return _fault_of_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        stated = struct.unpack_from("<I", data, 4)[0] + 8
        return f"it is cut short, {len(data)} of {stated} bytes" if len(data) < stated - 1 else None
    return None


def _fault_of_png(data: bytes) -> str | None:
    place, pixels = len(PNG), False
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 4 : place + 8 + length]
        if len(body) != 4 + length or place + 12 + length > len(data):
            return "it is cut short"
        if kind[0] < 97 and zlib.crc32(body) != struct.unpack_from(">I", data, place + 8 + length)[0]:
            return f"the checksum of its {kind.decode('latin-1')} chunk is wrong"
        if kind == b"IEND":
            return None if pixels else "it has no pixels"
        pixels = pixels or kind == b"IDAT"
        place += 12 + length
    return "it is cut short"


def _fault_of_jpeg(data: bytes) -> str | None:
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            place += 1
            continue
        marker = data[place + 1]
        if marker in (0xFF, 0x00, 0x01, 0xD8) or 0xD0 <= marker <= 0xD7:
            place += 1 if marker == 0xFF else 2
            continue
        if (
            marker == 0xDA
        ):  # the scan: its data ends with the end of the image, which nothing in it can look like
            return None if data.find(b"\xff\xd9", place) >= 0 else "it is cut short"
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return "it is cut short"
