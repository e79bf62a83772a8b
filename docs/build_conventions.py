# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/conventions.md: `make conventions` (seconds; no Blender).

    python docs/build_conventions.py                 # docs/images/conventions-*.png
    python docs/build_conventions.py -o FOLDER

All of them show one analytic body, a ball with a dent, whose normals are known exactly.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from multishade.geometry.conventions import from_camera_frame
from multishade.imaging.normal_maps import encode_normals
from multishade.photometry.shading import lambert

IMAGES = Path(__file__).resolve().parent / "images"
SIDE = 220  # pixels of the body's picture
LIGHT = (-0.5, 0.5, 0.7071)  # upper left, toward the camera
RADIUS, DENT, DENT_AT, DENT_WIDTH = 0.92, 0.14, (0.12, -0.1), 0.03  # of half the picture
GROUND = 236  # grey off the body
DPI = 110
# Title -> frame of the file, as a normal map of that program has it.
ENCODINGS = {
    "green up\n(ours, OpenGL, Blender, glTF, Unity)": "opengl",
    "green down\n(DirectX, Unreal, 3ds Max)": "directx",
    "y down, z into the scene\n(OpenCV)": "opencv",
}


def body(side: int = SIDE) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return normals (H, W, 3) in the camera frame and mask (H, W) of a ball with a dent, seen orthographically."""
    centre = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(centre, -centre)
    radius = np.hypot(x, y)
    mask = radius < RADIUS
    # The slopes are analytic, since differences fail at the rim: z = sqrt(r^2 - x^2 - y^2) minus a Gaussian dent.
    depth = np.sqrt(np.where(mask, RADIUS**2 - radius**2, 1))
    dent = DENT * np.exp(-((x - DENT_AT[0]) ** 2 + (y - DENT_AT[1]) ** 2) / DENT_WIDTH) * 2 / DENT_WIDTH
    slope_x, slope_y = -x / depth + dent * (x - DENT_AT[0]), -y / depth + dent * (y - DENT_AT[1])
    normal = np.stack([-slope_x, -slope_y, np.ones_like(depth)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return np.where(mask[..., None], normal, 0).astype(np.float32), mask


def colours(
    normal: NDArray[np.floating], mask: NDArray[np.bool_], frame: str = "opengl"
) -> NDArray[np.uint8]:
    """Return the 8-bit normal map (H, W, 3) of a frame, grey off the body."""
    coded = encode_normals(from_camera_frame(normal, frame), 8)
    return np.where(mask[..., None], coded, np.uint8(GROUND))


def shaded(normal: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return max(0, n . l) under the light as grey values (H, W, 3), grey off the body."""
    light = np.array([LIGHT], np.float32) / np.linalg.norm(LIGHT)
    grey = np.rint(255 * lambert(normal.astype(np.float32), light, mask)[0]).astype(np.uint8)
    return np.where(mask[..., None], np.repeat(grey[..., None], 3, axis=2), np.uint8(GROUND))


def draw_frame() -> Any:
    """Camera frame and light: the ball's colours with the axes, and its shading with the light's direction."""
    normal, mask = body()
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
    middle, length = SIDE / 2, 0.46 * SIDE
    left.imshow(colours(normal, mask))
    for name, (dx, dy), colour in (("+x", (1, 0), "#b00020"), ("+y", (0, -1), "#1b5e20")):
        end = (middle + dx * length, middle + dy * length)
        left.annotate("", end, (middle, middle), arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})
        left.text(end[0] - 26 * dx - 8 * dy, end[1] + 12 * dx - 6 * dy, name, color=colour, fontsize=13)
    left.plot(middle, middle, "o", ms=11, mfc="white", mec="#1040c0", mew=2)
    left.plot(middle, middle, "o", ms=3, color="#1040c0")
    left.text(middle - 34, middle + 26, "+z, to you", color="#1040c0", fontsize=12)
    left.set_title("normals: round(255 (n + 1) / 2)", fontsize=11)
    right.imshow(shaded(normal, mask))
    start = (middle + 0.75 * length * LIGHT[0] * 2, middle - 0.75 * length * LIGHT[1] * 2)
    right.annotate("", start, (middle, middle), arrowprops={"arrowstyle": "->", "color": "#d08000", "lw": 2})
    right.text(2, 12, "l = (-0.5, 0.5, 0.71)", color="#a06000", fontsize=12)
    right.set_title("shading: max(0, n · l), l points to the light", fontsize=11)
    for axes in (left, right):
        axes.axis("off")
    return figure


