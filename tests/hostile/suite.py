# SPDX-License-Identifier: Apache-2.0
"""Hostile files -> figures on what a scan and Blender made of them, or an error that names what went wrong.

Run by `make test-hostile`, as `python -m tests.hostile.suite`; it prints its figures and writes them to
docs/reliability.md. Every file is scanned. What the scan accepts, what Blender alone can read, and what must be refused
after the import too, is loaded by a confined Blender.
"""

import argparse
import dataclasses
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from multishade.assets.sandbox import Limits
from multishade.assets.scanning.meshes import MESH_SUFFIXES, READ_BY_BLENDER
from multishade.assets.scanning.scan import ScanOptions, scan
from multishade.config import models
from multishade.errors import AssetError, BlenderError, BlenderTimeout
from multishade.protocol.scene import Group, ObjectSource
from multishade.render.blender import BlenderProcess
from multishade.render.blender.confined import AssetFiles
from multishade.render.blender.load import load
from tests.hostile.assets import EITHER, REFUSED, SECRET, Hostile, make_hostile
from tests.support.scenes import settings

SECONDS = 60.0  # for one file
# Kinds that Blender has to refuse by itself, whatever a manifest says of them.
AFTER_IMPORT = (
    "outside",
    "index",
    "instances",
    "scripts",
    "OSL",
    "bombs",
    "broken meshes",
    "nodes that read",
)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


@dataclasses.dataclass
class Figures:
    """What was found: counts of files by outcome, by kind, and what it took."""

    kinds: Counter[str] = dataclasses.field(default_factory=Counter)
    scanned: Counter[str] = dataclasses.field(default_factory=Counter)
    loaded: Counter[str] = dataclasses.field(default_factory=Counter)
    wrong: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    memory_mib: float = 0.0
    collections: int = 0
    refused_of_collections: int = 0

    def lines(self) -> list[str]:
        """The figures as rows of a table in Markdown."""
        rows = {
            "hostile files, of kinds": f"{self.kinds.total()}, {len(self.kinds)}",
            "refused by the scan, by name": self.scanned["refused"],
            "passed by the scan": self.scanned["passed"],
            "readers that crashed or took too long, each costing one file": self.scanned["crashed"],
            "loaded by Blender": self.loaded.total(),
            "refused by Blender, by name": self.loaded["refused"],
            "rendered as they are": self.loaded["read"],
            "crashes of Blender, each costing one file": self.loaded["crashed"],
            "time-outs of Blender": self.loaded["took too long"],
            "files of collections of broken assets, refused": f"{self.collections}, {self.refused_of_collections}",
            "bytes read outside of the scanned folder, files written, code run": "none",
            "seconds": f"{self.seconds:.0f}",
            "peak memory of a process": f"{self.memory_mib:.0f} MiB",
        }
        return ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]


def run(root: Path, wanted: Callable[[Hostile], bool] = lambda each: True, blends: bool = True) -> Figures:
    """Make hostile files, scan them, and load them in Blender.

    Args:
        root: An empty folder.
        wanted: Which files Blender loads, of those that it would.
        blends: Whether files are made that only Blender can write.

    Returns:
        The figures; `wrong` names each file that was not handled as it has to be.
    """
    started = time.perf_counter()
    figures = Figures()
    members = make_hostile(root)
    if blends:
        members += _blends(root)
    files = [each for each in members if each.expected in (REFUSED, EITHER)]
    figures.kinds.update(each.kind for each in files)
    good = root / "scan" / "objects" / "good.obj"
    good.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\n")
    reasons: dict[str, str] = {}
    accepted: dict[str, str] = {}
    limits = Limits(seconds=SECONDS, memory_bytes=4 << 30, workers=1)
    for kind in ("objects", "environments"):
        found = scan(root / "scan" / kind, root / f"{kind}.jsonl", ScanOptions(kind=kind, limits=limits))  # type: ignore[arg-type]
        reasons |= {each.location.removeprefix("scan/"): each.reason for each in found.rejections}
        accepted |= {row.location.removeprefix("scan/"): row.id for row in found.rows}
    if accepted.pop("objects/good.obj", None) is None:
        figures.wrong.append("good.obj: refused beside hostile files")
    for each in files:
        _judge_scan(each, reasons, accepted, figures)
    _load(root, [each for each in files if _to_be_loaded(each, accepted) and wanted(each)], accepted, figures)
    texts = [*reasons.values(), *figures.wrong]
    if any(SECRET.decode() in text for text in texts) or list(root.glob("canary-*")):
        figures.wrong.append("code of a file ran, or bytes from outside of the scanned folder were read")
    figures.seconds = time.perf_counter() - started
    figures.memory_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return figures


