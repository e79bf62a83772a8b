# SPDX-License-Identifier: Apache-2.0
"""Files of the RTI world, read back by the rules of their public specifications, show the images they were made of."""

import struct

import numpy as np
import pytest

from multishade.errors import SolveError
from multishade.geometry.lights import hemisphere
from multishade.photometry.rti import encode_hsh, encode_ptm, harmonic_basis
from multishade.photometry.shading import lambert
from tests.support.spheres import coloured, sphere_normals

SHAPE = (20, 28)
LIGHTS = hemisphere(40, 25)


def scene() -> np.ndarray:
    """(K, H, W, 3) a coloured ball on grey ground, darker from below, so that a turned file shows."""
    normal, mask = sphere_normals(*SHAPE, 9.0)
    normal = np.where(mask[..., None], normal, np.array([0, 0, 1], np.float32))
    return lambert(normal, LIGHTS)[..., None] * (0.2 + 0.8 * coloured(SHAPE))


def read_ptm(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (H, W, 6) and colours (H, W, 3) of a PTM_FORMAT_LRGB file, top row first."""
    lines, place = [], 0
    for _ in range(6):
        end = data.index(b"\n", place)
        lines.append(data[place:end].decode("ascii"))
        place = end + 1
    assert lines[:2] == ["PTM_1.2", "PTM_FORMAT_LRGB"]
    width, height = int(lines[2]), int(lines[3])
    scale, bias = np.array(lines[4].split(), float), np.array(lines[5].split(), int)
    assert len(scale) == len(bias) == 6 and ((bias >= 0) & (bias <= 255)).all()
    pixels = width * height
    assert len(data) - place == 9 * pixels
    coded = np.frombuffer(data, np.uint8, 6 * pixels, place).reshape(height, width, 6)[::-1]
    colours = np.frombuffer(data, np.uint8, 3 * pixels, place + 6 * pixels).reshape(height, width, 3)[::-1]
    return (coded - bias) * scale, colours


def show_ptm(data: bytes, u: float, v: float) -> np.ndarray:
    a, colours = read_ptm(data)
    value = (
        a[..., 0] * u * u + a[..., 1] * v * v + a[..., 2] * u * v + a[..., 3] * u + a[..., 4] * v + a[..., 5]
    )
    return np.clip(value[..., None] * colours / 255, 0, 255) / 255


def show_hsh(data: bytes, direction: np.ndarray) -> np.ndarray:
    head, _, rest = data.partition(b"\n")
    assert head == b"#HSH1.2"
    kind, size, form, body = rest.split(b"\n", 3)
    width, height, bands = map(int, size.split())
    terms, _, element = map(int, form.split())
    assert (kind, bands, element) == (b"3", 3, 1)
    scale = np.array(struct.unpack_from(f"<{terms}f", body))
    bias = np.array(struct.unpack_from(f"<{terms}f", body, 4 * terms))
    assert len(body) == 8 * terms + width * height * 3 * terms
    coded = np.frombuffer(body, np.uint8, offset=8 * terms).reshape(height, width, 3, terms)
    return (coded / 255 * scale + bias) @ harmonic_basis(direction[None], terms)[0]


class TestPolynomials:
    def test_images_come_back(self) -> None:
        images = scene()
        data = encode_ptm(images, LIGHTS)
        errors = [
            np.abs(show_ptm(data, *light[:2]) - image).mean()
            for light, image in zip(LIGHTS, images, strict=True)
        ]
        # What six terms cannot follow is the edge of the attached shadow.
        assert np.mean(errors) < 0.02

    def test_what_is_polynomial_is_exact_to_the_bytes(self) -> None:
        u, v = LIGHTS[:, 0], LIGHTS[:, 1]
        row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
        tilt = (column - 14) / 60
        value = 0.5 - 0.2 * v[:, None, None] ** 2 + tilt * u[:, None, None] + 0.01 * row * v[:, None, None]
        images = value[..., None] * np.array([1, 0.6, 0.3])
        data = encode_ptm(images, LIGHTS)
        for light, image in zip(LIGHTS[::7], images[::7], strict=True):
            assert np.abs(show_ptm(data, *light[:2]) - image).max() < 0.012

    def test_too_few_lights_are_refused_with_their_condition(self) -> None:
        with pytest.raises(SolveError, match=r"ptm: 5 lights do not determine 6 terms \(condition"):
            encode_ptm(scene()[:5], LIGHTS[:5])
        ring = np.array([[np.cos(a) * 0.6, np.sin(a) * 0.6, 0.8] for a in np.arange(12) * np.pi / 6])
        with pytest.raises(SolveError, match="do not determine 6 terms"):
            encode_ptm(scene()[:12], ring)


class TestHarmonics:
    def test_images_come_back(self) -> None:
        images = scene()
        data = encode_hsh(images, LIGHTS)
        errors = [
            np.abs(show_hsh(data, light) - image).mean() for light, image in zip(LIGHTS, images, strict=True)
        ]
        assert np.mean(errors) < 0.015

    def test_few_lights_get_four_terms(self) -> None:
        data = encode_hsh(scene()[::5], LIGHTS[::5])
        assert data.split(b"\n")[3] == b"4 2 1"

    def test_the_functions_are_orthonormal_over_the_hemisphere(self) -> None:
        directions = hemisphere(200_000)
        basis = harmonic_basis(directions)
        gram = 2 * np.pi * basis.T @ basis / len(directions)
        assert gram == pytest.approx(np.eye(9), abs=0.02)
