# SPDX-License-Identifier: Apache-2.0
"""Miniature copies of the benchmarks' layouts, with the real file names: a Lambertian ball whose normals are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from multishade.geometry import lights
from multishade.imaging import codecs
from multishade.photometry.shading import lambert

HEIGHT, WIDTH, RADIUS = 30, 36, 12.0
ALBEDO = np.array([0.55, 0.45, 0.35], np.float32)


@dataclass(frozen=True)
class Ball:
    """A ball seen orthographically. images (K, H, W, 3) in [0, 1], multiplied by their lights' `intensities` (K, 3)."""

    normal: NDArray[np.float32]
    mask: NDArray[np.bool_]
    directions: NDArray[np.float64]
    intensities: NDArray[np.float64]
    images: NDArray[np.float32]


def ball(count: int = 12, shape: tuple[int, int] = (HEIGHT, WIDTH), lit: bool = True) -> Ball:
    """lit: lights so near to the view axis that none of the cap is in attached shadow: least squares is exact."""
    row, column = np.mgrid[: shape[0], : shape[1]] + 0.5
    x, y = (column - shape[1] / 2) / RADIUS, -(row - shape[0] / 2) / RADIUS
    mask = x**2 + y**2 < 0.7**2
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    normal = np.where(mask[..., None], np.stack([x, y, z], 2), 0).astype(np.float32)
    directions = lights.hemisphere(count, 65.0 if lit else 15.0)
    intensities = 0.6 + 0.4 * np.random.default_rng(7).random((count, 3))
    shading = lambert(normal, directions, mask)
    images = shading[..., None] * ALBEDO * intensities[:, None, None, :].astype(np.float32)
    return Ball(normal, mask, directions, intensities, images)


def write_numbers(path: Path, rows: NDArray[np.floating]) -> None:
    path.write_text("\n".join(" ".join(f"{number:.6f}" for number in row) for row in rows) + "\n")


def code(image: NDArray[np.floating], bits: int = 16) -> NDArray[np.integer]:
    kind = np.uint16 if bits == 16 else np.uint8
    return np.rint(np.clip(image, 0, 1) * np.iinfo(kind).max).astype(kind)


def code_normal(normal: NDArray[np.floating], bits: int = 16) -> NDArray[np.integer]:
    coded = code(normal * 0.5 + 0.5, bits)
    coded[(normal == 0).all(axis=2)] = 0
    return coded


