# SPDX-License-Identifier: Apache-2.0
"""page.html in Chromium: shading as NumPy computes it, the wipe, mouse, touch and keys, and hostile names do nothing.

`make test-browser` installs what is needed.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multishade.geometry.boxes import bounding_window
from multishade.inference.results import results_of_prediction
from multishade.inference.write import Output, parse_formats, write_results
from multishade.photometry.shading import lambert
from tests.support.spheres import sphere_prediction

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test-browser")
CHROMIUM = os.environ.get("MULTISHADE_CHROMIUM") or shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: make test-browser"),
]

QUIET = [
    *("--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
# Drawn by WebGL2 in software, and by a 2D canvas where there is no WebGL.
MODES = {
    "webgl2": ["--enable-unsafe-swiftshader", "--use-angle=swiftshader"],
    "canvas": ["--disable-gpu", "--disable-3d-apis"],
}
HOSTILE = "</title><img src=x onerror=\"document.title='hacked'\">"
NOTE = "</script><script>document.title = 'hacked'</script><b onclick=alert(1)>"
PAGE = "document.getElementById('relight')"
FILES = "page,mask,normal_gl,normal_dx,normal_exr,confidence,height,glb,ply,overview"  # a long row of links
LIGHTS = ([0.0, 0.0, 1.0], [0.6, 0.48, 0.64], [-0.8, 0.1, 0.5916])

Ball = Any


@pytest.fixture(scope="module")
def ball() -> Ball:
    found = sphere_prediction(150, 200, 65)
    return replace(found, photo=replace(found.photo, name=HOSTILE, notes=(NOTE,)))


@pytest.fixture(scope="module")
def folder(ball: Ball, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    write_results(out, results_of_prediction(ball, "poisson"), Output(parse_formats(FILES)))
    return out


@pytest.fixture(scope="module", params=list(MODES))
def page(request: pytest.FixtureRequest, folder: Path) -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *MODES[request.param]])
        context = browser.new_context(viewport={"width": 1440, "height": 900}, has_touch=True)
        opened = context.new_page()
        opened.errors, opened.requests = [], []
        opened.on("console", lambda message: opened.errors.append(message.text))
        opened.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.on("request", lambda each: opened.requests.append(each.url))
        opened.goto((folder / "page.html").as_uri())
        opened.wait_for_selector("[data-ready]", timeout=120_000)
        opened.mode = request.param
        yield opened
        browser.close()


def pixels(page: Any, **state: Any) -> np.ndarray:
    """(H, W, 4) as they are drawn in that state."""
    picture = page.evaluate(
        f"(state) => {{ const c = document.querySelector('[data-part=picture]'); "
        f"return [c.width, c.height, Array.from({PAGE}.relight.pixels(state))] }}",
        {"wipe": 0, "clay": True, "glossy": False, "coded": False, **state},
    )
    width, height, values = picture
    return np.array(values, np.uint8).reshape(height, width, 4)


def state(page: Any) -> dict:
    return dict(page.evaluate(f"{PAGE}.relight.state"))


def window(ball: Ball) -> tuple[slice, slice]:
    return bounding_window(ball.mask, margin=200 // 16)


@pytest.mark.parametrize("light", LIGHTS)
def test_shading_is_that_of_numpy(page: Any, ball: Ball, light: list[float]) -> None:
    assert page.evaluate(f"{PAGE}.dataset.ready") == page.mode
    shown = pixels(page, light=light)
    expected = lambert(ball.normal, np.array([light]), ball.mask)[0][window(ball)]
    mask = ball.mask[window(ball)]
    assert np.array_equal(shown[..., 3] == 255, mask)
    assert np.abs(shown[..., 0].astype(float) - 255 * expected)[mask].max() <= 1.0


def test_normals_are_shown_in_their_usual_colours(page: Any, ball: Ball) -> None:
    shown = pixels(page, coded=True)[..., :3].astype(float)
    mask = ball.mask[window(ball)]
    assert np.abs(shown - (ball.normal[window(ball)] * 0.5 + 0.5) * 255)[mask].max() <= 1.5


def test_gloss_brightens_the_highlight_only(page: Any) -> None:
    light = [0.3, 0.3, 0.9055]
    change = pixels(page, light=light, glossy=True).astype(int) - pixels(page, light=light).astype(int)
    assert change.min() >= 0 and change[..., 0].max() > 20  # clay is nearly white there
    assert (change[..., 0] > 2).mean() < 0.5


def test_the_wipe_wipes(page: Any, ball: Ball) -> None:
    photo = ball.photo.pixels[window(ball)] * 255
    wipe = page.locator("[data-part=wipe]")
    wipe.focus()
    page.keyboard.press("End")
    assert state(page)["wipe"] == 1
    wipe.evaluate("(input) => { input.value = 30; input.dispatchEvent(new Event('input')); }")
    shown = pixels(page, wipe=state(page)["wipe"], light=[0, 0, 1])
    edge = round(0.3 * shown.shape[1])
    assert np.abs(shown[:, : edge - 1, :3] - photo[:, : edge - 1]).mean() < 3
    assert not shown[0, edge + 1 :, 3].any()  # off the object nothing is drawn on the other side
    line = page.locator("[data-part=line]").bounding_box()
    box = page.locator("[data-part=picture]").bounding_box()
    assert (line["x"] - box["x"]) / box["width"] == pytest.approx(0.3, abs=0.02)


def test_keys_move_the_light(page: Any) -> None:
    page.locator("[data-part=light]").focus()
    page.keyboard.press("Home")
    assert state(page)["light"] == pytest.approx([0, 0, 1])
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    x, y, z = state(page)["light"]
    assert (x, y) == pytest.approx((np.sin(np.radians(10)), np.sin(np.radians(5))), abs=1e-6) and z > 0.9
    said = page.locator("[data-part=light]")
    deadline = (
        time.monotonic() + 10
    )  # not wait_for_function, whose text the page's policy forbids to evaluate
    while "elevation 79" not in (said.get_attribute("aria-valuetext") or ""):
        assert time.monotonic() < deadline, said.get_attribute("aria-valuetext")
        page.wait_for_timeout(50)
    assert said.get_attribute("role") == "slider"


@pytest.mark.parametrize("how", ["mouse", "touch"])
def test_the_light_follows_the_pointer(page: Any, how: str) -> None:
    box = page.locator("[data-part=light]").bounding_box()
    x, y = box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"]
    if how == "touch":
        page.touchscreen.tap(x, y)
    else:
        page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(x, y, steps=4)
        page.mouse.up()
        page.mouse.move(box["x"] + 30, box["y"] + 90)  # after release nothing moves
    assert state(page)["light"][:2] == pytest.approx([0.6, 0.4], abs=0.02)


def test_the_surface_turns_where_there_is_webgl(page: Any) -> None:
    if page.mode == "canvas":
        assert page.locator("[data-part=surface-choice]").is_hidden()
        return
    page.locator("input[value=surface]").check(force=True)
    surface = page.locator("[data-part=surface]")
    surface.wait_for(state="visible")
    before = surface.screenshot()
    surface.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert state(page)["azimuth"] == pytest.approx(1.0)
    page.wait_for_timeout(300)
    assert surface.screenshot() != before
    page.locator("input[value=relit]").check(force=True)


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_runs_over_the_edge(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("[data-part=picture]").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["width"] > 0.4 * min(width, 900)


def test_hostile_names_and_notes_are_text(page: Any) -> None:
    assert page.title() == HOSTILE
    assert page.locator("h1").inner_text() == HOSTILE
    assert NOTE in page.locator("footer").inner_text()
    assert page.locator("main img, main script").count() == 0


def test_it_is_silent_and_asks_no_network(page: Any) -> None:
    """The last test of the file: over all that was done."""
    assert page.errors == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in page.requests)
