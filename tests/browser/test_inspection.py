# SPDX-License-Identifier: Apache-2.0
"""The page of `multishade-inspect --html` in a real browser, from disk (`make test-browser`)."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from multishade.cli.inspect import main
from multishade.imaging.normal_maps import write_normal_png
from tests.support.chromium import chromium, open_page, serious_faults, until
from tests.support.synthetic import make_sample, with_meta, write_synthetic_shard

pytestmark = pytest.mark.slow

HOSTILE = "</script><img src=x onerror=window.hacked=1>"
SHOTS = Path("out/browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of four samples, its page, and a prediction: the first sample's normals, mirrored."""
    folder = tmp_path_factory.mktemp("page")
    samples = [make_sample(f"s000000-g{group:04d}-v0", size=64) for group in range(4)]
    samples[3] = with_meta(samples[3], "object", id=HOSTILE)
    write_synthetic_shard(folder / "multishade-000000.tar", samples)
    assert main([str(folder / "multishade-000000.tar"), "--html", str(folder / "page.html")]) == 0
    write_normal_png(folder / "prediction.png", samples[0].normal * [-1, 1, 1], samples[0].mask)
    return folder


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_sample_opens_and_nothing_is_wrong(browser: Any, folder: Path, size: str) -> None:
    page = open_page(browser, (folder / "page.html").as_uri(), size)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"page-{size}.png"), full_page=True)
    faults = serious_faults(page)
    page.focus("#gallery button")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.relit-object') !== null")
    page.screenshot(path=str(SHOTS / f"page-sample-{size}.png"))
    faults += serious_faults(page)
    assert faults == [], "\n".join(faults)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.closest('#gallery') !== null")
    assert page.faults == []
    page.close()


def test_a_hostile_name_is_text(browser: Any, folder: Path) -> None:
    page = open_page(browser, (folder / "page.html").as_uri())
    page.click("#gallery button:nth-child(4)")
    until(page, "document.querySelector('.relit-object') !== null")
    assert page.text_content("#sample-title") == HOSTILE
    assert page.evaluate("window.hacked") is None and page.faults == []
    page.close()


def test_arrow_keys_show_the_next_sample_and_the_one_before(browser: Any, folder: Path) -> None:
    page = open_page(browser, (folder / "page.html").as_uri())
    page.focus("#gallery button")
    page.keyboard.press("Enter")
    for keys, group in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(keys)
        until(page, f"document.querySelector('#sample .quiet').textContent === 's000000-g{group:04d}-v0'")
    page.keyboard.press("Escape")
    until(page, "document.activeElement === document.getElementById('gallery').children[1]")
    assert page.faults == []
    page.close()


def test_a_prediction_from_a_file_lies_exactly_over_the_truth(browser: Any, folder: Path) -> None:
    page = open_page(browser, (folder / "page.html").as_uri())
    page.click("#gallery button")
    until(page, "document.querySelector('.relit-object') !== null")
    page.set_input_files("input[type=file]", str(folder / "prediction.png"))
    until(page, "document.querySelector('select.second').value.startsWith('own-')")
    page.select_option("select.first", label="normal")
    page.fill("input[aria-label=Wipe]", "50")
    until(page, "[...document.querySelectorAll('.stage img')].every((i) => i.complete && i.naturalWidth)")
    shown = np.asarray(Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB"), np.float32)
    middle = shown.shape[1] // 2
    left, right = shown[:, : middle - 8], shown[:, : middle + 7 : -1][:, : middle - 8]
    # Red is mirrored with x, so the right half of the prediction is the left half of the truth, mirrored.
    inside = np.abs(left - left[2, 2]).max(axis=2) > 40
    assert np.median(np.abs(left[..., 1:] - right[:, : left.shape[1], 1:])[inside]) < 12
    assert page.faults == []
    page.close()


def test_a_page_of_200_samples_is_small_and_opens_at_once(browser: Any, tmp_path: Path) -> None:
    """Not timed: the size is what counts; the time is printed."""
    sample = make_sample(size=256)
    from dataclasses import replace

    samples = [
        replace(sample, key=key, meta={**sample.meta, "key": key})
        for key in (f"s000000-g{number:04d}-v0" for number in range(12))
    ]
    write_synthetic_shard(tmp_path / "multishade-000000.tar", samples)
    from multishade.inspect import page as module

    sides = module.SIDES[-1:]
    before, module.SIDES = module.SIDES, sides
    try:
        assert main([str(tmp_path / "multishade-000000.tar"), "--html", str(tmp_path / "page.html")]) == 0
    finally:
        module.SIDES = before
    size = (tmp_path / "page.html").stat().st_size
    start = time.perf_counter()
    page = open_page(browser, (tmp_path / "page.html").as_uri())
    print(f"{size / 12 * 200 / 1e6:.1f} MB for 200 samples; opened in {time.perf_counter() - start:.2f} s")
    assert size / 12 * 200 < 20e6
    page.close()
