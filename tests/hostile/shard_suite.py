# SPDX-License-Identifier: Apache-2.0
"""Corrupted and hostile shards -> figures on what inspection and readers made of them, and what was wrong.

Run by `make test-hostile-shards`, as `python -m tests.hostile.shard_suite`; it prints its figures and writes them to
docs/reliability.md. Each of a thousand seeded corruptions is inspected as a stranger's tar, without a marker, and read
by the marker of the sound tar. Data are changed if Python's own `tarfile` reads another content than before.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from multishade.cli import main as command
from multishade.errors import MultiShadeError
from multishade.inspect.guarded import SampleInspector
from multishade.inspect.report import inspect_shard
from multishade.inspect.run import inspect_shards
from multishade.inspect.sample import SampleResult
from multishade.shards.dataset import Dataset
from multishade.shards.fields import FieldFormat
from multishade.shards.hashes import check_hashes
from multishade.shards.layout import shard_file
from multishade.shards.marker import marker_of
from multishade.shards.meta import decode_meta
from multishade.storage.store import StoredFile
from tests.hostile.corruptions import KINDS, Contents, contents
from tests.hostile.shards import HARMLESS, hostile_shards
from tests.support.synthetic import make_sample, with_basis, write_synthetic_shard

CORRUPTIONS = 1000
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
KEYS = [f"s000000-g{group:04d}-v0" for group in range(2)]
PLAIN_EVERY = 4  # of how many corruptions one is made of a shard without hashes, too


@dataclasses.dataclass
class Figures:
    """Corruptions by kind, and what was found of them; hostile tars; what it took."""

    made: Counter[str] = dataclasses.field(default_factory=Counter)
    changed: Counter[str] = dataclasses.field(default_factory=Counter)
    by_hashes: int = 0
    without_hashes: int = 0
    tried_without: int = 0
    by_marker: int = 0
    refused_by_key: int = 0
    read_by_key: int = 0
    hostile: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    confined_mib: float = 0.0
    own_mib: float = 0.0

    def note_memory(self, _: str = "") -> None:
        """Take in the peak memory of this process and of those that it has started."""
        self.own_mib = max(self.own_mib, _peak_mib(os.getpid()))
        for child in psutil.Process().children():
            self.confined_mib = max(self.confined_mib, _peak_mib(child.pid))

    def lines(self) -> list[str]:
        """The figures as rows of a table."""
        made, changed = sum(self.made.values()), sum(self.changed.values())
        rows = {
            "corruptions": f"{made:,}: " + ", ".join(f"{count} {name}" for name, count in self.made.items()),
            "of which change data": f"{changed:,}",
            "found in the tar alone, with hashes in `meta.json`": f"{self.by_hashes:,}",
            "the same without hashes, each fourth tried": f"{self.without_hashes:,} of {self.tried_without:,}",
            "found by the marker": f"{self.by_marker:,}",
            "samples read by key: refused, whole": f"{self.refused_by_key:,}, {self.read_by_key:,}",
            "hostile tars, of which each is a finding": f"{self.hostile}",
            "seconds": f"{self.seconds:.0f}",
            "peak memory of `inspect`, of its confined process": f"{self.own_mib:.0f}, {self.confined_mib:.0f} MiB",
        }
        return ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]


@dataclasses.dataclass(frozen=True)
class Base:
    """A sound shard: its tar and marker, and the same samples without hashes."""

    tar: bytes
    plain: bytes
    marker: bytes
    content: Contents


def bases(folder: Path) -> list[Base]:
    """Shards of each way to store a sample: lambert, cast, photometric; EXR, PNG; with a basis, with two normals."""
    made = []
    for options, format in (
        ({"mode": "lambert", "normal_geometry": True}, FieldFormat(hashes=True)),
        ({"mode": "cast"}, FieldFormat(image="png16", hashes=True)),
        ({"mode": "photometric", "lights": 5}, FieldFormat(image_compression="zip", hashes=True)),
    ):
        samples = []
        for number, key in enumerate(KEYS):
            tint = (0.8, 0.45 + 0.05 * number, 0.25)
            sample = make_sample(key, size=24, tint=tint, **options)  # type: ignore[arg-type]
            samples.append(with_basis(sample) if options["mode"] == "photometric" else sample)
        tars = []
        for hashed in (True, False):
            path = shard_file(folder, 0)
            write_synthetic_shard(path, samples, dataclasses.replace(format, hashes=hashed))
            tars.append((path.read_bytes(), marker_of(path).read_bytes()))
        (tar, marker), (plain, _) = tars
        found = contents(tar)
        assert found is not None
        made.append(Base(tar, plain, marker, found))
    return made


def run_corruptions(folder: Path, seeds: Sequence[int], figures: Figures, plain: bool = True) -> None:
    """Corrupt sound shards by each seed, and inspect and read them.

    Args:
        folder: An empty folder.
        seeds: One for each corruption.
        figures: Gets the counts.
        plain: Whether the same is done to shards without hashes, to count what is found without them.
    """
    path = shard_file(folder, 0)
    with SampleInspector() as inspector:
        sound = bases(folder)
        for seed in seeds:
            base, kind = sound[seed // len(KINDS) % len(sound)], list(KINDS)[seed % len(KINDS)]
            tar = KINDS[kind](base.tar, np.random.default_rng(seed))
            name = f"seed {seed}, {kind}"
            figures.made[kind] += 1
            after = contents(tar)
            is_changed = after != base.content
            figures.changed[kind] += is_changed
            path.write_bytes(tar)
            marker_of(path).remove()
            found = bool(inspect_shard(path, figures.note_memory, inspector).findings)
            figures.by_hashes += found and is_changed
            if is_changed and not found:
                figures.wrong.append(f"{name}: changes data and is not found")
            marker_of(path).write_bytes(base.marker)
            marked = inspect_shard(path, check=lambda sample: SampleResult())
            figures.by_marker += is_changed and any(each.check == "hashes" for each in marked.findings)
            if not marked.findings and tar != base.tar:
                figures.wrong.append(f"{name}: not found by the marker")
            _read_by_key(path, base, name, figures)
            if plain and is_changed and seed // len(KINDS) % PLAIN_EVERY == 0:
                path.write_bytes(KINDS[kind](base.plain, np.random.default_rng(seed)))
                marker_of(path).remove()
                figures.tried_without += 1
                figures.without_hashes += bool(inspect_shard(path, check=inspector).findings)


def _peak_mib(pid: int) -> float:
    """Peak resident memory since the process began its program; 0 if it has just ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _read_by_key(path: StoredFile, base: Base, name: str, figures: Figures) -> None:
    """Read every sample by the marker's positions, as a loader that verifies does: refused, or as it was."""
    data = Dataset(str(path))
    for key in KEYS:
        try:
            files = data.files(key)
            check_hashes(key, files, decode_meta(key, files["meta.json"]))
        except MultiShadeError:
            figures.refused_by_key += 1
            continue
        figures.read_by_key += 1
        original = {file: content for file, content in base.content if file.startswith(f"{key}.")}
        if {f"{key}.{file}": content for file, content in files.items()} != original:
            figures.wrong.append(f"{name}: {key} is read with other content")


