# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium through Playwright, axe-core beside it, and local pages of `multishade` as processes."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
AXE = REPOSITORY / "build" / "node" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SERIOUS = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of its own, without the user's data; skips the test if there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="run `make test-browser`")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium: run `make test-browser`")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def open_page(browser: Any, url: str, size: str = "desktop", scheme: str = "light") -> Any:
    """A page whose errors are collected in `page.faults`."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.set_default_timeout(90_000)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: message.type == "error" and page.faults.append(message.text))
    page.goto(url)
    return page


def until(page: Any, expression: str, seconds: float = 90) -> None:
    """Wait until an expression is true. Playwright's own waiting is forbidden by the page's security policy."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise AssertionError(f"never true: {expression}; faults: {page.faults}")
        page.wait_for_timeout(50)


def serious_faults(page: Any) -> list[str]:
    """What axe-core finds serious or critical on the page as it is."""
    if not AXE.is_file():
        pytest.skip("no axe-core: run `make test-browser`")
    page.evaluate(AXE.read_text() + ";0")
    found = page.evaluate("axe.run().then(({ violations }) => violations)")
    return [
        f"{each['id']}: {node['html'][:160]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


@contextmanager
def viewing(*arguments: str | Path, cache: Path) -> Iterator[str]:
    """The address of `multishade view` with these arguments."""
    with serving("view", *arguments, "--cache", cache) as address:
        yield address


@contextmanager
def serving(*arguments: str | Path) -> Iterator[str]:
    """The address that a command of `multishade` prints, on a free port."""
    command = [sys.executable, "-m", "multishade", *map(str, arguments), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert "http://" in line, line
            yield line.split()[-1]
        finally:
            process.terminate()
            process.wait(30)
