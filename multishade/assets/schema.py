# SPDX-License-Identifier: Apache-2.0
"""The rows of manifests: frozen, strict models of one object, one material, one environment.

A row keeps `location` as it is written, since fingerprints include it; `row.path` resolves it against the folder of the
row's manifest.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from multishade.errors import ManifestError

ScalarMap = Literal["roughness", "metallic", "height", "ao", "opacity"]
MAPS = ("base_color", "roughness", "metallic", "normal", "height", "ao", "opacity")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ALLOWED_ID = "letters, digits, '_' and '-'"


def _check(allowed: str, pattern: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"{value!r} is not {allowed}")
        return value

    return AfterValidator(check)


def _words(value: str) -> str:
    if not value.strip() or _CONTROL.search(value):
        raise ValueError(f"{value!r} is not a word or more in one line")
    return value


def _relative_file(value: str) -> str:
    if (
        not value
        or _CONTROL.search(value)
        or value.startswith("/")
        or "\\" in value
        or value.split("/")[0].endswith(":")
    ):
        raise ValueError(f"{value!r} is not a path relative to the row's folder, with forward slashes")
    return value


Identifier = Annotated[str, _check(_ALLOWED_ID, r"[A-Za-z0-9_-]+")]
Sha256 = Annotated[str, _check("64 hex digits (lower case)", r"[0-9a-f]{64}")]
Text = Annotated[str, AfterValidator(_words)]
RelativeFile = Annotated[str, AfterValidator(_relative_file)]
Corner = tuple[float, float, float]


class Row(BaseModel):
    """The fields of every row.

    Attributes:
        id: Name in shards, without dots.
        source: Where the asset comes from: a file, the program or Blender.
        location: Depends on the source; see the subclasses.
        sha256: Hash of the files (see `hashing.sha256_of_files`); None for an asset without files.
        files: Further files of the asset (buffers, textures, material libraries), relative to the folder of its main
            file; they are hashed with it.
        licence: SPDX identifier, or a statement.
        split: Training, validation or testing.
        tags: Properties, for selection.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    id: Identifier
    source: str
    location: Text
    sha256: Sha256 | None = None
    files: tuple[RelativeFile, ...] = ()
    licence: Text
    split: Literal["train", "val", "test"]
    tags: tuple[Text, ...] = ()
    _folder: Path = PrivateAttr(default_factory=Path)

    @property
    def in_files(self) -> bool:
        """Whether the asset has files of its own, rather than being part of the program or of Blender."""
        return self.source in ("file", "maps")

    @property
    def path(self) -> Path:
        """Absolute path of the main file, or of the folder of maps.

        Raises:
            ManifestError: If the asset is built in and has no file.
        """
        if not self.in_files:
            raise ManifestError(f"{self.id}: a row of source {self.source!r} has no file of its own")
        return Path(os.path.abspath(self._folder / self.location))

    def with_folder(self: "RowType", folder: Path) -> "RowType":
        """Return the same row, its location resolved against `folder`."""
        row = self.model_copy()
        row._folder = folder
        return row

    def members(self) -> tuple[Path, tuple[str, ...]]:
        """Return the folder that `sha256` covers and the names of the files in it, the main file first."""
        return self.path.parent, (self.path.name, *self.files)

    @model_validator(mode="after")
    def _file_is_hashed(self) -> "Row":
        if self.in_files and self.sha256 is None:
            raise ValueError("field 'sha256' is missing: a row of a file must state its hash")
        if not self.in_files and (self.sha256 is not None or self.files):
            raise ValueError(f"fields 'sha256' and 'files' belong to files; source {self.source!r} has none")
        return self


RowType = TypeVar("RowType", bound=Row)


class ObjectRow(Row):
    """One object.

    Attributes:
        location: "family/seed" (builtin), "monkey" (blender) or a path (file).
        family: Family of a built-in object, or the class that a collection gives it.
        vertices: Number of vertices as trimesh reads them, None if it cannot.
        faces: Number of triangles, likewise.
        bounds: Low and high corner of the bounding box, in the file's own units and axes.
        up: Axis of the file's own coordinates that points up (of FBX, USD and BLEND: of those that Blender imports);
            None: as the format defines it.
        rotation: Degrees about the world's x, then y, then z (up), after `up`; None: no rotation.
        scale: Radius of the object's bounding sphere, relative to that of other objects; None: 1.
        root: ".": none of the files of an FBX, USD or BLEND lies outside of its own folder, which was scanned; None:
            none lies outside of the folder above.
    """

    source: Literal["builtin", "blender", "file"]
    family: Identifier
    vertices: Annotated[int, Field(ge=1)] | None = None
    faces: Annotated[int, Field(ge=1)] | None = None
    bounds: tuple[Corner, Corner] | None = None
    up: Literal["x", "y", "z"] | None = None
    rotation: Corner | None = None
    scale: Annotated[float, Field(gt=0, le=1)] | None = None
    root: Literal["."] | None = None

    @property
    def lists_all_files(self) -> bool:
        """Whether `files` is complete; what an FBX, USD or BLEND needs, Blender alone can tell."""
        return "unchecked" not in self.tags or self.location.lower().endswith((".glb", ".gltf"))

    @property
    def root_folder(self) -> Path:
        """The folder outside of which no file of the object lies."""
        folder, names = self.members()
        if self.lists_all_files:
            return Path(
                os.path.commonpath([os.path.dirname(os.path.normpath(folder / name)) for name in names])
            )
        return folder if self.root == "." else folder.parent

    @model_validator(mode="after")
    def _location_fits(self) -> "ObjectRow":
        if self.source == "builtin":
            family, _ = family_and_seed(self.location)
            if family != self.family:
                raise ValueError(
                    f"field 'family': {self.family!r} is not the family of location {self.location!r}"
                )
        if self.source != "file" and self.up is not None:
            raise ValueError("field 'up' belongs to files: built-in objects stand upright; use 'rotation'")
        if self.source == "blender" and self.location != "monkey":
            raise ValueError(f"field 'location': {self.location!r} is not one of Blender's objects: monkey")
        return self


