# SPDX-License-Identifier: Apache-2.0
"""`make gallery` makes the pictures that the README shows, by the commands that exist."""

import importlib.util
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.support.imports import REPOSITORY


@pytest.mark.blender
@pytest.mark.usefixtures("one_process")
def test_the_pictures_of_the_readme_are_made(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("build_gallery", REPOSITORY / "docs" / "build_gallery.py")
    assert spec is not None and spec.loader is not None
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    small = ("shards={count: 2, groups: 1}", "views={count: 1}", "camera={width: 48, height: 48}")
    samples = "render.samples={parallel: 1, point: 1, environment: 2}"
    demo = tuple(word for override in (*small, samples) for word in ("--set", override))
    gallery.build(tmp_path / "data", tmp_path, tmp_path / "images", demo)
    pages = gallery.picture_pages(tmp_path, tmp_path / "images")
    shown = re.findall(r"\(docs/images/([^)]+)\)", (REPOSITORY / "README.md").read_text())
    made = {path.name for path in (tmp_path / "images").iterdir()}
    assert {path.name for path in pages} in (set(), {"page.jpg", "studio.jpg"})  # none without Chromium
    # bundled-cat.png is made by `make bundled-report`, from a real photograph.
    assert made | {"bundled-cat.png", "page.jpg", "studio.jpg"} == set(shown)
    for name in made:
        with Image.open(tmp_path / "images" / name) as picture:
            assert picture.width > 600
