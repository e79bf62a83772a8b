# SPDX-License-Identifier: Apache-2.0
"""Tars -> their contents and findings: `ShardReport` for each, `summarise` for all."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from multishade.errors import HostUnreachable, MultiShadeError
from multishade.imaging.exposure import is_nearly_black
from multishade.inspect.checks import CHECKS
from multishade.inspect.meta_types import MetaTypes, merge_types
from multishade.inspect.sample import SampleFiles, SampleResult, SampleSummary, inspect_sample
from multishade.shards.keys import group_key_of, natural_order
from multishade.shards.marker import read_marker
from multishade.shards.tar import hash_file, read_shard
from multishade.storage.store import FilePlace, StoredFile, open_file
from multishade.text import printable

# The checks of a tar as a whole; CHECKS are those of each sample.
SHARD_CHECKS = ("readable", "files", "types", "hashes")
SAMPLE_BYTES = 1 << 30  # of all files of a sample
CheckSample = Callable[[SampleFiles], SampleResult]

# Only extreme bump on half of all samples would reach these; built-in objects have 1.0 and 0.2 degrees.
SYSTEMATIC_SAMPLES, SYSTEMATIC_DEGREES, SYSTEMATIC_TILT_DEGREES = 6, 10.0, 1.5


@dataclass(frozen=True)
class Finding:
    """One reason why a shard is not sound. key: the sample; "" if the whole tar is concerned."""

    check: str
    shard: str
    key: str
    message: str


@dataclass(frozen=True)
class DarkImage:
    """An image in which less than half of the object can be seen; no finding, since dark metal may be so."""

    shard: str
    key: str
    image: str
    median: float


@dataclass
class ShardReport:
    """The content of one tar, whether it has a marker, and the findings."""

    path: str
    bytes: int = 0
    sha256: str = ""
    has_marker: bool = False
    failures: int = 0
    hashed: int = 0  # samples whose files were compared with hashes in their meta
    file_bytes: dict[str, int] = field(default_factory=dict)  # file after the key -> bytes over all samples
    samples: list[SampleSummary] = field(default_factory=list)
    keys: int = 0
    types: MetaTypes = field(default_factory=MetaTypes)
    findings: list[Finding] = field(default_factory=list)

    def add_finding(self, check: str, key: str, message: str) -> None:
        """Add a finding of a check. key: the sample; "" if the whole tar is concerned."""
        self.findings.append(Finding(check, printable(Path(self.path).name), key, printable(message)))


def inspect_shard(
    shard: FilePlace,
    seen: Callable[[str], object] = lambda key: None,
    check: CheckSample = inspect_sample,
) -> ShardReport:
    """Check every sample of a tar, and compare the tar with its marker.

    Args:
        shard: The tar.
        seen: Called with the key of each sample.
        check: Checks the files of one sample; by default in this process. `inspect_shards` does it in a confined one.

    Returns:
        The report. A damaged tar gives findings, not exceptions.

    Raises:
        HostUnreachable: If the tar's server does not answer.
    """
    file = open_file(shard)
    report = ShardReport(file.url)
    try:
        report.bytes = file.size()
        report.sha256 = hash_file(file)
        for key, files in read_shard(file):
            _add_sample(report, key, files, check)
            seen(key)
        if not report.keys:
            report.add_finding("readable", "", "holds no sample")
        if 0 < report.hashed < report.keys:
            less = f"{report.keys - report.hashed} of {report.keys} samples have no hashes in meta.json, the others do"
            report.add_finding("hashes", "", less)
    except HostUnreachable:
        raise  # says nothing about the tar
    except (MultiShadeError, OSError) as error:
        report.add_finding("readable", "", printable(str(error).removeprefix(f"{file}: ")))
    _compare_with_marker(report, file)
    return report


def summarise(reports: Sequence[ShardReport]) -> dict[str, Any]:
    """Summarise the reports of all tars of a data set.

    Args:
        reports: One for each tar.

    Returns:
        Plain JSON values: counts, contents, ranges of measures, and "findings"; "sound" is true if there are none.
    """
    samples = [sample for report in reports for sample in report.samples]
    findings = [finding for report in reports for finding in report.findings] + _across(reports)
    count = sum(report.keys for report in reports)
    file_bytes: Counter[str] = Counter()
    for report in reports:
        file_bytes.update(report.file_bytes)
    return {
        "sound": not findings,
        "shards": [
            {
                "path": report.path,
                "samples": report.keys,
                "bytes": report.bytes,
                "sha256": report.sha256,
                "marker": report.has_marker,
                "failed_groups": report.failures,
            }
            for report in reports
        ],
        "samples": count,
        "groups": len({group_key_of(sample.key) for sample in samples}),
        "bytes": sum(report.bytes for report in reports),
        "files": {name: total / max(1, count) for name, total in file_bytes.items()},
        "objects": len({sample.object for sample in samples}),
        "families": _tally(sample.family for sample in samples),
        "materials": _tally(sample.kind for sample in samples),
        "cameras": _tally(f"{sample.camera} {sample.size}" for sample in samples),
        "lights": _tally(light for sample in samples for light in sample.lights),
        "environments": _tally(name for sample in samples for name in sample.environments),
        "shading": _tally(f"{sample.mode}, {sample.frames} lights" for sample in samples),
        "renderers": _tally(sample.renderer for sample in samples),
        "nearly_black": [asdict(image) for report in reports for image in _dark_images(report)],
        "measures": _ranges([sample.measures for sample in samples]),
        "checks": {
            name: len({(finding.shard, finding.key) for finding in findings if finding.check == name})
            for name in (*SHARD_CHECKS, *CHECKS)
        },
        "findings": [asdict(finding) for finding in findings],
    }


def _add_sample(report: ShardReport, key: str, files: dict[str, bytes], check: CheckSample) -> None:
    shown = printable(key)
    report.keys += 1
    if not report.file_bytes:
        report.file_bytes = dict.fromkeys(map(printable, files), 0)
    if list(map(printable, files)) != list(report.file_bytes):
        difference = _file_difference(list(map(printable, files)), list(report.file_bytes))
        report.add_finding("files", shown, difference)
    for name, data in files.items():
        name = printable(name)
        report.file_bytes[name] = report.file_bytes.get(name, 0) + len(data)
    size = sum(map(len, files.values()))
    if size > SAMPLE_BYTES:
        report.add_finding("readable", shown, f"has {size:,} bytes; up to {SAMPLE_BYTES:,} are read")
        return
    result = check(SampleFiles(key, files))
    report.types.add_types(shown, result.types)
    report.hashed += result.hashed
    for name, message in result.findings:
        report.add_finding(name, shown, message)
    if result.summary is not None:
        report.samples.append(result.summary)


def _dark_images(report: ShardReport) -> list[DarkImage]:
    shard = Path(report.path).name
    return [
        DarkImage(shard, sample.key, name.removesuffix("_median"), median)
        for sample in report.samples
        for name, median in sample.measures.items()
        if name.startswith("image_") and name.endswith("_median") and is_nearly_black(median)
    ]


def _compare_with_marker(report: ShardReport, shard: StoredFile) -> None:
    try:
        marker = read_marker(shard)
    except MultiShadeError as error:
        report.add_finding("hashes", "", str(error))
        return
    if marker is None:
        return
    report.has_marker, report.failures = True, len(marker.failures)
    for name, there, stated in (
        ("bytes", report.bytes, marker.bytes),
        ("samples", report.keys, marker.samples),
        ("sha256", report.sha256, marker.sha256),
        ("files", tuple(report.file_bytes), marker.fields),
    ):
        if there != stated:
            report.add_finding(
                "hashes", "", f"{name}: the marker says {_short(stated)}, the tar has {_short(there)}"
            )


def _across(reports: Sequence[ShardReport]) -> list[Finding]:
    """What only shows between tars: other files than the first one's, and keys that come again."""
    findings = []
    files = next((list(report.file_bytes) for report in reports if report.file_bytes), [])
    owner: dict[str, str] = {}
    for report in reports:
        name = Path(report.path).name
        if report.file_bytes and list(report.file_bytes) != files:
            findings.append(Finding("files", name, "", _file_difference(list(report.file_bytes), files)))
        for sample in report.samples:
            if owner.setdefault(sample.key, report.path) != report.path:
                findings.append(
                    Finding("files", name, sample.key, f"the key is in {Path(owner[sample.key]).name} too")
                )
    for report, first in zip(reports, merge_types([report.types for report in reports]), strict=True):
        name = Path(report.path).name
        findings += [Finding("types", name, key, message) for key, message in first]
    return findings + _systematic([sample.measures for report in reports for sample in report.samples])