def run_hostile(folder: Path, figures: Figures) -> None:
    """Inspect hostile tars together with a sound one, by the command, with sheet and page.

    Args:
        folder: An empty folder.
        figures: Gets the counts.
    """
    names = {}
    for number, (name, tar) in enumerate(hostile_shards()):
        names[f"multishade-{number:06d}.tar"] = name
        (folder / f"multishade-{number:06d}.tar").write_bytes(tar)
    sound = f"multishade-{len(names):06d}.tar"
    write_synthetic_shard(folder / sound, [make_sample("s999999-g0000-v0", size=24)])
    inspection = inspect_shards(folder, on_sample=figures.note_memory)
    summary = inspection.summary
    pictures = ["--sheet", str(folder / "sheet.png"), "--html", str(folder / "page.html"), "--rows", "24"]
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # refuses surrogates, as a terminal does
    with contextlib.redirect_stdout(printed):
        code = command(["inspect", str(folder), *pictures])
        print(json.dumps(summary, ensure_ascii=False))
    printed.flush()
    output = printed.buffer.getvalue().decode()  # type: ignore[attr-defined]
    if code != 1:
        figures.wrong.append(f"inspect ended with {code}, not 1")
    if "\x1b" in output or "\x1b" in (folder / "page.html").read_text():
        figures.wrong.append("a file's control characters were printed")
    found = Counter(finding["shard"] for finding in summary["findings"])
    figures.wrong += [
        f"{name}: no finding" for file, name in names.items() if not found[file] and name not in HARMLESS
    ]
    if any(finding["shard"] == sound for finding in summary["findings"]):
        figures.wrong.append("the sound tar among them has findings")
    figures.hostile = len(names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; returns 1 if something was not handled as it has to be."""
    parser = argparse.ArgumentParser(description="Corrupt and attack shards, and write the figures.")
    parser.add_argument("--corruptions", type=int, default=CORRUPTIONS)
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that gets the figures")
    args = parser.parse_args(arguments)
    started = time.perf_counter()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        for name in ("corrupted", "hostile"):
            (Path(place) / name).mkdir()
        run_corruptions(Path(place) / "corrupted", range(args.corruptions), figures)
        run_hostile(Path(place) / "hostile", figures)
    figures.seconds = time.perf_counter() - started
    print("\n".join([*figures.lines(), *figures.wrong]))
    if not figures.wrong and args.corruptions == CORRUPTIONS:
        from benchmarks.pages import replace_measured

        replace_measured(args.page, "test-hostile-shards", "\n".join(figures.lines()))
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
