# SPDX-License-Identifier: Apache-2.0
"""`multishade view` in a real browser (`make test-browser`)."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.chromium import chromium, open_page, serious_faults, until, viewing
from tests.support.synthetic import make_sample, with_meta, write_synthetic_shard

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
LIGHTS = ((0.0, 0.0, 1.0), (0.6, 0.0, 0.8), (-0.48, 0.64, 0.6))
SHOTS = Path("out/browser")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two data sets with the same keys: spheres, and the same with other bumps; one object has a hostile name."""
    found = []
    for name, bump in (("first", 0.05), ("second", 0.2)):
        folder = tmp_path_factory.mktemp(name)
        for shard in range(3):
            samples = []
            for group in range(8):
                sample = make_sample(f"s{shard:06d}-g{group:04d}-v0", size=64, bump=bump)
                sample = with_meta(sample, "object", id=HOSTILE if group == 7 else f"object-{group}")
                samples.append(with_meta(sample, "material", id=("clay", "steel")[group % 2]))
            write_synthetic_shard(folder / f"multishade-{shard:06d}.tar", samples)
        found.append(folder)
    return found[0], found[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def url(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with viewing(folders[0], cache=tmp_path_factory.mktemp("cache")) as address:
        yield address


def wait_for_list(page: Any, samples: int = 24) -> None:
    until(page, f"document.getElementById('status').textContent.startsWith('{samples} of')")
    until(page, "[...document.querySelectorAll('.tile img')].every((image) => image.naturalWidth > 0)")


def shoot(page: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"{name}.png"))


def open_sample(page: Any, key: str) -> None:
    page.click(f".tile:has-text('{key}')")
    page.wait_for_selector(".relit-object")


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32)


def test_keyboard_alone_finds_opens_and_relights_a_sample(browser: Any, url: str) -> None:
    page = open_page(browser, url)
    wait_for_list(page)
    press = page.keyboard.press
    press("Tab")
    page.keyboard.type("object-3")
    until(page, "document.getElementById('status').textContent.startsWith('3 of 24')")
    for _ in range(60):
        press("Tab")
        if page.evaluate("document.activeElement.classList.contains('tile')"):
            break
    press("ArrowRight")
    press("Enter")
    page.wait_for_selector(".relit-object")
    assert page.text_content("#sample .quiet") == "s000001-g0003-v0"
    for _ in range(60):
        press("Tab")
        if page.evaluate("document.activeElement.classList.contains('relit-ball')"):
            break
    before = page.get_attribute(".relit-ball", "aria-valuetext")
    press("ArrowRight")
    until(page, f"document.querySelector('.relit-ball').getAttribute('aria-valuetext') !== '{before}'")
    press("Escape")
    until(page, "!document.getElementById('dialog').open")
    assert "s000001-g0003-v0" in page.evaluate("document.activeElement.textContent")
    assert page.faults == []
    page.close()


def test_filters_and_search_narrow_the_list(browser: Any, url: str) -> None:
    page = open_page(browser, url)
    wait_for_list(page)
    until(page, "document.querySelectorAll('.bars').length >= 2")  # masks are measured
    page.get_by_label("steel 12").check()
    until(page, "document.getElementById('status').textContent.startsWith('12 of 24')")
    page.get_by_label("object-1 3").check()
    until(page, "document.getElementById('status').textContent.startsWith('3 of 24')")
    page.click("text=clear all filters")
    until(page, "document.getElementById('status').textContent.startsWith('24 of 24')")
    page.get_by_label("mask area from").fill("0.99")
    page.get_by_label("mask area from").press("Enter")
    until(page, "document.getElementById('status').textContent.startsWith('0 of 24')")
    assert page.faults == []
    page.close()