def _systematic(measures: list[dict[str, float]]) -> list[Finding]:
    """Findings that bump hides in single samples: a lens or a depth that contradicts meta."""
    found = [entry for entry in measures if "depth_degrees" in entry]
    if len(found) < SYSTEMATIC_SAMPLES:
        return []
    findings = []
    for name, bound, what in (
        ("depth_degrees", SYSTEMATIC_DEGREES, "its slope is {:.1f} degrees off the normal"),
        (
            "depth_tilt_degrees",
            SYSTEMATIC_TILT_DEGREES,
            "its slope tilts outward by {:.1f} degrees: another lens?",
        ),
    ):
        typical = float(np.median([entry[name] for entry in found]))
        if abs(typical) > bound:
            message = f"depth: {what.format(typical)} in the median of {len(found)} samples (bound {bound:g})"
            findings.append(Finding("depth", "all", "", message))
    return findings


def _file_difference(present: list[str], expected: list[str]) -> str:
    missing = [name for name in expected if name not in present]
    added = [name for name in present if name not in expected]
    parts = [f"lacks {', '.join(missing)}"] if missing else []
    parts += [f"has {', '.join(added)} besides"] if added else []
    return " and ".join(parts) or "has the same files in another order"


def _ranges(measures: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for found in measures for name in found)
    ranges = {}
    for name in names:
        values = np.array([found[name] for found in measures if name in found])
        ranges[name] = {
            "min": float(values.min()),
            "median": float(np.median(values)),
            "mean": float(values.mean()),
            "max": float(values.max()),
        }
    return ranges


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda entry: (-entry[1], natural_order(entry[0]))))


def _short(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
