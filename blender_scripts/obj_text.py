# SPDX-License-Identifier: GPL-3.0-or-later
"""An OBJ file and its libraries -> Blender's scene, with what Blender's reader would lose of them without a word.

That is the first statement after a byte order mark, a library in UTF-16, all libraries of a line that names several,
statements in other letters (`map_kd`), textures behind backslashes, transparency as `Tr`, a `map_d` in grey, a normal
map by `norm`, and one by `bump` that states no strength, which Blender takes for 0. Such files are read from a copy;
every other file is read from where it is.
"""

import codecs
import os
import re
import tempfile
from pathlib import Path

import bpy
import numpy as np

from blender_scripts import audit
from blender_scripts.errors import ObjectUnusable
from multishade.protocol.obj_indices import wrong_index

# UTF-32's mark begins with that of UTF-16, so it comes first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The statements of a library that Blender reads, in the letters in which it reads them.
STATEMENTS = (
    "newmtl Ka Kd Ks Ke Ns Ni d Tr illum Pr Ps Pm Pc Pcr Tf aniso "
    "anisor map_Kd map_Ks map_Ns map_Ke map_d map_Pr map_Pm map_Ps map_refl refl map_Bump bump norm"
).split()
LETTERS = {statement.lower(): statement for statement in STATEMENTS}
TEXTURES = ("map_", "bump", "refl", "norm")
FACE = re.compile(rb"(?m)^[ \t]*f[ \t]")
RELIEF = ("map_Bump", "bump", "norm")


def import_obj(path: Path, root: Path) -> None:
    """Import a Wavefront OBJ.

    Raises ObjectUnusable if a face was dropped that names what is not there; what Blender's importer raises.
    """
    libraries = _libraries(path)
    for library in libraries:
        audit.require_below(library, root, path.name)
    _import(path, libraries)
    if sum(len(mesh.polygons) for mesh in bpy.data.meshes) < len(FACE.findall(path.read_bytes())):
        if (reason := wrong_index(_lines(path))) is not None:
            raise ObjectUnusable(f"{path}: {reason}")
    for library in libraries:
        for name, transparency in _transparencies(library).items():
            material = bpy.data.materials.get(name)
            if material is not None and material.node_tree is not None:
                for node in material.node_tree.nodes:
                    if node.type == "BSDF_PRINCIPLED" and not node.inputs["Alpha"].is_linked:
                        node.inputs["Alpha"].default_value = 1.0 - transparency


def settle_images() -> None:
    """Read the images of all materials as their statements mean them; to be called once images may be decoded.

    Grey is alpha in a `map_d`; normals, roughness and the like are numbers as they are stored, which Blender decodes as
    colours.
    """
    for material in bpy.data.materials:
        _take_grey_for_alpha(material)
        _take_numbers_as_stored(material)


def _import(path: Path, libraries: list[Path]) -> None:
    texts = {library: _plain_library(library) for library in libraries}
    named, marked = _named(path), _mark(path)
    readable = all(
        len(files) == 1 and files[0] == path.parent / name for name, files in named.items() if files
    )
    if readable and not marked and all(text is None for text in texts.values()):
        bpy.ops.wm.obj_import(filepath=str(path))
        return
    with tempfile.TemporaryDirectory(prefix="multishade-") as folder:
        copy = Path(folder) / path.name
        lines = [line for line in _lines(path) if not line.lstrip().startswith("mtllib")]
        for number, (library, text) in enumerate(texts.items()):
            lines.insert(number, f"mtllib {number}.mtl\n")
            text = _plain_text(library) if text is None else text
            (copy.parent / f"{number}.mtl").write_bytes(text.encode("utf-8", "surrogateescape"))
        copy.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
        bpy.ops.wm.obj_import(filepath=str(copy))
        for image in bpy.data.images:
            image.filepath = os.path.realpath(bpy.path.abspath(image.filepath))


def _mark(file: Path) -> str:
    """The encoding that a byte order mark states, or ""."""
    with file.open("rb") as stream:
        head = stream.read(4)
    return next((name for mark, name in MARKS if head.startswith(mark)), "")


def _lines(file: Path) -> list[str]:
    """The lines of a text, without its byte order mark; bytes that are not UTF-8 are kept as surrogates."""
    data, encoding = file.read_bytes(), _mark(file)
    mark = next((mark for mark, name in MARKS if name == encoding), b"")
    return data[len(mark) :].decode(encoding or "utf-8", "surrogateescape").splitlines(keepends=True)


def _libraries(path: Path) -> list[Path]:
    """The libraries that are there, each once: those named, and the one with the name of the OBJ."""
    files = [file for found in _named(path).values() for file in found]
    files += [path.with_suffix(".mtl")] if path.with_suffix(".mtl").is_file() else []
    return list(dict.fromkeys(files))


