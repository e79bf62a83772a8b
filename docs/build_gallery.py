# SPDX-License-Identifier: Apache-2.0
"""The pictures of the README, made by its commands: `make gallery` (about ten minutes on two cores).

    python docs/build_gallery.py                 # docs/images/sheet.jpg and infer.jpg
    python docs/build_gallery.py --data data     # reuse or keep the rendered shards in this folder
    python docs/build_gallery.py --pages         # docs/images/page.jpg and studio.jpg alone: nothing is rendered

`sheet.jpg` is the sheet of the demo's first two shards (`make render SHARDS=0-1`). `infer.jpg` is the bundled model's
result for an object of the test split, which it has not seen. `page.jpg` and `studio.jpg` are page.html and
`multishade studio` in Chromium, of a photograph that scikit-image ships (coffee, CC0); without Chromium or playwright
they stay as they are.
"""

import argparse
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from multishade.cli import main as multishade

IMAGES = Path(__file__).resolve().parent / "images"
# The photo of infer.jpg: one group of the demo's test split, lit by an environment.
UNSEEN = ("--set", "split=test", "--set", "shards={count: 1, groups: 1}", "--set", "views.count=1")
UNSEEN_MATERIAL = ("--set", "materials={own: 0, metallic: 0, non_metallic: 1}")
KEY, FIELD = "s000000-g0000-v0", "image_env0"
WIDTHS = {"sheet": 1240, "infer": 1400, "page": 1100, "studio": 1100}  # pixels in the README
QUALITY = 88
FLAGS = ("--headless", "--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader")
PAUSE = 1000  # milliseconds until what was moved is drawn


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of rendered shards (default: a temporary one)")
    parser.add_argument("-o", "--output", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--pages", action="store_true", help="make the pictures of pages alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if not args.pages:
            build(args.data or work / "data", work, args.output)
        picture_pages(work, args.output)
    return 0


def build(data: Path, work: Path, output: Path, demo: tuple[str, ...] = ()) -> None:
    """Render what is missing below `data`, run the commands in `work`, write the pictures to `output`.

    `demo` are further arguments of both renders, for a smaller gallery.
    """
    run("render", "demo", "--shards", "0-1", "-o", str(data / "demo"), *demo)
    run("inspect", str(data / "demo"), "--sheet", str(work / "sheet.png"), "--rows", "4")
    unseen = (*UNSEEN, *UNSEEN_MATERIAL, "--shards", "0", "-o", str(data / "demo-unseen"))
    run("render", "demo", *unseen, *demo)
    run("export", str(data / "demo-unseen"), KEY, "--as", "png", "-o", str(work / "photo"))
    photo = str(work / "photo" / KEY / f"{FIELD}.png")
    run("infer", photo, "-o", str(work / "infer"), "--video", "none")
    output.mkdir(parents=True, exist_ok=True)
    for name, made in (("sheet", work / "sheet.png"), ("infer", work / "infer" / "overview.png")):
        save(made, output / f"{name}.jpg", WIDTHS[name])
        print(output / f"{name}.jpg")


def picture_pages(work: Path, output: Path) -> list[Path]:
    """Write pictures of page.html and of the studio to `output`; none, with a message, if there is no Chromium."""
    chromium = os.environ.get("MULTISHADE_CHROMIUM") or shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        print(
            "page.jpg and studio.jpg stay as they are: no chromium or no playwright (make test-browser installs both)"
        )
        return []
    import skimage.data
    from playwright.sync_api import sync_playwright

    photo = work / "coffee.jpg"
    Image.fromarray(skimage.data.coffee()).save(photo, quality=95)
    run("infer", str(photo), "-o", str(work / "page"), "--formats", "page")
    output.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 820})
        page.set_default_timeout(300_000)
        page.goto((work / "page" / "page.html").as_uri())
        page.wait_for_selector("[data-ready]")
        drag_light(page)
        page.screenshot(path=str(work / "page.png"))
        with studio() as address:
            page.goto(address)
            page.set_input_files("#files", str(photo))
            page.wait_for_selector("#list a", state="attached")
            page.click("#tab-mask")
            box = page.locator("#mask").bounding_box()
            page.mouse.move(box["x"] + 0.37 * box["width"], box["y"] + 0.42 * box["height"])
            page.wait_for_timeout(PAUSE)
            page.screenshot(path=str(work / "studio.png"), full_page=True)
        browser.close()
    made = []
    for name in ("page", "studio"):
        made.append(output / f"{name}.jpg")
        save(work / f"{name}.png", made[-1], WIDTHS[name])
        print(made[-1])
    return made


def drag_light(page: Any) -> None:
    """Move the light to the upper right."""
    box = page.locator("[data-part=light]").bounding_box()
    page.mouse.click(box["x"] + 0.72 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_timeout(PAUSE)


@contextmanager
def studio() -> Iterator[str]:
    """The address of `multishade studio`, while it runs."""
    command = [sys.executable, "-m", "multishade", "studio", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def run(*arguments: str) -> None:
    """Run one command of `multishade`; its text is printed. Exits if it fails."""
    print(f"$ multishade {shlex.join(arguments)}", flush=True)
    if multishade(arguments) != 0:
        raise SystemExit(1)


def save(source: Path, target: Path, width: int) -> None:
    """Write a picture as JPEG of at most a width."""
    with Image.open(source) as image:
        picture = image.convert("RGB")
    if picture.width > width:
        height = round(picture.height * width / picture.width)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    assert np.asarray(picture).std() > 1, f"{source}: is empty"
    picture.save(target, quality=QUALITY, optimize=True)


if __name__ == "__main__":
    raise SystemExit(main())
