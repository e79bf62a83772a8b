# SPDX-License-Identifier: Apache-2.0
"""Contents of a data set -> croissant.json: its files with their hashes, and where the fields of a sample are in them.

Croissant 1.1 (mlcommons.org/croissant/1.1), JSON-LD. `mlcroissant` validates it and can iterate over both record sets:
`samples` gives the key and the meta.json of each sample from the tars, `preview` the pictures of the Parquet file.
"""

import hashlib
import json
from typing import Any

from multishade.errors import ShardError
from multishade.publish.contents import Contents
from multishade.publish.preview import PICTURES, TEXTS
from multishade.storage.store import StoredFile

VERSION = "http://mlcommons.org/croissant/1.1"
_META_FILES, _TAR = "meta-files", "application/x-tar"
LICENCE_PAGES = "https://spdx.org/licenses/"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "arrayShape": "cr:arrayShape",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(contents: Contents, preview: tuple[str, bytes] | None) -> dict[str, Any]:
    """Return the content of croissant.json.

    Args:
        contents: The data set.
        preview: Path, below the folder, and content of its Parquet file of pictures; None if there is none.
    """
    licence = contents.licence
    tars = [_file(file.name, _TAR, marker.bytes, marker.sha256) for file, marker in contents.shards]
    meta_files = {
        "@type": "cr:FileSet",
        "@id": _META_FILES,
        "name": _META_FILES,
        "description": "The meta.json of every sample.",
        "containedIn": [{"@id": tar["@id"]} for tar in tars],
        "encodingFormat": "application/json",
        "includes": "*.meta.json",
    }
    distribution = [*tars, meta_files]
    records = [_samples()]
    if preview is not None:
        name, data = preview
        distribution.append(_file(name, "application/x-parquet", len(data), hashlib.sha256(data).hexdigest()))
        records.append(_preview(name))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": contents.name,
        "description": (
            f"{contents.samples:,} rendered views of objects under several lights, with normals, depth, masks and "
            "shading sequences, made with MultiShade."
        ),
        "license": (
            "See README.md: " + licence.name if licence.reasons else f"{LICENCE_PAGES}{licence.name}"
        ),
        "version": "1.0.0",
        # Not the time of writing: equal data sets are described by equal files.
        "datePublished": "2026-01-01",
        "identifier": contents.record.fingerprint,
        "keywords": ["surface normals", "photometric stereo", "shading", "synthetic images"],
        "citeAs": f"MultiShade data set {contents.name}, fingerprint {contents.record.fingerprint}",
        "url": "https://huggingface.co/datasets",
        "isLiveDataset": False,
        "distribution": distribution,
        "recordSet": records,
    }


def tars_described(path: StoredFile) -> dict[str, str]:
    """Return name -> sha256 of the tars in a croissant.json. Raises ShardError if it is none."""
    try:
        files = json.loads(path.read_bytes())["distribution"]
        return {file["name"]: file["sha256"] for file in files if file["encodingFormat"] == _TAR}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ShardError(
            f"{path}: is no Croissant file of a card ({error!r}); write it with `multishade card`"
        ) from error


def _file(name: str, encoding: str, size: int, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{size} B",
        "encodingFormat": encoding,
        "sha256": sha256,
    }


def _samples() -> dict[str, Any]:
    name = {"fileProperty": "filename"}
    key = _field(
        "samples", "key", "sc:Text", "The sample's name: the first part of the names of its files.", name
    )
    key["source"]["transform"] = {"regex": r"^(?:.*/)?([^/.]+)\.meta\.json$"}
    content = {"fileProperty": "content"}
    text = "The sample's meta.json: object, material, camera, lights, exposure, encodings."
    return _record_set(
        "samples",
        "One record for each sample.",
        [key, _field("samples", "meta", "sc:Text", text, content)],
    )


def _preview(file: str) -> dict[str, Any]:
    names = {name: "sc:Text" for name in TEXTS} | {name: "sc:ImageObject" for name in PICTURES}
    fields = []
    for name, kind in names.items():
        field = _field("preview", name, kind, f"Column {name} of the preview.", {"column": name}, file)
        if kind == "sc:ImageObject":
            field["source"]["transform"] = {"jsonPath": "bytes"}
        fields.append(field)
    return _record_set("preview", "Small pictures of some samples.", fields)


def _record_set(name: str, description: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/key"},
        "field": fields,
    }


def _field(
    records: str, name: str, kind: str, text: str, extract: dict[str, str], file: str | None = None
) -> dict[str, Any]:
    """A field of a record set, from a file or, if it is None, from the meta.json files."""
    place = {"fileObject": {"@id": file}} if file else {"fileSet": {"@id": _META_FILES}}
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{name}",
        "name": name,
        "description": text,
        "dataType": kind,
        "source": {**place, "extract": extract},
    }