def write_diligent_object(
    folder: Path, bits: int = 16, count: int = 12, truth: bool = True, listing: bool = True
) -> Ball:
    """`<object>PNG/` with DiLiGenT's files."""
    target = ball(count)
    folder.mkdir(parents=True)
    names = [f"{index + 1:03d}.png" for index in range(count)]
    for name, image in zip(names, target.images, strict=True):
        codecs.write_png(folder / name, code(image, bits))
    mask = np.repeat(np.where(target.mask, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    codecs.write_png(folder / "mask.png", mask)
    write_numbers(folder / "light_directions.txt", target.directions)
    write_numbers(folder / "light_intensities.txt", target.intensities)
    if listing:
        (folder / "filenames.txt").write_text("\n".join(names) + "\n")
    if truth:
        savemat(folder / "Normal_gt.mat", {"Normal_gt": target.normal.astype(np.float64)})
    return target


def write_luces_object(folder: Path, rgb_power: bool = True) -> dict[str, NDArray[np.floating]]:
    """`<Object>/` with LUCES's files: near LEDs with side fall-off, a plane with a bump of normals, millimetres."""
    height, width, focal, distance = 24, 32, 40.0, 300.0
    x0, y0 = (width - 1) / 2, (height - 1) / 2
    row, column = np.mgrid[:height, :width].astype(np.float64)
    # Camera frame of the file: x right, y down, z into the scene; the object is the plane at `distance`.
    points = np.stack(
        [(column - x0) / focal * distance, (row - y0) / focal * distance, np.full(row.shape, distance)], 2
    )
    tilt = np.stack([0.3 * np.sin(column / 5), 0.3 * np.cos(row / 4), np.full(row.shape, -1.0)], 2)
    normal = tilt / np.linalg.norm(tilt, axis=2, keepdims=True)
    angle = 2 * np.pi * np.arange(8) / 8
    positions = np.stack([120 * np.cos(angle), 90 * np.sin(angle), 10 * np.sin(3 * angle)], 1)
    axes = np.tile([0.0, 0.0, 1.0], (8, 1))
    power = np.array([[3.0, 2.5, 2.0]]) * (1 + 0.1 * np.arange(8)[:, None]) * 1e4
    if not rgb_power:
        power = np.repeat(power[:, :1], 3, axis=1)
    exponent = 0.8
    folder.mkdir(parents=True)
    mask = np.zeros((height, width), bool)
    mask[4:20, 6:26] = True
    for index in range(8):
        ray = positions[index] - points
        length = np.linalg.norm(ray, axis=2)
        toward = ray / length[..., None]
        side = (-toward @ axes[index]) ** exponent
        shading = np.maximum((normal * toward).sum(2), 0) * side / length**2
        codecs.write_png(folder / f"{index + 1:02d}.png", code(0.9 * shading[..., None] * power[index]))
    codecs.write_png(folder / "mask.png", np.where(mask, 255, 0).astype(np.uint8))
    ours = normal * [1, -1, -1]
    codecs.write_png(folder / "normals.png", code(ours * 0.5 + 0.5))
    np.savez(folder / "zgt.npz", zgt=points[..., 2], zgt_int=points[..., 2])
    head = f"8 {height} {width} {focal} {x0} {y0} {distance}"
    lines = ["N_img nrows ncols f x0 y0 mean_distance sfull:[Lpos Ldir Phi mu 0]", head]
    for index in range(8):
        strength = power[index] if rgb_power else power[index, :1]
        lines.append(
            " ".join(f"{value:.4f}" for value in (*positions[index], *axes[index], *strength, exponent, 0))
        )
    (folder / "led_params.txt").write_text("\n".join(lines) + "\n")
    return {
        "normal": ours.astype(np.float32),
        "mask": mask,
        "positions": positions * [1, -1, -1],
        "power": power,
    }


def write_cyclesps_object(folder: Path, kind: str = "specular") -> Ball:
    """`<name>.obj/` with CyclesPS's files."""
    import cv2

    target = ball(10)
    images = folder / f"images_{kind}"
    images.mkdir(parents=True)
    radiance = target.images / target.intensities[:, None, None, :]
    for index, image in enumerate(radiance):
        cv2.imwrite(str(images / f"{index:05d}.tif"), code(image)[..., ::-1])
    cv2.imwrite(str(folder / "gt_normal.tif"), code_normal(target.normal)[..., ::-1])
    write_numbers(folder / "light.txt", target.directions)
    outline = target.mask & ~np.roll(target.mask, 1, axis=0)
    for name, part in (("inboundary.png", target.mask & ~outline), ("onboundary.png", outline)):
        codecs.write_png(folder / name, np.where(part, 255, 0).astype(np.uint8))
    return target


def write_dsine_image(folder: Path, stem: str, exr: bool) -> Ball:
    """`<stem>_img.png`, `_normal.png` or `.exr`, `_intrins.npy`: outward normals, x right, y down, z forward."""
    target = ball(3)
    folder.mkdir(parents=True, exist_ok=True)
    codecs.write_png(folder / f"{stem}_img.png", code(target.images[0], 8))
    theirs = target.normal * np.array([-1, 1, 1], np.float32)
    if exr:
        codecs.write_exr(folder / f"{stem}_normal.exr", codecs.split_channels(theirs, "RGB"))
    else:
        codecs.write_png(folder / f"{stem}_normal.png", code_normal(theirs, 8))
    np.save(folder / f"{stem}_intrins.npy", np.array([[500.0, 0, 17.5], [0, 500, 14.5], [0, 0, 1]]))
    return target
