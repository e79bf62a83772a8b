# SPDX-License-Identifier: Apache-2.0
"""What README and the pages print runs as printed: every block marked `<!-- run -->` (tests/support/markdown.py)."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multishade.cli import main
from tests.support.imports import REPOSITORY
from tests.support.markdown import Block, marked_blocks
from tests.support.synthetic import make_sample, write_synthetic_shard

PAGES = {path.stem: path for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))}
BLOCKS = {name: marked_blocks(path.read_text(encoding="utf-8")) for name, path in PAGES.items()}
QUICK = [name for name, blocks in BLOCKS.items() if any(not block.slow for block in blocks)]
SLOW = [name for name, blocks in BLOCKS.items() if any(block.slow for block in blocks)]
SIZE = 32


def add_programs(folder: Path) -> dict[str, str]:
    """Make what a shell finds in an activated clone; returns its environment."""
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name, module in (("multishade", "multishade"), ("multishade-inspect", "multishade inspect")):
        (binaries / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (binaries / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "MPLBACKEND": "agg",
    }


def add_photo(folder: Path) -> None:
    """The photo and the mask that the pages name."""
    sample = make_sample(size=64)
    picture = np.clip(sample.images["image_parallel"] * 255, 0, 255).astype(np.uint8)
    for name in ("photo.png", "photo.jpg"):
        Image.fromarray(picture).save(folder / name)
    Image.fromarray(sample.mask).save(folder / "mask.png")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/demo, two shards of six samples, and data/photometric, without Blender."""
    folder = tmp_path_factory.mktemp("pages")
    for shard in range(2):
        keys = [f"s{shard:06d}-g{group:04d}-v{view}" for group in range(3) for view in range(2)]
        place = folder / "data" / "demo" / f"multishade-{shard:06d}.tar"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_synthetic_shard(place, [make_sample(key, size=SIZE) for key in keys])
    place = folder / "data" / "photometric" / "multishade-000000.tar"
    place.parent.mkdir()
    sequences = [
        make_sample(f"s000000-g{group:04d}-v0", size=16, mode="photometric", lights=32) for group in range(8)
    ]
    write_synthetic_shard(place, sequences)
    add_photo(folder)
    return folder


def run(page: str, blocks: list[Block], environment: dict[str, str]) -> None:
    """Run blocks in the current folder; those of Python in one namespace."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        where = f"{PAGES[page].relative_to(REPOSITORY)}:{block.line}"
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, PAGES[page], "exec"), names)
            continue
        done = subprocess.run(
            ["bash", "-eu", "-c", block.text], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{where}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize("page", QUICK)
def test_quick_blocks_run(page: str, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").symlink_to(shards / "data")
    add_photo(tmp_path)
    monkeypatch.chdir(tmp_path)
    run(page, [block for block in BLOCKS[page] if not block.slow], add_programs(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_slow_blocks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder but for the photo and, where a block looks at them, two rendered shards of the demo."""
    add_photo(tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in BLOCKS[page] if block.slow]
    if "render" not in blocks[0].text:
        assert main(["render", "demo", "--shards", "0-1", "-o", "data/demo"]) == 0
    run(page, blocks, add_programs(tmp_path))


def test_pages_that_print_python_have_it_run() -> None:
    assert {"README", "data-format", "training-data", "training", "light-basis"} <= set(QUICK)


def test_a_mark_that_stands_before_no_block_is_an_error() -> None:
    (block,) = marked_blocks("text\n\n<!-- run slow -->\n```\nmultishade configs\n```\n")
    assert block == Block("", "multishade configs\n", 4, True)
    for text in ("<!-- run -->\n\n```python\n1\n```\n", "<!-- run quick -->\n```python\n1\n```\n"):
        with pytest.raises(ValueError, match="1 marks, but 0 blocks"):
            marked_blocks(text)
