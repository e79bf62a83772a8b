# SPDX-License-Identifier: Apache-2.0
"""Install this clone into the environment of the interpreter, and show how much comes and how long it takes.

    .venv/bin/python .ci/install.py render     what renders
    .venv/bin/python .ci/install.py all        also what trains, fetches and tests

Standard library, and modules of this package that need no other. torch comes as the wheel without CUDA
(TORCH=cuda in the environment: as PyPI has it).
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from multishade.storage.hosts import unreachable

# Measured with the versions of constraints.txt: packages, megabytes of wheels, megabytes on disk.
SETS = {
    "render": (".", "rendering", 70, 760, 2200),
    "all": (
        ".[train,infer,export,fetch,hub,photos,pretrained,view,docs,test]",
        "training, remote assets, documentation and tests",
        107,
        370,
        1430,
    ),
}
PYPI, TORCH_CPU = "https://pypi.org/simple", "https://download.pytorch.org/whl/cpu"
SHOWN_MB = 10.0  # smaller downloads are counted, not named
DOWNLOAD = re.compile(r"^ *(?:Downloading|Using cached) (\S+?)-(\d\S*?)-\S* \(([\d.]+) ([kMG])B\)")
COLLECTED = re.compile(r"^Installing collected packages: (.*)")
UNITS = {"k": 1e-3, "M": 1.0, "G": 1e3}


def main(chosen: str) -> int:
    place, what, packages, download, disk = SETS[chosen]
    size = f"{download / 1000:.1f} GB of wheels, {disk / 1000:.1f} GB on disk"
    print(f"setup: {what}: about {packages} packages, {size} in {os.path.relpath(sys.prefix)}", flush=True)
    options = [
        "--constraint",
        "constraints.txt",
        "--progress-bar",
        "off",
        "--retries",
        "2",
        "--timeout",
        "20",
    ]
    index = _setting("index-url") or PYPI
    local = _setting("no-index") or urlsplit(index).scheme not in ("http", "https")
    reason = None if local else unreachable(index)
    if reason is not None and not _setting("find-links"):
        print(
            f"error: {urlsplit(index).hostname} cannot be reached ({reason}); the packages come from there: set up "
            "where there is a network, or name a folder of wheels with PIP_FIND_LINKS and PIP_NO_INDEX=1",
            file=sys.stderr,
        )
        return 1
    if reason is not None:
        options.append("--no-index")
    elif chosen == "all" and os.environ.get("TORCH", "cpu") == "cpu" and unreachable(TORCH_CPU) is None:
        options += ["--extra-index-url", TORCH_CPU]
    return install([*options, "--editable", place])


def install(arguments: list[str]) -> int:
    """Run pip, name what is large, and end with the seconds, or with what pip printed last."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    log: list[str] = []
    count, megabytes = 0, 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            log.append(line.rstrip())
            found = DOWNLOAD.match(line)
            if found is not None:
                size = float(found[3]) * UNITS[found[4]]
                count, megabytes = count + 1, megabytes + size
                if size >= SHOWN_MB:
                    print(
                        f"  {found[1]} {found[2]}: {size:.0f} MB (so far {count} wheels, {megabytes:.0f} MB)",
                        flush=True,
                    )
            collected = COLLECTED.match(line)
            if collected is not None:
                print(
                    f"  unpacking {len(collected[1].split(','))} packages; this takes as long as the download",
                    flush=True,
                )
    seconds = time.perf_counter() - started
    if pip.returncode:
        errors = [line for line in log if line.startswith("ERROR")] or log[-10:]
        print(*errors, sep="\n", file=sys.stderr)
        return 1
    print(
        f"setup: done in {seconds:.0f} s ({count} wheels, {megabytes:.0f} MB, were downloaded or cached)",
        flush=True,
    )
    return 0


def _setting(name: str) -> str:
    """A setting of pip, from its files or the environment; empty if there is none."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    found = re.findall(rf"^(?:global|install|:env:)\.{name}='(.*)'$", listed.stdout, re.MULTILINE)
    return found[-1] if found else ""


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
