# SPDX-License-Identifier: Apache-2.0
"""`multishade render --assets MODELS`: folders of own assets -> manifests in the output folder, and a cheap preview."""

import argparse
from pathlib import Path

KINDS = ("objects", "materials", "environments")
PREVIEW_GROUPS = 6
# Small and cheap, but with the recipe's lights and materials.
PREVIEW = (
    "camera={width: 192, height: 192}",
    "views.count=1",
    "render.samples={parallel: 8, point: 8, environment: 16, mixed: 16, shading: 8, basis: 8}",
    "render.adaptive.threshold=0",
    "render.quality.psnr=null",
    "render.importance_map=512",
    "shards.count=1",
)


def add_own_assets(parser: argparse.ArgumentParser) -> None:
    """Add --assets, --materials, --environments, --up and --preview."""
    own = parser.add_argument_group("own assets")
    own.add_argument(
        "--assets", type=Path, metavar="DIR", help="folder of meshes, in place of the recipe's objects"
    )
    own.add_argument("--materials", type=Path, metavar="DIR", help="folder of PBR map sets, likewise")
    own.add_argument("--environments", type=Path, metavar="DIR", help="folder of HDR or EXR maps, likewise")
    own.add_argument(
        "--up",
        choices=("x", "y", "z"),
        help="axis of the meshes that points up (default: that of their format)",
    )
    own.add_argument(
        "--preview",
        action="store_true",
        help=f"render {PREVIEW_GROUPS} groups small and fast into DIR/preview, and draw a sheet; nothing else",
    )


def has_own_assets(args: argparse.Namespace) -> bool:
    """Whether one of the folders is named."""
    return any(folder is not None for folder in _folders(args).values())


def scan_own_assets(args: argparse.Namespace, output: Path) -> list[str]:
    """Scan the named folders.

    Args:
        args: Parsed arguments.
        output: Folder of the data set; manifests are written to its sub-folder `assets`.

    Returns:
        Overrides that name the manifests.

    Raises:
        AssetError: If a folder has no asset of its kind that can be rendered; the reasons are printed.
    """
    from multishade.assets.scanning.scan import ScanOptions, scan, write_scan
    from multishade.errors import AssetError

    overrides = []
    for kind, folder in _folders(args).items():
        if folder is None:
            continue
        manifest = output / "assets" / f"{kind}.jsonl"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        options = ScanOptions(kind=kind, up=args.up if kind == "objects" else None)  # type: ignore[arg-type]
        result = scan(folder, manifest, options, keep=True)
        rejected = write_scan(result, manifest)
        for each in result.rejections:
            print(f"rejected: {each.location}: {each.reason}")
        if not result.rows:
            raise AssetError(f"{folder}: none of its {kind} can be rendered; the reasons are in {rejected}")
        print(f"{manifest}: {len(result.rows)} {kind}, {len(result.rejections)} rejected")
        overrides.append(f"sources.{kind}={manifest.resolve()}")
    return overrides


def sized(args: argparse.Namespace, overrides: list[str]) -> list[str]:
    """Return overrides by which every object is rendered once in each variant: all shards, or those of a preview."""
    from multishade.config import load_config
    from multishade.render.plan import make_plan

    config = load_config(args.config, overrides)
    groups = len(make_plan(config).assets.objects) * config.materials.variants
    if args.preview:
        preview = [
            *PREVIEW,
            f"shards.groups={min(PREVIEW_GROUPS, groups)}",
            f"views.canonical=[{', '.join(config.views.canonical[-1:])}]",
        ]
        return [*overrides, *preview]
    if not has_own_assets(args):
        return overrides
    each = min(config.shards.groups, groups)
    return [*overrides, f"shards={{groups: {each}, count: {-(-groups // each)}}}"]


def finish_preview(output: Path) -> None:
    """Draw the sheet of a preview, and print how to go on."""
    from multishade.report.sheet import draw_sheet
    from multishade.shards.locate import find_shards

    sheet = output / "sheet.png"
    drawn = draw_sheet(sheet, find_shards([output]), PREVIEW_GROUPS)
    print(f"{sheet}: {drawn} samples; to render the data set itself, give the same command without --preview")


def _folders(args: argparse.Namespace) -> dict[str, Path | None]:
    return dict(zip(KINDS, (args.assets, args.materials, args.environments), strict=True))
