# SPDX-License-Identifier: Apache-2.0
"""Accuracy of every solver under noise, and the speed of the closed-form one, in one run.

    python -m benchmarks.solvers [--seeds 5] [--repeats 9] [--skip-speed]

Prints two Markdown tables. Noise: mean angular error on a sphere under the ring of nine lights, mean and range over
seeds and sphere sizes. Speed: medians and fastest runs of the same arrays through `ols_masked`, the batched solve that
it replaces, numpy.linalg.lstsq, and one read of the images; the candidates take turns, so that a busy machine is
busy for all of them. Processor time, summed over threads, is what a busy machine does not change.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import hemisphere, ring
from multishade.photometry.shading import lambert
from multishade.photometry.solvers.methods import solve
from multishade.threads import cores

Float32 = NDArray[np.float32]

SIGMAS = (0.0, 0.01, 0.02, 0.05)
SPHERE_SIZES = (96, 128, 192)
COLUMNS: dict[str, dict[str, object]] = {
    "ols (all K)": {"method": "ols"},
    "ols_masked": {"method": "ols_masked"},
    "thresholded 0.02": {"method": "thresholded", "tau": 0.02, "relative_to": "absolute"},
    "thresholded 0.05": {"method": "thresholded", "tau": 0.05, "relative_to": "absolute"},
    "relu": {"method": "relu"},
    "robust": {"method": "robust"},
    "robust, shadow 0": {"method": "robust", "shadow": 0.0},
}
# (K, H, W): a shading sequence of the data set, and a whole DiLiGenT object.
SPEED_SHAPES = ((9, 576, 576), (96, 512, 612))
# lstsq has no batch and no mask, so lit lights mean a Python loop; it is timed on so many pixels and scaled up.
LOOPED_PIXELS = 3000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="draws of noise for each sphere")
    parser.add_argument("--repeats", type=int, default=9, help="turns of each candidate in the speed table")
    parser.add_argument("--skip-speed", action="store_true")
    args = parser.parse_args()
    print_noise_table(args.seeds)
    if not args.skip_speed:
        for shape in SPEED_SHAPES:
            print_speed_table(shape, args.repeats)


def sphere(size: int) -> tuple[Float32, NDArray[np.bool_]]:
    """Normals (H, W, 3) and mask of a sphere that touches the frame, seen orthographically."""
    along = np.linspace(-1, 1, size)
    x, y = np.meshgrid(along, -along)
    inside = x * x + y * y < 1
    z = np.sqrt(np.where(inside, 1 - x * x - y * y, 0))
    return np.where(inside[..., None], np.stack([x, y, z], axis=2), 0).astype(np.float32), inside


def print_noise_table(seeds: int) -> None:
    lights = ring(9)
    print(
        f"Mean angular error in degrees: sphere, K = 9 at 45 degrees, shading + Gaussian noise, clipped at 0;\n"
        f"mean (least to most) over {seeds} draws on spheres {SPHERE_SIZES} pixels across\n"
    )
    print(f"| sigma | {' | '.join(COLUMNS)} |")
    print(f"| --- |{' --- |' * len(COLUMNS)}")
    for sigma in SIGMAS:
        errors: dict[str, list[float]] = {name: [] for name in COLUMNS}
        for size in SPHERE_SIZES:
            normal, mask = sphere(size)
            clean = lambert(normal, lights, mask)
            for seed in range(seeds):
                noise = np.random.default_rng(seed).standard_normal(clean.shape, dtype=np.float32)
                shading = np.maximum(clean + np.float32(sigma) * noise, 0)
                for name, options in COLUMNS.items():
                    solution = solve(shading, lights, mask, **options)  # type: ignore[arg-type]
                    found = angular_error_degrees(solution.normal[mask], normal[mask])
                    errors[name].append(float(found[solution.determined[mask]].mean()))
        cells = [f"{np.mean(e):.2f} ({min(e):.2f} to {max(e):.2f})" for e in errors.values()]
        print(f"| {sigma:g} | {' | '.join(cells)} |")
    print()


def print_speed_table(shape: tuple[int, int, int], repeats: int) -> None:
    count, height, width = shape
    lights = ring(9) if count == 9 else hemisphere(count, 40)
    normal, _ = sphere(max(height, width))
    normal = np.ascontiguousarray(normal[:height, :width])
    normal[normal[..., 2] == 0] = (0, 0, 1)
    noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    images = np.maximum(lambert(normal, lights) + np.float32(0.01) * noise, 0)
    del noise

    candidates: dict[str, Callable[[], object]] = {
        "read once (numpy.sum)": lambda: images.sum(),
        "batched numpy.linalg.solve": lambda: batched_solve(images, lights),
        "numpy.linalg.lstsq, all lights": lambda: np.linalg.lstsq(
            lights, images.reshape(count, -1), rcond=None
        ),
        f"numpy.linalg.lstsq, lit lights, {LOOPED_PIXELS} pixels": lambda: looped_lstsq(images, lights),
        "ols_masked, NumPy": lambda: solve(images, lights, method="ols_masked", compiled=False),
    }
    if importlib.util.find_spec("numba"):
        for workers in sorted({1, cores()}):
            name = f"ols_masked, compiled, {workers} thread{'s' * (workers > 1)}"
            candidates[name] = lambda w=workers: solve(images, lights, compiled=True, workers=w)  # type: ignore[misc]
    seconds = take_turns(candidates, repeats)

    looped = f"numpy.linalg.lstsq, lit lights, {LOOPED_PIXELS} pixels"
    seconds[looped] = [(w * height * width / LOOPED_PIXELS, c) for w, c in seconds[looped]]
    read, batched = (float(np.median(seconds[name], axis=0)[0]) for name in list(candidates)[:2])
    print(f"{height} x {width} x {count}, float32, {images.nbytes / 1e6:.0f} MB, {cores()} cores\n")
    print("| | median ms | least ms | batched solve takes | reads of the images | least processor ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, times in seconds.items():
        label = f"{name}, scaled up" if name == looped else name
        middle = float(np.median(times, axis=0)[0])
        wall, processor = (1e3 * float(least) for least in np.min(times, axis=0))
        spent = "" if name == looped else f"{processor:.2f}"
        print(
            f"| {label} | {1e3 * middle:.2f} | {wall:.2f} "
            f"| {batched / middle:.1f} x | {middle / read:.1f} | {spent} |"
        )
    print_agreement(images, lights)


def print_agreement(images: Float32, lights: NDArray[np.float64]) -> None:
    exact = batched_solve(images.astype(np.float64), lights)
    answers = {"NumPy": solve(images, lights, compiled=False)}
    if importlib.util.find_spec("numba"):
        answers["compiled"] = solve(images, lights, compiled=True)
    for name, solution in answers.items():
        good = solution.determined.reshape(-1)
        difference = angular_error_degrees(solution.normal.reshape(-1, 3)[good], exact[good])
        print(
            f"\n{name} against the batched solve in float64: mean difference {difference.mean():.6f} degrees, "
            f"largest {difference.max():.4f}, {np.count_nonzero(~good)} pixels not determined"
        )
    print()


def take_turns(
    candidates: dict[str, Callable[[], object]], repeats: int
) -> dict[str, list[tuple[float, float]]]:
    """Seconds by the wall's clock and of the processor (all threads) for each run.

    One round to warm up, then `repeats` rounds in which everyone runs once.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    for turn in range(repeats + 1):
        for name, run in candidates.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            if turn > 0:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return seconds


def batched_solve(
    images: NDArray[np.floating], lights: NDArray[np.float64], ridge: float = 1e-6
) -> NDArray[np.floating]:
    """What published code does: mask each pixel's lights, build N normal equations, solve them in one batch."""
    flat = images.reshape(len(images), -1).T
    lit = (flat > 0).astype(flat.dtype)
    masked = lit[:, :, None] * lights.astype(flat.dtype)
    matrix = masked.transpose(0, 2, 1) @ masked + ridge * np.eye(3, dtype=flat.dtype)
    right = masked.transpose(0, 2, 1) @ flat[:, :, None]
    solution = np.linalg.solve(matrix, right)[..., 0]
    return solution / np.maximum(np.linalg.norm(solution, axis=1, keepdims=True), 1e-12)


def looped_lstsq(images: Float32, lights: NDArray[np.float64]) -> None:
    flat = images.reshape(len(images), -1).T
    for pixel in flat[:: len(flat) // LOOPED_PIXELS][:LOOPED_PIXELS]:
        lit = pixel > 0
        np.linalg.lstsq(lights[lit], pixel[lit], rcond=None)


if __name__ == "__main__":
    main()