def _blends(root: Path) -> list[Hostile]:
    command = [sys.executable, "-m", "tests.hostile.blends", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    folder = root / "scan" / "objects"
    return [
        Hostile(path.parent.name, f"objects/{path.relative_to(folder).as_posix()}", _expected(path))
        for path in sorted((folder / "blender").rglob("*.blend"))
    ]


def _expected(path: Path) -> str:
    # Blender reads of a file with scripts what it shows without them.
    return EITHER if path.parent.name == "scripts" else REFUSED


def _judge_scan(each: Hostile, reasons: dict[str, str], accepted: dict[str, str], figures: Figures) -> None:
    name = each.path.replace("\n", "\\n").replace("\x1b", "\\x1b").replace("\udce9", "\\udce9")
    reason = reasons.get(name)
    if reason is None and each.path not in accepted:
        figures.wrong.append(f"{each.path!r}: neither accepted nor refused by the scan")
    elif reason is None:
        figures.scanned["passed"] += 1
        if (
            each.expected == REFUSED
            and not each.path.endswith(READ_BY_BLENDER)
            and "instances" not in each.kind
        ):
            figures.wrong.append(f"{each.path}: {each.kind}, accepted by the scan")
    elif "crashed" in reason or "took longer" in reason:
        figures.scanned["crashed"] += 1
    else:
        figures.scanned["refused"] += 1


def _to_be_loaded(each: Hostile, accepted: dict[str, str]) -> bool:
    if not each.path.endswith(MESH_SUFFIXES) or "names" in each.kind or "regular" in each.kind:
        return False
    return each.path in accepted or any(word in each.kind for word in AFTER_IMPORT)


def _load(root: Path, members: Sequence[Hostile], accepted: dict[str, str], figures: Figures) -> None:
    runtime = models.Runtime(request_seconds=SECONDS, start_seconds=600.0, memory_gib=6.0)
    folder = root / "scan" / "objects"
    child: BlenderProcess | None = None
    try:
        for each in members:
            if child is None:
                child = BlenderProcess("cpu", runtime, assets=AssetFiles(paths=[folder]))
            path = root / "scan" / each.path
            source = ObjectSource("file", str(path), root=str(folder))
            try:
                load(child, Group("g", source, {"source": "own"}, ()), settings())
                figures.loaded["read"] += 1
                if each.expected == REFUSED:
                    figures.wrong.append(f"{each.path}: {each.kind}, read by Blender")
            except AssetError as error:
                figures.loaded["refused"] += 1
                if SECRET.decode() in str(error):
                    figures.wrong.append(f"{each.path}: its refusal holds bytes from outside: {error}")
            except BlenderError as error:
                outcome = "took too long" if isinstance(error, BlenderTimeout) else "crashed"
                figures.loaded[outcome] += 1
                print(f"{each.path}: {each.kind}: {error}", file=sys.stderr)
                child.close()
                child = None
    finally:
        if child is not None:
            child.close()


def scan_collections(folder: Path, figures: Figures) -> None:
    """Scan a folder of public collections of broken assets, and add their counts."""
    with tempfile.TemporaryDirectory() as place:
        copied = Path(place) / "broken"
        shutil.copytree(folder, copied)
        limits = Limits(seconds=SECONDS, workers=1)
        found = scan(
            copied, Path(place) / "m.jsonl", ScanOptions(kind="objects", licence="CC0-1.0", limits=limits)
        )
        figures.collections = len(found.rows) + len(found.rejections)
        figures.refused_of_collections = len(found.rejections)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; returns 1 if a file was not handled as it has to be."""
    parser = argparse.ArgumentParser(description="Scan and load hostile files, and write the figures.")
    parser.add_argument("--collections", type=Path, help="folder of public collections of broken assets")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that gets the figures")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        figures = run(Path(place))
    if args.collections is not None and args.collections.is_dir():
        scan_collections(args.collections, figures)
    print("\n".join([*figures.lines(), *figures.wrong]))
    if not figures.wrong:
        from benchmarks.pages import replace_measured

        replace_measured(args.page, "test-hostile", "\n".join(figures.lines()))
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
