# SPDX-License-Identifier: Apache-2.0
"""A wheel -> its content as a list, and an error if files of the packages are missing from it or foreign to it.

    python .ci/check_wheel.py dist/multishade-0.1.0-py3-none-any.whl

The wheel must hold every tracked file of multishade/ and blender_scripts/ (weights and templates, too), and configs/
and assets_manifest/ below multishade/shipped/. Nothing else: no tests, no benchmarks, no leftovers of an earlier build.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PLACES = {
    "multishade/": "multishade/",
    "blender_scripts/": "blender_scripts/",
    "configs/": "multishade/shipped/configs/",
    "assets_manifest/": "multishade/shipped/assets_manifest/",
}


def expected_files() -> set[str]:
    """The wheel's names of all tracked files that belong into it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PLACES], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    tracked = [name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]
    return {
        place + name.removeprefix(top)
        for name in tracked
        for top, place in PLACES.items()
        if name.startswith(top)
    }


def main(path: str) -> int:
    with zipfile.ZipFile(path) as wheel:
        sizes = {info.filename: info.file_size for info in wheel.infolist()}
    for name, size in sorted(sizes.items()):
        print(f"{size:>10,}  {name}")
    present = {name for name in sizes if ".dist-info/" not in name}
    missing, foreign = expected_files() - present, present - expected_files()
    for name in sorted(missing):
        print(
            f"error: {name} is missing from the wheel: add it to package-data in pyproject.toml",
            file=sys.stderr,
        )
    for name in sorted(foreign):
        print(
            f"error: {name} is in the wheel but is not tracked: remove build/, or track it", file=sys.stderr
        )
    print(f"{path}: {len(sizes)} files, {sum(sizes.values()) / 1e6:.1f} MB unpacked")
    return 1 if missing or foreign else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
