# SPDX-License-Identifier: Apache-2.0
"""`multishade assets`: manifests of built-in assets, of folders, and of what is fetched from remote
sources."""

import argparse
from pathlib import Path


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("assets", help="make manifests of objects, materials and environments")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_builtin(actions)


def _add_builtin(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser("builtin", help="write manifests of the assets that need no file")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the manifests"
    )
    parser.add_argument(
        "--objects-per-family", type=int, default=32, metavar="N", help="seeds 0..N-1 (default 32)"
    )
    parser.add_argument(
        "--materials-per-family", type=int, default=18, metavar="N", help="seeds 0..N-1 (default 18)"
    )
    parser.set_defaults(run=run_builtin)


def run_builtin(args: argparse.Namespace) -> int:
    from multishade.assets.builtin import builtin_environments, builtin_materials, builtin_objects
    from multishade.manifest import Row, write_rows

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
