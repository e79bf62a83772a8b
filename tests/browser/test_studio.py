# SPDX-License-Identifier: Apache-2.0
"""`multishade studio` in Chromium, with the bundled model: photo, mask, light, files, a set, by mouse and by keys.

`make test-browser` installs what is needed; pictures go to out/browser.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from multishade.imaging import codecs
from multishade.imaging.normal_maps import read_normal_map
from multishade.photometry.shading import lambert
from tests.support.chromium import chromium, open_page, serious_faults, serving, until
from tests.support.spheres import sphere_normals
from tests.support.synthetic_benchmarks import write_diligent_object

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=window.hacked=1>.jpg"
COMMENT = "<script>window.hacked=1</script>\"'><img src=x onerror=window.hacked=1>"
SHOTS = Path("out/browser")
NORMAL, INSIDE = sphere_normals(240, 320, 90.0)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ball before a striped wall, with a hostile name and EXIF comment."""
    shading = np.maximum(NORMAL @ np.array([-0.4, 0.5, 0.77]), 0)[..., None]
    wall = np.where(np.mgrid[:240, :320][1] // 16 % 2, 0.35, 0.5)[..., None] * np.array([0.8, 0.9, 1.0])
    pixels = np.where(INSIDE[..., None], (0.15 + 0.8 * shading) * [0.9, 0.55, 0.35], wall)
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = COMMENT  # description, artist
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + COMMENT.encode()
    path = tmp_path_factory.mktemp("photo") / HOSTILE
    picture = Image.fromarray((pixels * 255).astype(np.uint8))
    picture.save(path, "JPEG", quality=95, exif=exif, comment=COMMENT.encode())
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def url(browser: Any) -> Iterator[str]:
    with serving("studio", "--max-megabytes", "3") as address:
        yield address


def item_of(page: Any, name: str) -> dict[str, Any]:
    """What the server says of the newest item of a name."""
    items = page.evaluate("fetch('api/items').then((answer) => answer.json())")["items"]
    return [item for item in items if item["name"] == name][-1]


def wait_for(page: Any, version: int = 1) -> None:
    """Until that many results of the chosen item were shown, and the files are written."""
    until(page, f"(document.getElementById('result').dataset.shown || '').endsWith(' {version}')", 300)
    until(page, "document.querySelectorAll('#list a').length > 0", 300)


def shoot(page: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"studio-{name}.png"), full_page=True)


def downloaded(page: Any, selector: str) -> bytes:
    with page.expect_download() as waiting:
        page.click(selector)
    return Path(waiting.value.path()).read_bytes()


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_photo_from_drop_to_files(browser: Any, url: str, photo: Path, size: str) -> None:
    page = open_page(browser, url, size)
    width = page.viewport_size["width"]
    assert serious_faults(page) == []
    shoot(page, f"empty-{size}")
    page.set_input_files("#files", photo)
    wait_for(page)
    assert page.text_content("#name") == HOSTILE
    for tab in ("relight", "mask", "files"):
        page.click(f"#tab-{tab}")
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert serious_faults(page) == []
        shoot(page, f"{tab}-{size}")

    item = item_of(page, HOSTILE)
    names = page.evaluate("[...document.querySelectorAll('#list a')].map((link) => link.textContent)")
    assert names == [file["name"] for file in item["files"]]
    assert {"normal_gl.png", "normal_dx.png", "normal.exr", "surface.glb", "page.html"} <= set(names)
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "#archive a"))) as archive:
        assert {Path(name).name for name in archive.namelist()} == set(names)
        record = json.loads(archive.read(next(n for n in archive.namelist() if n.endswith("record.json"))))
    assert record["file"] == HOSTILE
    whole = codecs.decode_png(downloaded(page, "#list a >> nth=0"), "normal_gl.png")
    assert whole.shape == (240, 320, 3) and whole.dtype == np.uint16

    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0
    assert page.faults == []
    page.close()