class Maps(BaseModel):
    """Files of one material, relative to the row's location."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    base_color: RelativeFile
    roughness: RelativeFile | None = None
    metallic: RelativeFile | None = None
    normal: RelativeFile | None = None
    height: RelativeFile | None = None
    ao: RelativeFile | None = None
    opacity: RelativeFile | None = None

    def present(self) -> dict[str, str]:
        """Return the relative path of each map that exists, by map name, in the order of `MAPS`."""
        return {name: getattr(self, name) for name in MAPS if getattr(self, name) is not None}


class MaterialRow(Row):
    """One material.

    Attributes:
        location: "family/seed" (builtin) or the folder that `maps` are relative to (maps).
        kind: Whether it is a metal.
        maps: Its files (maps), None if built in.
        normal_convention: "opengl" (green is up the image), "directx" (green is down), None if undetermined; a reader
            takes None as "opengl", as glTF does.
        normal_convention_from: How the convention was determined: the file's "name", the gradient of the "height" map,
            the normal map's own "curl", or "given" by a person.
        scale: Metres along one edge of the texture.
        channels: For each map that is one channel of a packed image: "R", "G", "B" or "A".
        inverted: Maps whose files hold one minus the value, as smoothness is one minus roughness.
        height_span: Range of the height map if its values are in a unit of their own and not from 0 to 1.
    """

    source: Literal["builtin", "maps"]
    kind: Literal["metallic", "non-metallic"]
    maps: Maps | None = None
    normal_convention: Literal["opengl", "directx"] | None = None
    normal_convention_from: Literal["name", "height", "curl", "given"] | None = None
    scale: Annotated[float, Field(gt=0)] | None = None
    channels: dict[ScalarMap, Literal["R", "G", "B", "A"]] | None = None
    inverted: tuple[ScalarMap, ...] = ()
    height_span: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _location_fits(self) -> "MaterialRow":
        if self.source == "builtin":
            family_and_seed(self.location)
            if self.maps is not None:
                raise ValueError("field 'maps' belongs to source 'maps', not to a built-in material")
        elif self.maps is None:
            raise ValueError("field 'maps' is missing: it names the files of a material of source 'maps'")
        elif self.files:
            raise ValueError("field 'files': a material of source 'maps' names its files in 'maps'")
        present = self.maps.present() if self.maps else {}
        if absent := [name for name in (*(self.channels or {}), *self.inverted) if name not in present]:
            raise ValueError(f"fields 'channels' and 'inverted': there is no map {absent[0]!r}")
        if (self.normal_convention is None) != (self.normal_convention_from is None):
            raise ValueError("fields 'normal_convention' and 'normal_convention_from' go together")
        return self

    def members(self) -> tuple[Path, tuple[str, ...]]:
        return self.path, tuple(dict.fromkeys(self.maps.present().values())) if self.maps else ()


class EnvironmentRow(Row):
    """One environment map, equirectangular.

    Attributes:
        location: A file name among Blender's studio lights (builtin) or a path (file).
        width: Pixels.
        height: Pixels.
        negative_share: Energy of its negative radiance as a share of that of the positive; it is rendered from a copy
            in which negatives are 0. None: it has none.
        broken: NaN or infinite pixels, which are filled from their neighbours in that copy. None: it has none.
    """

    source: Literal["builtin", "file"]
    width: Annotated[int, Field(ge=2)] | None = None
    height: Annotated[int, Field(ge=1)] | None = None
    negative_share: Annotated[float, Field(gt=0)] | None = None
    broken: Annotated[int, Field(ge=1)] | None = None

    @property
    def needs_repair(self) -> bool:
        """Whether it is rendered from a repaired copy (`imaging.repair`)."""
        return self.negative_share is not None or self.broken is not None

    @model_validator(mode="after")
    def _location_fits(self) -> "EnvironmentRow":
        if self.source == "builtin" and ("/" in self.location or not self.location.endswith(".exr")):
            raise ValueError(f"field 'location': {self.location!r} is not a file name such as 'studio.exr'")
        return self


def family_and_seed(location: str) -> tuple[str, int]:
    """Split the location of a built-in asset: "superquadric/17" -> ("superquadric", 17).

    Raises:
        ValueError: If it has another form.
    """
    family, _, seed = location.partition("/")
    if not family.isidentifier() or not (seed.isascii() and seed.isdigit()):
        raise ValueError(f"field 'location': {location!r} is not 'family/seed', such as 'superquadric/17'")
    return family, int(seed)


def row_as_json(row: Row) -> dict[str, Any]:
    """Return a row as plain data, without nulls and empty lists (except `tags`): for fingerprints and for writing."""
    data = row.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in data.items() if value != [] or name == "tags"}