def test_the_object_is_shaded_as_max_0_n_l(browser: Any, url: str) -> None:
    page = open_page(browser, url)
    wait_for_list(page)
    shown = page.evaluate(
        """async (lights) => {
          const { createRelight } = await import("./relit.js");
          const data = await (await fetch("normals?set=0&key=s000000-g0000-v0")).arrayBuffer();
          const side = new DataView(data).getUint32(0, true), normals = new Int16Array(data.slice(4));
          const view = createRelight(document.createElement("div"), { width: side, height: side, normals });
          const drawn = lights.map((light) => [...view.readPixels({ light })]);
          return [view.kind, side, [...normals], drawn];
        }""",
        LIGHTS,
    )
    kind, side, normals, drawn = shown
    assert kind in ("webgl2", "canvas")
    n = np.array(normals, np.float64).reshape(side, side, 3) / 32767
    assert np.abs(np.linalg.norm(n[side // 2, side // 2]) - 1) < 1e-3
    for light, pixels in zip(LIGHTS, drawn, strict=True):
        expected = 255 * np.maximum(0, n @ np.array(light)) * (n != 0).any(axis=2)
        got = np.array(pixels).reshape(side, side, 4)
        assert np.abs(got[..., :3] - expected[..., None]).max() <= 1
        assert ((got[..., 3] == 255) == (n != 0).any(axis=2)).all()
    page.close()


def test_dragging_over_the_ball_turns_the_light(browser: Any, url: str) -> None:
    page = open_page(browser, url)
    wait_for_list(page)
    open_sample(page, "s000000-g0000-v0")
    ball = page.locator(".relit-ball")
    ball.scroll_into_view_if_needed()
    box = ball.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    until(page, "/elevation (8\\d|90) /.test(document.querySelector('.relit-note').textContent)")
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    page.mouse.up()
    until(
        page,
        "/azimuth 9\\d degrees, elevation 3\\d /.test(document.querySelector('.relit-note').textContent)",
    )
    assert page.faults == []
    page.close()


def test_the_wipe_shows_each_picture_on_its_side(
    browser: Any, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    with viewing(folders[0], "--against", folders[1], cache=tmp_path) as address:
        page = open_page(browser, address)
        wait_for_list(page)
        open_sample(page, "s000000-g0000-v0")
        names = page.eval_on_selector_all("select.first option", "all => all.map(({ text }) => text)")
        assert f"{folders[1].name}: normal" in names and "difference: normal" in names
        stage = page.locator(".stage")

        def choose(first: str, second: str, wipe: int) -> np.ndarray:
            page.select_option("select.first", label=first)
            page.select_option("select.second", label=second)
            page.fill("input[aria-label=Wipe]", str(wipe)) if second != "no second picture" else None
            until(
                page,
                "[...document.querySelectorAll('.stage img')].every((i) => i.hidden || (i.complete && i.naturalWidth))",
            )
            return pixels_of(stage.screenshot())

        one = choose(f"{folders[0].name}: normal", "no second picture", 0)
        two = choose(f"{folders[1].name}: normal", "no second picture", 0)
        both = choose(f"{folders[0].name}: normal", f"{folders[1].name}: normal", 50)
        assert np.abs(one - two).mean() > 1, "the bumps differ"
        middle = both.shape[1] // 2
        left, right = np.s_[:, : middle - 4], np.s_[:, middle + 4 :]
        assert np.abs(both[left] - one[left]).max() <= 2 and np.abs(both[right] - two[right]).max() <= 2
        shoot(page, "compare-desktop")
        assert page.faults == []
        page.close()


def test_a_hostile_name_is_text(browser: Any, url: str) -> None:
    page = open_page(browser, url)
    wait_for_list(page)
    open_sample(page, "s000000-g0007-v0")
    assert page.text_content("#sample-title") == HOSTILE
    page.click("summary:has-text('meta.json')")
    assert page.evaluate("window.hacked") is None
    assert page.query_selector("#sample-title img") is None and page.faults == []
    page.close()


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_list_and_sample_are_accessible_and_fit(browser: Any, url: str, size: str, scheme: str) -> None:
    page = open_page(browser, url, size, scheme)
    wait_for_list(page)
    shoot(page, f"list-{size}-{scheme}")
    faults = serious_faults(page)
    open_sample(page, "s000000-g0001-v0")
    until(
        page, "[...document.querySelectorAll('#sample img')].every((i) => i.hidden || !i.src || i.complete)"
    )
    shoot(page, f"sample-{size}-{scheme}")
    faults += serious_faults(page)
    dialog = "document.getElementById('dialog')"
    wide = page.evaluate(f"{dialog}.scrollWidth - {dialog}.clientWidth")
    assert faults == [], "\n".join(faults)
    assert wide <= 0 and page.faults == []
    page.close()


def test_the_film_plays(browser: Any, url: str) -> None:
    page = open_page(browser, url)
    wait_for_list(page)
    open_sample(page, "s000000-g0000-v0")
    page.click("text=play")
    until(page, "document.querySelector('.frame').alt === 'shading, frame 3'")
    page.click("button:has-text('stop')")
    assert page.faults == []
    page.close()
