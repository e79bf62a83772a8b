# SPDX-License-Identifier: Apache-2.0
"""A mesh file in, the facts that a manifest states about it out; a file that cannot be rendered is an error.

glTF, GLB, OBJ, PLY and STL are read with trimesh; glTF's structure is checked before. Only Blender reads FBX, USD and
BLEND: of these the first bytes are checked, and they are tagged `unchecked`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.assets.scanning.findings import gltf_findings, require_solid_part
from multishade.assets.scanning.gltf import Gltf, as_glb, read_gltf, referenced_files
from multishade.assets.scanning.gltf_geometry import declared_geometry
from multishade.assets.scanning.references import (
    files_of_obj,
    files_of_usd,
    loses_colour_of_ply,
    normal_maps_of_obj,
    require_below,
    texture_of_ply,
)
from multishade.assets.scanning.shown import has_opposed_normals, shown_corners
from multishade.assets.scanning.textures import (
    gltf_has_grey_normal_map,
    is_grey,
    require_file_decodable,
    require_gltf_images,
)
from multishade.errors import AssetError
from multishade.protocol import limits

READ_BY_TRIMESH = (".glb", ".gltf", ".obj", ".ply", ".stl")
READ_BY_BLENDER = (".fbx", ".usd", ".usda", ".usdc", ".usdz", ".blend")
MESH_SUFFIXES = READ_BY_TRIMESH + READ_BY_BLENDER
OTHER_MESH_SUFFIXES = (
    ".3ds",
    ".abc",
    ".ase",
    ".dae",
    ".drc",
    ".dxf",
    ".lwo",
    ".off",
    ".smd",
    ".x",
    ".x3d",
    ".wrl",
)

NO_NORMAL_MAP = "normal-map-left-out"  # tag: a grey image in the place of a normal map
FLAT = 1e-3  # thinnest over longest side of the box

_MAGIC = {
    ".fbx": (b"Kaydara FBX Binary", b"; FBX"),
    ".usd": (b"PXR-USDC", b"#usda", b"PK\x03\x04"),
    ".usda": (b"#usda",),
    ".usdc": (b"PXR-USDC",),
    ".usdz": (b"PK\x03\x04",),
    ".blend": (b"BLENDER", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"),
}


@dataclass(frozen=True)
class MeshFacts:
    """Facts of a mesh file; None if only Blender can read them.

    Attributes:
        vertices: Number of vertices over all parts in the scene.
        faces: Number of triangles, likewise.
        bounds: (low, high) corners, in the file's units and axes.
        files: Further files of the asset, relative to its folder.
        tags: Properties; `docs/assets.md` lists them.
        licence: The licence that the file itself states.
    """

    vertices: int | None
    faces: int | None
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]] | None
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    licence: str | None = None


def check_mesh(path: str, root: str | None = None) -> MeshFacts:
    """Read and check one mesh file.

    Parsers may raise any exception, hang, or use any amount of memory: call this through `sandbox.run_sandboxed`.

    Args:
        path: A file whose suffix is one of `MESH_SUFFIXES`.
        root: Folder outside of which none of its files may lie, links followed; None: the folder above its own.

    Returns:
        The facts of the mesh.

    Raises:
        AssetError: If the mesh cannot be rendered, with the reason.
    """
    file = Path(path)
    allowed = Path(root) if root is not None else file.absolute().parent.parent
    suffix = file.suffix.lower()
    if file.stat().st_size == 0:
        raise AssetError("is empty (0 bytes)")
    if suffix in READ_BY_BLENDER:
        with file.open("rb") as stream:
            if not stream.read(32).startswith(_MAGIC[suffix]):
                raise AssetError(f"is not a {suffix[1:].upper()} file (its first bytes say so)")
        return MeshFacts(None, None, None, files_of_usd(file, allowed), ("unchecked",))
    if suffix in (".glb", ".gltf"):
        return _check_gltf(file, allowed)
    files: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    if suffix == ".obj":
        files, tags = files_of_obj(file, allowed)
    elif suffix == ".ply":
        texture = texture_of_ply(file)
        files = () if texture is None else (texture,)
        tags = ("colour-lost",) if loses_colour_of_ply(file) else ()
    for name in files:
        require_below(file.parent / name, name, allowed)
        if not name.lower().endswith(".mtl"):
            require_file_decodable(file.parent / name, f"its texture {name!r}")
    if suffix == ".obj" and any(
        is_grey((file.parent / name).read_bytes(), name) for name in normal_maps_of_obj(file)
    ):
        tags += (NO_NORMAL_MAP,)
    vertices, faces, bounds, corrected = _measure(file)
    tags += corrected
    return MeshFacts(vertices, faces, _corners(bounds), files, tags + _shape_tags(bounds))


def _check_gltf(file: Path, root: Path) -> MeshFacts:
    gltf = read_gltf(file)
    files = referenced_files(gltf)
    for name in files:
        require_below(file.parent / name, name, root)
    declared = declared_geometry(gltf)
    require_gltf_images(gltf)
    require_solid_part(gltf, declared.meshes)
    vertices, faces, bounds = declared.vertices, declared.faces, declared.bounds
    _require_usable_size(bounds)
    tags: tuple[str, ...] = ("draco",) if declared.compressed else ()
    tags += tuple(tag for tag, key in (("skinned", "skins"), ("animated", "animations")) if gltf.items(key))
    tags += gltf_findings(gltf)
    tags += (NO_NORMAL_MAP,) if gltf_has_grey_normal_map(gltf) else ()
    if declared.exact:
        vertices, faces, bounds, corrected = _measure(file, gltf)
        tags += corrected
    else:
        tags += ("unchecked",)  # trimesh would read zeros, or a part of it; Blender checks it on import
    return MeshFacts(vertices, faces, _corners(bounds), files, tags + _shape_tags(bounds), _licence_of(gltf))


def _measure(file: Path, gltf: Gltf | None = None) -> tuple[int, int, NDArray[np.float64], tuple[str, ...]]:
    """Measure every mesh in the scene as trimesh reads it, each checked.

    Returns:
        Vertices, triangles, the box (2, 3) of the triangles with an area, and tags of what will be corrected.
    """
    import io

    import trimesh

    source: Any = file
    options: dict[str, Any] = {"process": False, "skip_materials": True, "resolver": _resolver(file.parent)}
    if gltf is not None and gltf.hides:
        source, options["file_type"] = io.BytesIO(as_glb(gltf)), "glb"
    opposed = False
    with np.errstate(all="ignore"):
        loaded = trimesh.load(source, **options)
        scene = loaded if isinstance(loaded, trimesh.Scene) else trimesh.Scene(loaded)
        vertices = faces = 0
        area = 0.0
        corners, everything = [], []
        for node in scene.graph.nodes_geometry:
            transform, name = scene.graph[node]
            mesh = scene.geometry[name]
            if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
                continue
            used = mesh.vertices[np.unique(mesh.faces)]
            if not np.isfinite(used).all() or not np.isfinite(transform).all():
                raise AssetError(f"has infinite or NaN coordinates (in {name!r})")
            vertices += len(mesh.vertices)
            faces += len(mesh.faces)
            if (reason := limits.too_many(0, faces)) is not None:
                raise AssetError(reason)
            in_scene = shown_corners(mesh.vertices[mesh.faces]) @ transform[:3, :3].T + transform[:3, 3]
            corners += [in_scene.min(axis=0), in_scene.max(axis=0)]
            whole = mesh.vertices @ transform[:3, :3].T + transform[:3, 3]
            everything += [whole.min(axis=0), whole.max(axis=0)]
            if "vertex_normals" in mesh._cache.cache:  # those of the file: none have been computed
                opposed = opposed or has_opposed_normals(
                    mesh.vertices[mesh.faces], mesh.vertex_normals[mesh.faces]
                )
            area += float(mesh.area) * abs(float(np.linalg.det(transform[:3, :3]))) ** (2 / 3)
    if not faces:
        raise AssetError("has no faces (only points or lines, or nothing at all)")
    bounds = np.stack([np.min(corners, axis=0), np.max(corners, axis=0)])
    _require_usable_size(bounds)
    if not area > 1e-12 * float(np.linalg.norm(bounds[1] - bounds[0])) ** 2:
        raise AssetError("has faces, but none with an area")
    stray = (np.ptp(everything, axis=0) > np.ptp(bounds, axis=0) * (1 + 1e-6)).any()
    corrected = (("normals-turned", opposed), ("stray-geometry", stray))
    return vertices, faces, bounds, tuple(tag for tag, present in corrected if present)


def _require_usable_size(bounds: NDArray[np.float64]) -> None:
    if not np.isfinite(bounds).all():
        raise AssetError("has infinite or NaN coordinates")
    diagonal = float(np.linalg.norm(bounds[1] - bounds[0]))
    if diagonal == 0:
        raise AssetError("has all its vertices in one point")
    if (reason := limits.unusable_box(diagonal, float(np.abs(bounds).max()))) is not None:
        raise AssetError(reason)


def _shape_tags(bounds: NDArray[np.float64]) -> tuple[str, ...]:
    sides = bounds[1] - bounds[0]
    return ("flat",) if sides.min() < FLAT * sides.max() else ()


def _corners(bounds: NDArray[np.float64]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    # Seven digits: what float32 holds, so that other versions of NumPy write the same manifest.
    low, high = ([float(f"{value:.7g}") for value in corner] for corner in bounds)
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _resolver(folder: Path) -> Any:
    """A resolver of the files beside a mesh, also of percent-encoded URIs, which trimesh's own does not resolve."""
    from urllib.parse import unquote

    from trimesh.resolvers import FilePathResolver

    class Unquoting(FilePathResolver):
        def get(self, name: str) -> bytes:
            plain = folder / name.strip()
            return (plain if plain.is_file() else folder / unquote(name)).read_bytes()

    return Unquoting(str(folder) + "/")


def _licence_of(gltf: Gltf) -> str | None:
    asset = gltf.json["asset"]
    extras = asset.get("extras")
    stated = extras.get("license", extras.get("licence")) if isinstance(extras, dict) else None
    return stated if isinstance(stated, str) else asset.get("copyright")
