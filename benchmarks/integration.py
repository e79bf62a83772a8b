# SPDX-License-Identifier: Apache-2.0
"""Error, time and processor time of normal integration against resolution, on surfaces whose depth is known.

    python -m benchmarks.integration [--sizes 72 144 288 576] [--cat FOLDER]

Prints a Markdown table. Error: mean absolute depth error after the best offset (orthographic) or factor (perspective),
as a part of the true depth's range. `--cat` takes a folder with normal_map.png (16 bit), mask.png, K.txt and
depth_gt.npz, which is measured at its own size and at every second and fourth pixel.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multishade.photometry.integration.methods import INTEGRATORS, integrate

Float64 = NDArray[np.float64]
# normals (H, W, 3), mask (H, W), depth (H, W), camera (3, 3) or None
Scene = tuple[Float64, NDArray[np.bool_], Float64, Float64 | None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[72, 144, 288, 576])
    parser.add_argument("--cat", type=Path, help="folder of the measured cat")
    args = parser.parse_args()
    print(
        "| surface | camera | frame | pixels | method | error, % of range | seconds | CPU seconds | rounds |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    makers = {"sphere cap": sphere_cap, "ball": ball, "stepped ramp": stepped_ramp, "wavy floor": wavy_floor}
    for name, make in makers.items():
        for size in args.sizes:
            report(name, make(size))
    if args.cat:
        for stride in (4, 2, 1):
            report("cat (measured)", cat(args.cat, stride))


def report(name: str, scene: Scene) -> None:
    normal, mask, true, camera = scene
    view = "orthographic" if camera is None else "perspective"
    for method in INTEGRATORS:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        found = integrate(normal, mask, camera, method)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
        here = mask & np.isfinite(found.depth)
        a, b = found.depth[here], true[here]
        off = a - b - np.median(a - b) if camera is None else a * np.median(b / a) - b
        error = 100 * np.abs(off).mean() / np.ptp(b)
        frame = f"{mask.shape[0]} x {mask.shape[1]}"
        print(
            f"| {name} | {view} | {frame} | {mask.sum():,} | {method} | {error:.2g} | {seconds:.2f} | {cpu:.2f} "
            f"| {found.iterations} |",
            flush=True,
        )


def _grid(size: int) -> tuple[Float64, Float64]:
    """Pixel centres in pixels from the image's centre, x right and y up."""
    along = np.arange(size) + 0.5 - size / 2
    x, y = np.meshgrid(along, -along)
    return x, y


def _unit(x: Float64, y: Float64, z: Float64) -> Float64:
    normal = np.stack([x, y, z], axis=2)
    return normal / np.linalg.norm(normal, axis=2, keepdims=True)


def sphere_cap(size: int) -> Scene:
    """Of a sphere that fills the frame, the part within 95 % of its radius."""
    x, y = (axis * 2 / size for axis in _grid(size))
    mask = x * x + y * y < 0.95**2
    z = np.sqrt(np.where(mask, 1 - x * x - y * y, 1))
    return _unit(x, y, z), mask, -z * size / 2, None


def ball(size: int) -> Scene:
    """A sphere of radius 0.5 at distance 1.6, as the data set frames its objects (35 mm lens, 32 mm sensor)."""
    focal = 35 / 32 * size
    camera = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
    x, y = (axis / focal for axis in _grid(size))
    rays = np.stack([x, y, -np.ones_like(x)], axis=2)
    centre = np.array([0, 0, -1.6])
    square, product = np.sum(rays**2, axis=2), rays @ centre
    under_root = product**2 - square * (centre @ centre - 0.25)
    depth = (product - np.sqrt(np.maximum(under_root, 0))) / square
    normal = (depth[..., None] * rays - centre) / 0.5
    facing = -np.einsum("hwi,hwi->hw", normal, rays) / np.sqrt(square)
    mask = (under_root > 0) & (facing > 0.1)
    return normal, mask, depth, camera


def stepped_ramp(size: int) -> Scene:
    """A floor whose right half rises away from its middle: a step down the centre line that grows from nothing."""
    x, y = _grid(size)
    rises = (x > 0) & (np.abs(y) > size / 8)
    depth = np.where(rises, 0.5 * (np.abs(y) - size / 8), 0)
    return (
        _unit(0 * x, np.where(rises, 0.5 * np.sign(y), 0), np.ones_like(x)),
        np.ones_like(rises),
        depth,
        None,
    )


def wavy_floor(size: int) -> Scene:
    """Waves of two directions, two degrees of noise on the normals: smooth, and not exactly integrable."""
    x, y = _grid(size)
    wave = 2 * np.pi / size
    depth = size / 16 * (np.sin(3 * wave * x) + np.cos(2 * wave * (x + y)))
    right = size / 16 * wave * (3 * np.cos(3 * wave * x) - 2 * np.sin(2 * wave * (x + y)))
    up = -size / 16 * wave * 2 * np.sin(2 * wave * (x + y))
    # The surface (x, y, -depth) has the normal (depth_x, depth_y, 1).
    draw = np.random.default_rng(0).standard_normal((3, size, size)) * np.radians(2)
    normal = _unit(right, up, np.ones_like(x)) + np.moveaxis(draw, 0, 2)
    return normal, np.ones((size, size), bool), depth, None


def cat(folder: Path, stride: int) -> Scene:
    import cv2

    stored = cv2.imread(str(folder / "normal_map.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    mask = cv2.imread(str(folder / "mask.png"), cv2.IMREAD_GRAYSCALE) > 127
    depth = np.load(folder / "depth_gt.npz")["depth_gt"].astype(np.float64)
    camera = np.loadtxt(folder / "K.txt")
    # Every stride-th pixel, from the first: its centre at 0.5 becomes 0.5 of a pixel that is `stride` times as wide.
    camera[:2, 2] = (camera[:2, 2] - 0.5) / stride + 0.5
    camera[:2, :2] /= stride
    kept = np.s_[::stride, ::stride]
    return (2 * (stored / 65535) - 1)[kept], mask[kept], depth[kept], camera


if __name__ == "__main__":
    main()