def _named(path: Path) -> dict[str, list[Path]]:
    """What each `mtllib` names, and its files: one whose name may have spaces, or several."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        stated = [
            line.strip()[len("mtllib") :].strip() for line in lines if line.lstrip().startswith("mtllib")
        ]
    found = {}
    for text in stated:
        for names in ([text], text.split()):
            files = [path.parent / name.strip("\"'").replace("\\", "/") for name in names]
            found[text] = [file for file in files if file.is_file()]
            if found[text]:
                break
    return found


def _plain_library(library: Path) -> str | None:
    """A library as Blender reads all of it, with textures by their whole paths; None if it reads the file itself."""
    lines, changed = _lines(library), bool(_mark(library))
    for line in lines:
        key, _, rest = line.strip().partition(" ")
        changed |= LETTERS.get(key.lower(), key) != key or "\t" in line.strip()
        changed |= key.lower().startswith(TEXTURES) and "\\" in rest
        changed |= LETTERS.get(key.lower()) in RELIEF
    return _plain_text(library) if changed else None


def _plain_text(library: Path) -> str:
    """A library with its statements in Blender's letters and its textures by their whole paths."""
    statements = []
    for line in _lines(library):
        key, rest = [*line.strip().split(None, 1), "", ""][:2]
        key = LETTERS.get(key.lower(), key)
        if key.lower().startswith(TEXTURES):
            words = _with_whole_path(library.parent, rest)
        else:
            words = [rest] if key == "newmtl" else rest.split()  # a name may have several spaces
        statements.append([key, *words])
    return "".join(" ".join(words) + "\n" for words in _with_one_relief(statements))


def _with_one_relief(statements: list[list[str]]) -> list[list[str]]:
    """Each material's last statement of a normal map as Blender reads it; `norm` goes before `bump`."""
    kept: list[list[str]] = []
    place = None  # of the current material's in `kept`
    for words in statements:
        if words[0] == "newmtl":
            place = None
        if words[0] not in RELIEF:
            kept.append(words)
        elif place is None:
            place = len(kept)
            kept.append(words)
        elif words[0] == "norm" or kept[place][0] != "norm":
            kept[place] = words
    return [_as_map_bump(words) if words[0] in RELIEF else words for words in kept]


def _as_map_bump(words: list[str]) -> list[str]:
    return ["map_Bump", *([] if "-bm" in words else ["-bm", "1"]), *words[1:]]


def _with_whole_path(folder: Path, rest: str) -> list[str]:
    """The options of a texture, and the path of the file that the last words name, if it is there."""
    for word in re.finditer(r"\S+", rest):
        file = audit.find_beside(folder, rest[word.start() :])
        if file is not None:
            return [*rest[: word.start()].split(), str(file.absolute())]
    return [word.replace("\\", "/") for word in rest.split()]


def _transparencies(library: Path) -> dict[str, float]:
    """The `Tr` of the materials that state no `d`, 1 - Tr being their alpha."""
    stated: dict[str, dict[str, float]] = {}
    current: dict[str, float] = {}
    for line in _lines(library):
        key, _, value = line.strip().partition(" ")
        key = LETTERS.get(key.lower(), key)
        if key == "newmtl":
            current = stated.setdefault(value.strip(), {})
        elif key in ("d", "Tr"):
            try:
                current[key] = float(value.split()[-1])
            except (ValueError, IndexError):
                continue
    return {name: keys["Tr"] for name, keys in stated.items() if "Tr" in keys and "d" not in keys}


def _take_grey_for_alpha(material: bpy.types.Material) -> None:
    """Let `map_d` be the grey of its image if that has no alpha, which Blender would take, and is not the colour's."""
    tree = material.node_tree
    for node in [] if tree is None else list(tree.nodes):
        if node.type != "BSDF_PRINCIPLED" or not node.inputs["Alpha"].is_linked:
            continue
        source = node.inputs["Alpha"].links[0].from_node
        base = node.inputs["Base Color"]
        if source.type != "TEX_IMAGE" or source.image is None or _has_alpha(source.image):
            continue
        if base.is_linked and getattr(base.links[0].from_node, "image", None) == source.image:
            continue
        _take_as_stored(source)
        tree.links.new(source.outputs["Color"], node.inputs["Alpha"])


def _take_numbers_as_stored(material: bpy.types.Material) -> None:
    for node in [] if material.node_tree is None else list(material.node_tree.nodes):
        if node.type != "TEX_IMAGE" or node.image is None:
            continue
        shown = [link.to_socket for link in node.outputs["Color"].links]
        if shown and not any(socket.type == "RGBA" and socket.node.type != "NORMAL_MAP" for socket in shown):
            _take_as_stored(node)


def _take_as_stored(node: bpy.types.Node) -> None:
    """Let an image node's image be numbers, not a colour, for this node alone."""
    if node.image.colorspace_settings.name == "Non-Color":
        return
    if node.image.users > 1:
        node.image = node.image.copy()
    node.image.colorspace_settings.name = "Non-Color"


def _has_alpha(image: bpy.types.Image) -> bool:
    """Whether alpha is below 1 anywhere; True for an image that does not decode, which the audit refuses."""
    if image.channels != 4 or not image.has_data and not image.size[0]:
        return True
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return bool((pixels[3::4] < 1).any())
