# SPDX-License-Identifier: Apache-2.0
"""Tars of strangers that attack their reader, one thing wrong in each: made from a sound synthetic shard."""

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from multishade.imaging.codecs import encode_exr, encode_png
from multishade.shards.sample import FieldFormat, encode_sample
from tests.hostile.corruptions import Contents, tar_of
from tests.support.synthetic import make_sample

SIZE = 24
KEY = "s000000-g0000-v0"
# Odd, and read as what they are: nothing of the data is changed.
HARMLESS = ("tar/pax time", "tar/pax of no length")
Meta = dict[str, Any]


def sound_members(size: int = SIZE, key: str = KEY, **options: Any) -> Contents:
    sample = make_sample(key, size=size, **options)
    return [(f"{key}.{name}", data) for name, data in encode_sample(sample, FieldFormat())]


def hostile_shards() -> Iterator[tuple[str, bytes]]:
    """Name and content of each tar. A sound sample follows the hostile one wherever a tar can have both."""
    after = sound_members(key="s000000-g0001-v0")
    for name, file, data in _pictures():
        yield name, tar_of(_with(file, data) + after)
    for name, change in _metas():
        yield f"meta/{name}", tar_of(_with_meta(change) + after)
    for name, text in _texts():
        yield f"meta/{name}", tar_of(_with("meta.json", text) + after)
    for name, tar in _tars():
        yield f"tar/{name}", tar
    yield "sizes/odd", tar_of(sound_members(2 * SIZE + 1)[:-1] + sound_members()[-1:] + after)
    yield "sizes/thin", tar_of(_with("normal.exr", _exr(np.zeros((1, 4000), np.float16), "RGB")) + after)


def _with(file: str, data: bytes) -> Contents:
    return [(name, data if name == f"{KEY}.{file}" else old) for name, old in sound_members()]


def _with_meta(change: Callable[[Meta], object]) -> Contents:
    meta = json.loads(sound_members()[-1][1])
    change(meta)
    return _with("meta.json", json.dumps(meta).encode())


def _exr(plane: Any, names: Any) -> bytes:
    return encode_exr({name: plane for name in names}, "zip")