def test_the_light_shades_as_max_0_n_l(browser: Any, url: str, photo: Path, tmp_path: Path) -> None:
    page = open_page(browser, url)
    page.set_input_files("#files", photo)
    wait_for(page)
    page.click("#tab-files")
    (tmp_path / "normal.exr").write_bytes(downloaded(page, "#list a:text-is('normal.exr')"))
    page.click("#tab-relight")
    normal = read_normal_map(tmp_path / "normal.exr")
    given = (normal != 0).any(axis=2)
    light = [0.6, 0.48, 0.64]
    width, height, values = page.evaluate(
        "(light) => { const c = document.querySelector('[data-part=picture]');"
        "const state = { light, wipe: 0, clay: true, glossy: false, coded: false };"
        "return [c.width, c.height, Array.from(document.getElementById('relight').relight.pixels(state))] }",
        light,
    )
    shown = np.array(values, np.uint8).reshape(height, width, 4)
    expected = lambert(normal, np.array([light]), given)[0]
    rows, columns = (np.flatnonzero(given.any(axis=axis)) for axis in (1, 0))
    seen_rows, seen_columns = (np.flatnonzero((shown[..., 3] == 255).any(axis=axis)) for axis in (1, 0))
    part = expected[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    mask = given[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    found = shown[seen_rows[0] : seen_rows[-1] + 1, seen_columns[0] : seen_columns[-1] + 1, 0]
    assert found.shape == part.shape
    assert np.abs(found - 255 * part)[mask].max() <= 1.0
    assert page.faults == []
    page.close()


def test_a_mask_is_painted_with_the_mouse(browser: Any, url: str, photo: Path) -> None:
    page = open_page(browser, url)
    page.set_input_files("#files", photo)
    wait_for(page)
    page.click("#tab-mask")
    page.click("#none")
    until(page, "document.getElementById('mask').dataset.share === '0.0000'")
    box = page.locator("#mask").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    until(page, "Number(document.getElementById('mask').dataset.share) > 0.02")
    page.click("#apply")
    until(page, "document.getElementById('tab-relight').getAttribute('aria-selected') === 'true'")
    wait_for(page, 2)
    item = item_of(page, HOSTILE)
    assert item["painted"]
    page.click("#tab-files")
    mask = codecs.decode_png(downloaded(page, "#list a:text-is('mask.png')"), "mask.png") > 127
    assert mask[120, 100:220].all()  # the stroke
    assert not mask[:60].any() and not mask[180:].any() and not mask[:, :60].any()
    page.click("#tab-mask")
    page.click("#found")
    wait_for(page, 3)
    assert not item_of(page, HOSTILE)["painted"]
    assert page.faults == []
    page.close()


def test_keyboard_alone_paints_and_moves_the_light(browser: Any, url: str, photo: Path) -> None:
    page = open_page(browser, url)
    page.set_input_files("#files", photo)  # the dialog of the system is not the page's
    wait_for(page)
    press = page.keyboard.press

    def tab_to(expression: str) -> None:
        for _ in range(60):
            if page.evaluate(f"document.activeElement.matches({expression!r})"):
                return
            press("Tab")
        raise AssertionError(expression)

    page.evaluate("document.activeElement.blur()")
    tab_to("#files")
    tab_to("#tab-relight")
    tab_to("[data-part=light]")
    before = page.get_attribute("[data-part=light]", "aria-valuetext")
    press("ArrowRight")
    until(page, f"document.querySelector('[data-part=light]').getAttribute('aria-valuetext') !== {before!r}")
    for _ in range(30):
        if page.evaluate("document.activeElement.matches('[role=tab]')"):
            break
        press("Shift+Tab")
    press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-mask"
    tab_to("#mask")
    share = "Number(document.getElementById('mask').dataset.share)"
    first = page.evaluate(share)
    press("e")
    assert page.evaluate("document.querySelector('[name=tool]:checked').value") == "erase"
    press("]")
    press("ArrowLeft")
    press(" ")
    until(page, f"{share} < {first}")
    press("Control+z")
    until(page, f"{share} === {first}")
    press(" ")
    tab_to("#apply")
    press("Enter")
    wait_for(page, 2)
    assert item_of(page, HOSTILE)["painted"]
    assert page.faults == []
    page.close()


def test_a_set_is_solved(browser: Any, url: str, tmp_path: Path) -> None:
    written = write_diligent_object(tmp_path / "ball")
    page = open_page(browser, url)
    page.set_input_files("#files", sorted((tmp_path / "ball").glob("*.*")))
    until(page, "!document.getElementById('several').hidden")
    assert page.text_content("#counted") == "12 photographs"
    assert page.evaluate("document.querySelector('[name=together]:checked').value") == "set"
    assert page.text_content("#lights-file") == "light_directions.txt"
    assert page.evaluate("document.querySelector('[name=srgb]:checked').value") == "0"
    assert serious_faults(page) == []
    shoot(page, "several-desktop")
    page.click("#several button[type=submit]")
    wait_for(page)
    assert "Albedo" in page.text_content("#relighting")
    page.click("#tab-files")
    (tmp_path / "normal.exr").write_bytes(downloaded(page, "#list a:text-is('normal.exr')"))
    found = read_normal_map(tmp_path / "normal.exr")
    assert np.abs(found - written.normal)[written.mask].max() < 0.01
    assert page.faults == []
    page.close()


def test_refusals_are_said_on_the_page(browser: Any, url: str, tmp_path: Path) -> None:
    page = open_page(browser, url)
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.4")
    page.set_input_files("#files", tmp_path / "notes.pdf")
    until(page, "document.getElementById('message').textContent.includes('notes.pdf: .pdf is not read')")
    (tmp_path / "large.png").write_bytes(b"x" * 3_100_000)
    page.set_input_files("#files", tmp_path / "large.png")
    until(page, "document.getElementById('message').textContent.includes('3.1 megabytes; at most 3')")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    page.set_input_files("#files", tmp_path / "cut.png")
    until(page, "document.getElementById('status').textContent.startsWith('cut.png: ')")
    assert "failed" in page.text_content("#items")
    shoot(page, "failed-desktop")
    # Chromium reports an answer with an error code as a fault of its own; nothing else may be there.
    assert all("415" in fault for fault in page.faults), page.faults
    page.close()


def test_nothing_leaves_the_machine(browser: Any, url: str, photo: Path) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.faults = []
    page.goto(url)
    page.set_input_files("#files", photo)
    wait_for(page)
    assert asked and all(each.startswith((url, "data:", "blob:")) for each in asked)
    page.close()
