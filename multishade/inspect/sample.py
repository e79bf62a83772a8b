# SPDX-License-Identifier: Apache-2.0
"""The files of one sample -> its content and what is wrong with it: what a confined process does for `inspect`.

The result is a dataclass of plain values that `protocol.codec` reads, since it comes back from a process that a
stranger's file may have taken over. Texts of the file in it are escaped for a terminal.
"""

from dataclasses import dataclass, field
from typing import Any

from multishade.errors import MultiShadeError
from multishade.inspect.checks import check_sample
from multishade.inspect.meta_types import types_of
from multishade.shards.bounds import META_BYTES
from multishade.shards.hashes import META
from multishade.shards.meta import EnvironmentMeta, MixedMeta, decode_meta
from multishade.shards.sample import Sample, decode_sample
from multishade.text import printable

MOST_FINDINGS = 64  # of one sample
MOST_NAMES = 4096  # of its meta


@dataclass(frozen=True)
class SampleFiles:
    """What is stored under one key of a tar.

    Attributes:
        key: The key.
        files: Content by name after the key.
    """

    key: str
    files: dict[str, bytes]


@dataclass(frozen=True)
class SampleSummary:
    """The content of one sample, and what was measured on it."""

    key: str
    object: str
    family: str
    material: str
    kind: str
    camera: str
    size: str
    mode: str
    frames: int
    lights: tuple[str, ...]
    environments: tuple[str, ...]
    renderer: str
    measures: dict[str, float]


@dataclass(frozen=True)
class SampleResult:
    """The result of all checks of one sample.

    Attributes:
        findings: (check, message) of each check that failed.
        types: Dotted name of its meta -> the JSON types of its values.
        hashed: Whether its files were compared with hashes in its meta.
        summary: Its content; None if it cannot be read or its meta is wrong.
    """

    findings: tuple[tuple[str, str], ...] = ()
    types: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hashed: bool = False
    summary: SampleSummary | None = None


def inspect_sample(sample: SampleFiles) -> SampleResult:
    """Decode the files of a sample and make all checks.

    Args:
        sample: Its files.

    Returns:
        The result. Files that cannot be read give a finding, not an exception.
    """
    key, files = sample.key, sample.files
    types: dict[str, tuple[str, ...]] = {}
    hashed = False
    try:
        data = files.get(META, b"{}")
        if len(data) > META_BYTES:
            return _unreadable(f"{key}.{META}: has {len(data):,} bytes; up to {META_BYTES:,} are read")
        meta = decode_meta(key, data)
        found = types_of(meta)
        if len(found) > MOST_NAMES:
            return _unreadable(f"{key}.{META}: has {len(found):,} names; up to {MOST_NAMES:,} are read")
        types = {printable(name): tuple(kinds) for name, kinds in found.items()}
        hashed = "hashes" in meta
        decoded = decode_sample(key, files)
    except MultiShadeError as error:
        return _unreadable(str(error), types, hashed)
    failed, measures = check_sample(decoded)
    findings = [(check, printable(message)) for check, messages in failed.items() for message in messages]
    if len(findings) > MOST_FINDINGS:
        last = findings[MOST_FINDINGS - 1][0]
        findings[MOST_FINDINGS:] = [(last, f"and {len(findings) - MOST_FINDINGS} more findings")]
    summary = None if "meta" in failed else _summary(decoded, measures)
    return SampleResult(tuple(findings), types, hashed, summary)


def _unreadable(
    message: str, types: dict[str, tuple[str, ...]] | None = None, hashed: bool = False
) -> SampleResult:
    return SampleResult((("readable", printable(message)),), types or {}, hashed)


def _summary(sample: Sample, measures: dict[str, float]) -> SampleSummary:
    info = sample.info
    lights, renderer = tuple(info.lights.values()), info.renderer
    texts: dict[str, Any] = {
        "key": sample.key,
        "object": info.object.id,
        "family": info.object.family or info.object.source,
        "material": info.material.id,
        "kind": info.material.kind,
        "renderer": f"{renderer.name} {renderer.version} on {renderer.device}",
    }
    return SampleSummary(
        **{name: printable(text) for name, text in texts.items()},
        camera=info.camera.type,
        size=f"{info.camera.width} x {info.camera.height}",
        mode=info.shading.mode,
        frames=len(info.shading.directions),
        lights=tuple(light.type for light in lights),
        environments=tuple(
            printable(light.environment) for light in lights if isinstance(light, EnvironmentMeta | MixedMeta)
        ),
        measures=measures,
    )