def draw_encodings() -> Any:
    """One body in the encodings of several programs, and what each looks like if it is read as ours."""
    normal, mask = body()
    figure, axes = plt.subplots(2, len(ENCODINGS), figsize=(9, 6.4), layout="constrained")
    for column, (title, frame) in enumerate(ENCODINGS.items()):
        axes[0, column].imshow(colours(normal, mask, frame))
        axes[0, column].set_title(title, fontsize=10)
        axes[1, column].imshow(shaded(from_camera_frame(normal, frame), mask))
        verdict = "a dent, lit from the upper left" if frame == "opengl" else "wrong"
        axes[1, column].set_title(f"read as ours: {verdict}", fontsize=10)
    for each in axes.flat:
        each.axis("off")
    return figure


def draw_pixels() -> Any:
    """Pixel coordinates, and depth against distance along the ray."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for line in range(5):
        left.plot([0, 4], [line, line], color="#888", lw=1)
        left.plot([line, line], [0, 4], color="#888", lw=1)
    left.add_patch(plt.Rectangle((2, 1), 1, 1, color="#ffe0a0"))
    left.plot(0, 0, "o", color="#b00020", clip_on=False, zorder=3)
    left.text(0.08, -0.2, "(u, v) = (0, 0)", color="#b00020")
    left.plot(2.5, 1.5, "o", color="#1040c0")
    left.text(0.1, 2.45, "row 1, column 2: centre (2.5, 1.5)", color="#1040c0")
    for name, end in (("u", (4.5, 0)), ("v", (0, 4.5))):
        left.annotate("", end, (0, 0), arrowprops={"arrowstyle": "->", "lw": 1.5})
        left.text(end[0] + 0.08, end[1] + 0.08, name, fontsize=12)
    left.set(xlim=(-0.4, 4.7), ylim=(4.7, -0.5), aspect="equal", title="pixels: row 0 is the top")
    point, eye = np.array([1.6, 2.2]), np.array([0.0, 0.0])
    right.plot(*eye, "k^", ms=10)
    right.text(-0.1, -0.25, "camera", ha="right")
    right.plot([0, 0], [0, 2.7], color="#888", ls="--", lw=1)
    right.text(0.04, 2.62, "-z", color="#888")
    right.plot(*zip(eye, point, strict=True), color="#b00020")
    right.text(0.95, 1.0, "distance along the ray:\nnot stored", color="#b00020")
    right.annotate("", (0, 2.2), (0, 0), arrowprops={"arrowstyle": "<->", "color": "#1040c0", "lw": 2})
    right.text(-0.08, 1.3, "depth = -z", color="#1040c0", ha="right")
    right.plot([0, 1.6], [2.2, 2.2], color="#1040c0", ls=":", lw=1)
    right.plot(*point, "ko")
    right.text(1.66, 2.2, "surface", va="center")
    right.set(xlim=(-1.4, 3.0), ylim=(-0.4, 2.8), aspect="equal", title="depth")
    for axes in (left, right):
        axes.axis("off")
    return figure


DRAWN = {"frame": draw_frame, "encodings": draw_encodings, "pixels": draw_pixels}


def build(output: Path) -> list[Path]:
    """Write all pictures to a folder and return their paths."""
    output.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in DRAWN.items():
        figure = draw()
        written.append(output / f"conventions-{name}.png")
        # No version or date in the file: the same picture has the same bytes.
        figure.savefig(written[-1], dpi=DPI, metadata={"Software": None})
        plt.close(figure)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=IMAGES, help="folder of the pictures")
    for path in build(parser.parse_args().output):
        print(path)
