# SPDX-License-Identifier: Apache-2.0
"""The documentation builds as a site: no broken link, every page reachable, nothing loaded from elsewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.support.imports import REPOSITORY

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Links(HTMLParser):
    """What a page loads, where it leads, and how many tables, list items and code blocks it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.targets: list[str] = []
        self.counts: dict[str, int] = {}  # in the text, not in the navigation
        self._in_text = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in_text |= tag == "article"
        if self._in_text:
            self.counts[tag] = self.counts.get(tag, 0) + 1
        values = dict(attributes)
        target = values.get(LOADED.get(tag, ""))
        if target and values.get("rel") != "canonical":
            self.loads.append(target)
        if tag == "a" and values.get("href"):
            self.targets.append(str(values["href"]))

    def handle_endtag(self, tag: str) -> None:
        self._in_text &= tag != "article"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs-site` builds it."""
    pytest.importorskip("material")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def links(page: Path) -> Links:
    found = Links()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def test_every_page_of_the_documentation_is_reached_from_the_first(site: Path) -> None:
    reached, waiting = {"index.html"}, ["index.html"]
    while waiting:
        for target in links(site / waiting.pop()).targets:
            name = target.partition("#")[0]
            if (
                name.endswith(".html")
                and "://" not in name
                and name not in reached
                and (site / name).is_file()
            ):
                reached.add(name)
                waiting.append(name)
    pages = {f"{path.stem}.html" for path in (REPOSITORY / "docs").glob("*.md")}
    assert pages | {"architecture.html", "contributing.html", "changes.html"} <= reached


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        for target in links(page).loads:
            assert "//" not in target, f"{page.name} loads {target}"
            if page.name != "404.html":  # its links are absolute, for any folder
                assert (site / target.partition("#")[0].partition("?")[0]).exists(), f"{page.name}: {target}"
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8")), (
            style
        )


def test_tables_and_code_of_the_source_are_tables_and_code_of_the_page(site: Path) -> None:
    for source in (REPOSITORY / "docs").glob("*.md"):
        text = source.read_text(encoding="utf-8")
        counts = links(site / f"{source.stem}.html").counts
        fences = len(re.findall(r"^```\w*$", text, re.MULTILINE)) // 2
        without_code = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
        tables = len(re.findall(r"^\|(?=.*-)[ :|-]+\|$", without_code, re.MULTILINE))
        assert counts.get("table", 0) == tables, source.name
        assert counts.get("pre", 0) >= fences, source.name
        items = len(re.findall(r"^ *(?:[-*]|\d+\.) ", without_code, re.MULTILINE))
        assert counts.get("li", 0) >= items, source.name


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    pytest.importorskip("material")
    (tmp_path / "docs").mkdir()
    config = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    # The same settings, with two pages of its own and without the hook.
    config = re.sub(r"^nav:\n(?:  .*\n?)+", "", config, flags=re.MULTILINE)
    config = re.sub(r"^hooks:\n(?:  .*\n?)+", "", config, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    for text, sound in (
        ("[there](other.md#part)", True),
        ("[x](gone.md)", False),
        ("[x](other.md#gone)", False),
    ):
        (tmp_path / "docs" / "index.md").write_text(f"# First\n\n{text}\n")
        (tmp_path / "docs" / "other.md").write_text("# Other\n\n## Part\n")
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode == 0) is sound, done.stderr


def test_links_to_files_at_the_top_become_links_to_pages() -> None:
    site_links = module("site_pages").site_links
    assert site_links("[a](docs/api.md#x), [b](../CHANGELOG.md), [c](https://host/docs/api.md)") == (
        "[a](api.md#x), [b](changes.md), [c](https://host/docs/api.md)"
    )


def test_the_pictures_of_the_conventions_are_those_of_their_command(tmp_path: Path) -> None:
    conventions = module("build_conventions")
    made = {path.name for path in conventions.build(tmp_path)}
    page = (REPOSITORY / "docs" / "conventions.md").read_text(encoding="utf-8")
    assert made == set(re.findall(r"\(images/([^)]+)\)", page))


def test_the_body_of_the_pictures_has_the_colours_that_the_page_states() -> None:
    conventions = module("build_conventions")
    normal, mask = conventions.body(201)
    assert np.allclose(np.linalg.norm(normal[mask], axis=1), 1, atol=1e-5)
    shown = {frame: conventions.colours(normal, mask, frame) for frame in ("opengl", "directx", "opencv")}
    top, right = (15, 100), (100, 185)
    assert shown["opengl"][top][1] > 200 and shown["directx"][top][1] < 55 and shown["opengl"][right][0] > 200
    assert (shown["directx"][mask][:, 1] == 255 - shown["opengl"][mask][:, 1]).mean() > 0.9
    assert shown["opencv"][30, 100][2] < 128
    shading = conventions.shaded(normal, mask)
    assert shading[50, 50, 0] > 230 > 30 > shading[165, 165, 0]  # lit from the upper left
