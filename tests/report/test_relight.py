# SPDX-License-Identifier: Apache-2.0
"""The page that moves a light over an object: its size, what it holds, and that nothing foreign runs in it."""

import base64
import hashlib
import json
import re
import zlib

import numpy as np
import pytest

from multishade.geometry.angles import angular_error_degrees
from multishade.report.html import inline_modules
from multishade.report.relight import MODULES, STEPS, Relief, pack_object, render_page
from tests.support.spheres import coloured, sphere_normals


def unpacked(packed: dict) -> tuple[np.ndarray, np.ndarray]:
    """Normals and mask of the packed planes, by their description."""
    width, height = packed["width"], packed["height"]
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    size = width * height

    def plane(number: int) -> np.ndarray:
        low, high = raw[2 * number * size :][:size], raw[(2 * number + 1) * size :][:size]
        change = (low.astype(int) + 256 * high).reshape(height, width)
        return np.cumsum(change, axis=1) & 0xFFFF

    x, y = (2 * plane(number) / STEPS - 1 for number in (0, 1))
    z = 1 - abs(x) - abs(y)
    folded = np.where(z < 0, (1 - abs(y)) * np.sign(x), x), np.where(z < 0, (1 - abs(x)) * np.sign(y), y)
    return np.stack([*folded, z], axis=2), raw[4 * size :].reshape(height, width) > 0


def test_normals_come_back_to_less_than_a_tenth_of_a_degree() -> None:
    normal, mask = sphere_normals(80, 100, 35.0)
    normal[20:30, 40:50] *= [1, 1, -1]  # facing away, as predictions may
    found, there = unpacked(pack_object(normal, mask, np.zeros((80, 100, 3), np.uint8))["normals"])
    assert np.array_equal(there, mask)
    assert angular_error_degrees(found, normal)[mask].max() < 0.06


def test_a_megapixel_with_detail_stays_below_three_megabytes() -> None:
    rng = np.random.default_rng(0)
    normal = rng.normal(0, 0.3, (1000, 1000, 3)) + [0, 0, 1]
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    noisy = np.clip(coloured((1000, 1000)) * 255 + rng.normal(0, 12, (1000, 1000, 3)), 0, 255).astype(
        np.uint8
    )
    relief = Relief(rng.random((1000, 1000)), np.diag([1000.0, 1000.0, 1.0]), False, 0, 0, 1)
    data = pack_object(normal, np.ones((1000, 1000), bool), noisy, noisy, relief)
    assert len(render_page("a", "b", data).encode()) < 3_000_000


def test_only_the_pages_own_script_may_run() -> None:
    normal, mask = sphere_normals(20, 20, 8.0)
    data = pack_object(normal, mask, np.zeros((20, 20, 3), np.uint8))
    hostile = '"></script><script>alert(1)</script>'
    html = render_page(hostile, hostile, {**data, "extra": hostile}, files=[hostile], notes=[hostile])
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S)
    assert [kind.strip() for kind, _ in scripts] == ['type="application/json" id="data"', 'type="module"']
    digest = base64.b64encode(hashlib.sha256(scripts[1][1].encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in html or f"script-src 'sha256-{digest}'" in html
    assert json.loads(scripts[0][1])["extra"] == hostile
    assert not re.search(r'(src|href)="(https?:)?//', html)


def test_joined_modules_import_and_export_nothing() -> None:
    text = inline_modules(*MODULES)
    assert not re.search(r"^\s*(import|export)\b", text, re.M)
    names = re.findall(r"^(?:async )?(?:function|const|let) (\w+)", text, re.M)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("step", [1, 3])
def test_a_large_surface_is_thinned_in_place(step: int) -> None:
    side = 256 * step - 2
    column = np.broadcast_to(np.arange(side) + 0.5, (side, side))
    camera = np.array([[100.0, 0, side / 2], [0, 100.0, side / 2], [0, 0, 1]])
    normal, mask = sphere_normals(side, side, side / 2)
    data = pack_object(
        normal, mask, np.zeros((side, side, 3), np.uint8), None, Relief(column, camera, False, 0, 0, 1)
    )
    packed = data["surface"]
    # Column c of the packed grid shows the depth of fine column step c, and lies there in space and in the picture.
    for number in (0, 10):
        fine = number * step + 0.5
        fx, _, cx, _ = packed["camera"]
        assert (number + 0.5 - cx) / fx == pytest.approx((fine - side / 2) / 100)
        assert (number + 0.5) / packed["scale"] + packed["left"] == pytest.approx(fine)
