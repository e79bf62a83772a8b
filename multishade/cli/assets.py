# SPDX-License-Identifier: Apache-2.0
"""`multishade assets`: write manifests of built-in assets, of folders, and of assets of remote sources."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multishade.cli.assets_fetch import add_fetch
from multishade.cli.options import add_output
from multishade.cli.triage import add_triage, limits_given, triage_rules
from multishade.errors import ConfigError

if TYPE_CHECKING:
    from multishade.assets.scanning.scan import ScanResult


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("assets", help="make manifests of objects, materials and environments")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_builtin(actions)
    _add_scan(actions)
    add_fetch(actions)


def _add_builtin(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser("builtin", help="write manifests of the built-in assets")
    add_output(parser, "folder of the manifests", required=True)
    parser.add_argument(
        "--objects-per-family", type=int, default=32, metavar="N", help="seeds 0..N-1 (default 32)"
    )
    parser.add_argument(
        "--materials-per-family", type=int, default=18, metavar="N", help="seeds 0..N-1 (default 18)"
    )
    parser.set_defaults(run=run_builtin)


def run_builtin(args: argparse.Namespace) -> int:
    from multishade.assets.builtin import builtin_environments, builtin_materials, builtin_objects
    from multishade.assets.manifest import write_rows
    from multishade.assets.schema import Row
    from multishade.storage.writable import require_writable_folder

    require_writable_folder(args.output)

    manifests: dict[str, list[Row]] = {
        "objects": [*builtin_objects(args.objects_per_family)],
        "materials": [*builtin_materials(args.materials_per_family)],
        "environments": [*builtin_environments()],
    }
    for name, rows in manifests.items():
        path = args.output / f"{name}.jsonl"
        write_rows(path, rows)
        print(f"{path}: {len(rows)} {name}")
    return 0


def _add_scan(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "scan",
        help="write a manifest of a folder of meshes, PBR map sets or environment maps",
        description="Read every mesh (GLB, glTF, OBJ, PLY, STL; FBX, USD and BLEND by their first bytes only), PBR map "
        "set or environment map (HDR, EXR) below a folder, and write a manifest of those that can be rendered. The "
        "others go to MANIFEST.rejected.jsonl with the reason. Exit code 1 if nothing can be used.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    add_output(parser, "the manifest to write", "MANIFEST", required=True)
    parser.add_argument("--kind", choices=["auto", "objects", "materials", "environments"], default="auto")
    parser.add_argument("--licence", help="licence of files for which none is stated in or beside them")
    parser.add_argument(
        "--split",
        choices=["train", "val", "test", "auto"],
        default="train",
        help="auto: nine tenths for training, the rest for validation and testing, by content (default: train)",
    )
    parser.add_argument(
        "--up",
        choices=["x", "y", "z"],
        help="axis of the meshes that points up (default: that of their format)",
    )
    triage = parser.add_argument_group(
        "triage",
        "reject meshes that are no single solid object: flat scans, scenes of many parts, a wide ground",
    )
    triage.add_argument("--triage", action="store_true", help="as `fetch objaverse` does; a limit implies it")
    add_triage(triage)
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="files read at once (default 2)")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="seconds for one file (default 60)"
    )
    parser.add_argument(
        "--memory-gb", type=float, default=4.0, metavar="G", help="memory for one file (default 4)"
    )
    parser.add_argument(
        "--render",
        action="store_true",
        help="render each asset with Blender, 32 pixels a side; those that cannot be rendered are rejected",
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="PNG",
        help="the contact sheet of --render (default: MANIFEST with the suffix .png)",
    )
    parser.set_defaults(run=run_scan)


def run_scan(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from multishade.assets.sandbox import Limits
    from multishade.assets.scanning.scan import ScanOptions, scan, write_scan
    from multishade.assets.scanning.summary import summarise
    from multishade.storage.writable import require_writable_file

    if args.sheet is not None and not args.render:
        raise ConfigError("--sheet is the contact sheet of --render: add --render")
    require_writable_file(args.output)  # first: a folder such as `.` has no name to put a suffix on
    sheet = args.sheet or args.output.with_suffix(".png")
    if args.render:
        require_writable_file(sheet, remedy="choose another path with --sheet")
    limits = Limits(seconds=args.timeout, memory_bytes=int(args.memory_gb * 2**30), workers=args.workers)
    options = ScanOptions(
        kind=args.kind,
        licence=args.licence,
        split=args.split,
        limits=limits,
        up=args.up,
        rules=triage_rules(args) if args.triage or limits_given(args) else None,
    )
    with tqdm(desc="reading", unit="asset", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result = scan(args.folder, args.output, options, show, keep=True)
    if args.render and result.rows:
        result = _prove(result, args, sheet)
    rejected = write_scan(result, args.output)
    for each in result.rejections:
        print(f"rejected: {each.location}: {each.reason}")
    for each in result.unread:
        print(f"not used: {each.location}: {each.reason}")
    unknown = sum(row.licence == "unknown" for row in result.rows)
    summary = f"{len(result.rows)} {result.kind} usable, {len(result.rejections)} rejected"
    summary += f", {unknown} without a known licence" if unknown else ""
    if not result.rows:
        print(f"{summary}; no manifest written, see {rejected}")
        return 1
    print(f"{args.output}: {summary}" + (f"; the reasons are in {rejected}" if rejected else ""))
    for line in summarise(result.rows, [each.reason for each in result.rejections]):
        print(f"  {line}")
    if args.render:
        print(f"{sheet}: pictures of the {result.kind}")
    return 0


def _prove(result: "ScanResult", args: argparse.Namespace, sheet: Path) -> "ScanResult":
    """Render every row of a scan, write the contact sheet, and move what cannot be rendered to the rejections."""
    from tqdm import tqdm

    from multishade import threads
    from multishade.assets.scanning.refuse import refuse
    from multishade.imaging import display
    from multishade.render.proof import prove
    from multishade.report.assets import AssetPicture, draw_asset_sheet

    rows = [row.with_folder(args.output.absolute().parent) for row in result.rows]
    workers = max(1, min(args.workers, len(rows)))
    pictures: dict[int, AssetPicture] = {}
    reasons: dict[int, str] = {}
    proofs = prove(rows, workers, max(1, threads.cores() // workers), args.timeout)
    for proof in tqdm(proofs, desc="rendering", unit="asset", total=len(rows), disable=None):
        if proof.reason is not None:
            reasons[proof.index] = proof.reason
            continue
        assert proof.image is not None and proof.normal is not None
        row = rows[proof.index]
        shown = (
            display.radiance_to_rgb(proof.image, proof.mask),
            display.normal_to_rgb(proof.normal, proof.mask),
        )
        pictures[proof.index] = AssetPicture(row.id, row.tags, shown)
    result = refuse(result, reasons)
    title = f"{len(result.rows)} {result.kind} of {args.folder} usable, {len(result.rejections)} rejected"
    refused = [(each.location, each.reason) for each in result.rejections]
    draw_asset_sheet(sheet, title, [pictures[index] for index in sorted(pictures)], refused)
    return result
