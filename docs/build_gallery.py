# SPDX-License-Identifier: Apache-2.0
"""The pictures of the README, made by its commands: `make gallery` (about ten minutes on two cores).

    python docs/build_gallery.py                 # docs/images/sheet.jpg and infer.jpg
    python docs/build_gallery.py --data data     # reuse or keep the rendered shards in this folder

`sheet.jpg` is the sheet of the demo's first two shards (`make render SHARDS=0-1`). `infer.jpg` is the bundled model's
result for an object of the test split, which it has not seen.
"""

import argparse
import shlex
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from multishade.cli import main as multishade

IMAGES = Path(__file__).resolve().parent / "images"
# The photo of infer.jpg: one group of the demo's test split, lit by an environment.
UNSEEN = ("--set", "split=test", "--set", "shards={count: 1, groups: 1}", "--set", "views.count=1")
UNSEEN_MATERIAL = ("--set", "materials={own: 0, metallic: 0, non_metallic: 1}")
KEY, FIELD = "s000000-g0000-v0", "image_env0"
WIDTHS = {"sheet": 1240, "infer": 1400}  # pixels in the README
QUALITY = 88


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of rendered shards (default: a temporary one)")
    parser.add_argument("-o", "--output", type=Path, default=IMAGES, help="folder of the pictures")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        build(args.data or work / "data", work, args.output)
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