def _png(width: int, height: int, rows: bytes, bits: int = 8, more: bytes = b"") -> bytes:
    """A PNG of grey pixels with any header and any compressed rows."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _pictures() -> Iterator[tuple[str, str, bytes]]:
    # 40,000 x 40,000 pixels of one bit: 200 KB that become 1.6 GB.
    row = zlib.compressobj(9)
    bomb = b"".join(row.compress(bytes(5001)) for _ in range(40_000)) + row.flush()
    yield "png/bomb", "alpha.png", _png(40_000, 40_000, bomb, bits=1)
    yield "png/header", "mask.png", _png(2**31 - 1, 2**31 - 1, zlib.compress(b"0"))
    yield "png/zero", "mask.png", _png(0, 24, zlib.compress(b"0"))
    yield "png/short", "mask.png", _png(24, 24, zlib.compress(bytes(25)))
    text = b"Title\0\0" + zlib.compress(bytes(64 << 20), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    yield "png/text", "mask.png", _png(24, 24, zlib.compress(bytes(10)), more=chunk)
    yield "png/colour", "alpha.png", encode_png(np.zeros((24, 24, 3), np.uint8))
    yield "png/deep", "mask.png", encode_png(np.full((24, 24), 65535, np.uint16))
    yield "png/empty", "mask.png", b""
    exr = dict(sound_members())[f"{KEY}.normal.exr"]
    scheme = b"compression\0compression\0\x01\0\0\0"
    window = struct.pack("<iiii", 0, 0, SIZE - 1, SIZE - 1)
    for name, box in {
        "large": (0, 0, 39_999, 39_999),
        "overflow": (-(2**31), -(2**31), 2**31 - 1, 2**31 - 1),
        "reversed": (10, 10, 0, 0),
        "far": (2**30, 2**30, 2**30 + 23, 2**30 + 23),
    }.items():
        yield f"exr/{name}", "normal.exr", exr.replace(window, struct.pack("<iiii", *box))
    plane = np.zeros((SIZE, SIZE), np.float16)
    yield "exr/channels", "normal.exr", _exr(plane, [f"c{number:04d}" for number in range(2000)])
    yield "exr/lights", "shading.exr", _exr(plane, [f"L{number:04d}" for number in range(4000)])
    yield "exr/names", "normal.exr", _exr(plane, ["R", "G", "\x1b[2J"])
    yield "exr/wide", "image_point.exr", _exr(np.zeros((4, 30_000), np.float16), "RGB")
    yield (
        "exr/compression",
        "normal.exr",
        exr.replace(scheme + b"\x03", scheme + b"\x63"),
    )
    for name, value in {"nan": np.nan, "infinite": np.inf}.items():
        yield f"exr/{name}", "normal.exr", _exr(np.full((SIZE, SIZE), value, np.float16), "RGB")
        yield f"exr/image {name}", "image_point.exr", _exr(np.full((SIZE, SIZE), value, np.float16), "RGB")
        yield f"exr/depth {name}", "depth.exr", _exr(np.full((SIZE, SIZE), value, np.float32), "Z")
    yield "exr/empty", "depth.exr", exr[:200]


def _metas() -> Iterator[tuple[str, Callable[[Meta], object]]]:
    def camera(**values: Any) -> Callable[[Meta], object]:
        return lambda meta: meta["camera"].update(values)

    def matrix(row: int, column: int, value: float) -> Callable[[Meta], object]:
        def change(meta: Meta) -> None:
            meta["camera"]["K"][row][column] = value

        return change

    yield "width", camera(width=2**40)
    yield "negative width", camera(width=-24)
    yield "K zero", matrix(0, 0, 0.0)
    yield "K negative", matrix(1, 1, -26.0)
    yield "K huge", matrix(0, 0, 1e308)
    yield "K last row", matrix(2, 2, 2.0)
    yield "K skew", matrix(0, 1, 20.0)
    yield "K centre", matrix(0, 2, 1e9)
    yield "K doubled", lambda meta: [matrix(axis, axis, 52.5)(meta) for axis in (0, 1)]
    yield "K text", matrix(0, 0, "26.25")  # type: ignore[arg-type]
    yield "pose", camera(camera_to_world=[[1e200] * 4] * 4)
    yield "pose flat", camera(camera_to_world=[[0.0] * 4] * 3 + [[0, 0, 0, 1]])
    yield "directions", lambda meta: meta["shading"].update(directions=[[0, 0, 1]] * 50_000)
    yield "direction huge", lambda meta: meta["shading"]["directions"].__setitem__(0, [1e300, 1e300, 1e300])
    yield "NaN", matrix(0, 0, float("nan"))
    yield "key", lambda meta: meta.update(key="../../etc/passwd")
    yield "escape", lambda meta: meta["object"].update(id="\x1b[2J\x1b]0;owned\x07", source="/etc/passwd")
    yield "names", lambda meta: meta.update({f"n{number}": 0 for number in range(50_000)})
    yield "exposure", lambda meta: meta["exposure"].update(image_point=-1.0)
    yield "light", lambda meta: meta["lights"]["image_point"].update(position=[1e308, 0, 0])
    yield "hashes", lambda meta: meta.update(hashes={"mask.png": "0" * 64})
    yield "hashes of another type", lambda meta: meta.update(hashes=[1, 2, 3])


def _texts() -> Iterator[tuple[str, bytes]]:
    whole = sound_members()[-1][1]
    yield "deep", b'{"a":' + b"[" * 500_000
    yield "deep and closed", b"[" * 100_000 + b"]" * 100_000
    yield "integer", whole.replace(b'"seed":7', b'"seed":' + b"9" * 6000)
    yield (
        "surrogates",
        whole.replace(b'"id":"sphere"', b'"id":"\\ud800\\udfff\\ud800"').replace(
            b'"schema":1', b'"schema":2'
        ),
    )
    yield "not text", b"\xff\xfe\xfa" * 100
    yield "large", whole[:-1] + b',"x":"' + b"y" * (20 << 20) + b'"}'
    yield "list", b"[]"
    yield "empty", b""


def _tars() -> Iterator[tuple[str, bytes]]:
    members = sound_members()
    whole = tar_of(members)
    yield "empty", bytes(10240)
    yield "of no bytes", b""
    yield "no tar", b"\x1f\x8b" + bytes(range(256)) * 8
    yield "appended tar", whole + whole
    yield "appended bytes", whole + b"\0" * 4096 + b"rest"
    for name in (
        "../../etc/passwd",
        "/etc/passwd",
        "a/b.normal.exr",
        "nodot",
        "two\nlines.x",
        "\x1b[31m.x",
        ".x",
    ):
        yield f"name {name!r}", tar_of([(name, b"data"), *members])
    yield "name that is no text", tar_of(members).replace(b"g0000-v0.mask", b"g0000-v0.m\xff\xfek")
    for name, kind in {"link": b"2", "hard link": b"1", "device": b"3", "folder": b"5", "pipe": b"6"}.items():
        yield name, _special(members, kind)
    yield "same key later", tar_of([*members, *sound_members(key="s000000-g0001-v0"), *members])
    yield "other files", tar_of([*members, *sound_members(key="s000000-g0001-v0")[:-2]])
    for name, fields in {
        "pax size": {"size": "many"},
        "pax negative size": {"size": "-512"},
        "pax huge size": {"size": str(2**62)},
        "pax time": {"mtime": "nan"},
        "pax path": {"path": "x" * 100_000},
        "pax sparse": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 20},
        "pax map": {"GNU.sparse.map": "1,x,3"},
    }.items():
        yield name, _pax(fields) + whole
    yield "pax without end", _header(b"x", 2**33 - 1) + b"11 path=a\n" + whole
    yield "pax of no length", _header(b"x", 512) + b"\xff" * 512 + whole
    yield "long name without end", _header(b"L", 2**40) + whole
    yield "negative size", _header(b"0", -512) + whole


def _special(members: Contents, kind: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for row, (name, data) in enumerate(members):
            header = tarfile.TarInfo(name)
            if row == 2:
                header.type, header.linkname = kind, "/etc/passwd"
                archive.addfile(header)
            else:
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))
    return stream.getvalue()


def _pax(fields: dict[str, str]) -> bytes:
    body = b""
    for name, value in fields.items():
        record = f" {name}={value}\n".encode()
        length = len(record) + 1
        while len(str(length)) + len(record) != length:
            length = len(str(length)) + len(record)
        body += str(length).encode() + record
    return _header(b"x", len(body)) + body + bytes(-len(body) % 512)


def _header(kind: bytes, size: int) -> bytes:
    header = tarfile.TarInfo("./PaxHeaders/attack")
    header.type = kind
    block = bytearray(header.tobuf(tarfile.USTAR_FORMAT))
    stated = size.to_bytes(12, "big", signed=True) if size < 0 or size >= 8**11 else f"{size:011o}\0".encode()
    if size < 0 or size >= 8**11:
        stated = bytes([0xFF if size < 0 else 0x80]) + stated[1:]
    block[124:136] = stated
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)
