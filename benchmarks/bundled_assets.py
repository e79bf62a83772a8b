# SPDX-License-Identifier: Apache-2.0
"""A folder of real assets -> the manifests that `make bundled-data` renders beside the built-in ones.

    python -m benchmarks.bundled_assets FOLDER -o data/bundled-192-assets

FOLDER has folders `meshes`, `meshes_organic`, `materials`, `environments`, `environments_cc0`, or some of them. Meshes
that are tests are left out; some are held out for validation by name, materials and environments by their content.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from multishade.assets.manifest import read_objects, write_rows
from multishade.cli import main as multishade

KINDS = {
    "meshes": "objects",
    "meshes_organic": "objects",
    "materials": "materials",
    "environments": "environments",
    "environments_cc0": "environments",
}
LEFT_OUT = ("AlphaBlendModeTest", "NormalTangentTest", "plane_holes", "portal")
VALIDATION = ("boot", "koala_low_resolution", "sofa_03_1k", "human_woman", "nefertiti-lowres")


def make_manifests(folder: Path, out: Path) -> dict[str, list[Path]]:
    """Scan a folder. Returns the manifests of each kind: objects (one), materials, environments."""
    made: dict[str, list[Path]] = {"objects": [], "materials": [], "environments": []}
    for name, kind in KINDS.items():
        place = folder / name
        if not place.is_dir():
            print(f"left out: {place}: there is no such folder")
            continue
        manifest = out / f"real-{name}.jsonl"
        split = "train" if kind == "objects" else "auto"
        arguments = ["assets", "scan", str(place), "-o", str(manifest), "--kind", kind, "--split", split]
        if multishade(arguments):
            raise SystemExit(f"{place}: nothing could be used")
        made[kind].append(manifest)
    rows = [row for manifest in made["objects"] for row in read_objects(manifest) if row.id not in LEFT_OUT]
    held = [row.model_copy(update={"split": "val"}) if row.id in VALIDATION else row for row in rows]
    write_rows(out / "real-objects.jsonl", held)
    return {**made, "objects": [out / "real-objects.jsonl"]}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    made = make_manifests(options.folder, options.output)
    print(json.dumps({kind: [str(path) for path in paths] for kind, paths in made.items()}, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
