# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the rendering benchmark: windows, PSNR, the laws of the search, the page. Nothing is rendered."""

import io
import math

import numpy as np
import pytest
import trimesh

from benchmarks.rendering import panel, quality, report, schedule
from benchmarks.rendering.glass import glass_glb
from benchmarks.rendering.schedule import Trial


def disc(size: int = 200, radius: float = 80) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    return np.hypot(x, y) < radius


def test_windows_lie_on_the_object_and_apart() -> None:
    mask = disc()
    boxes = quality.windows(mask, seed=3)
    assert len(boxes) == quality.WINDOWS == len(set(boxes))
    covered = np.zeros(mask.shape, int)
    for left, top, right, bottom in boxes:
        assert mask[top:bottom, left:right].mean() >= 0.5
        covered[top:bottom, left:right] += 1
    assert covered.max() == 1
    rows = sorted(top for _, top, _, _ in boxes)
    assert rows[0] < 60 and rows[-1] > 130  # from the top of the object to its bottom
    assert quality.windows(mask, seed=3) == boxes


def test_an_object_too_small_for_the_windows() -> None:
    with pytest.raises(ValueError, match="covers only .* tiles"):
        quality.windows(disc(radius=12), seed=0)


def test_psnr_of_known_noise() -> None:
    rng = np.random.default_rng(0)
    mask = disc()
    boxes = quality.windows(mask, seed=1)
    truth = np.full((200, 200, 3), 0.25, np.float32)
    cut = np.stack([truth[t:b, left:right] for left, t, right, b in boxes])
    inside = np.stack([mask[t:b, left:right] for left, t, right, b in boxes])
    reference = quality.Reference(boxes, cut / 2, inside, exposure=2.0)
    slope = 1.055 / 2.4 * 0.25 ** (1 / 2.4 - 1)  # of the sRGB curve at 0.25
    noisy = (truth + rng.normal(0, 0.004, truth.shape).astype(np.float32)) / 2
    assert reference.psnr(noisy) == pytest.approx(-20 * math.log10(0.004 * slope), abs=0.3)
    noisy[~mask] = 100.0  # what lies off the object does not count
    assert reference.psnr(noisy) == pytest.approx(-20 * math.log10(0.004 * slope), abs=0.3)


def test_references_come_back_from_their_file(tmp_path) -> None:
    mask = disc()
    boxes = quality.windows(mask, seed=1)
    pixels = (
        np.random.default_rng(0).random((len(boxes), quality.WINDOW, quality.WINDOW, 3)).astype(np.float32)
    )
    saved = {"image_env0": quality.Reference(boxes, pixels, pixels[..., 0] > 0.5, 1.5)}
    quality.save(tmp_path / "r.npz", saved)
    (name, found), *rest = quality.load(tmp_path / "r.npz").items()
    assert not rest and name == "image_env0"
    assert found.boxes == boxes and found.exposure == 1.5
    np.testing.assert_array_equal(found.pixels, pixels)


def two_trials(item: int, base: float, step: float, start: float, each: float) -> list[Trial]:
    return [
        Trial("x", item, "image_env0", "environment", n, start + each * n, base + step * math.log2(n))
        for n in (16, 64)
    ]


def test_one_setting_for_all_images() -> None:
    found = two_trials(0, 26, 2, 0.5, 0.1) + two_trials(1, 29, 2, 0.2, 0.05)
    assert schedule.for_all(found) == {"environment": pytest.approx(64)}  # the harder of the two decides
    assert schedule.all_alike(found) == pytest.approx(((0.5 + 6.4) + (0.2 + 3.2)) / 2)
    assert schedule.each_its_own(found) < schedule.all_alike(found)  # the easier one needs fewer


def test_an_image_that_more_samples_do_not_help_is_never_good_enough() -> None:
    found = two_trials(0, 30, 0.0, 1, 1)
    assert schedule.for_all(found)["environment"] == schedule.each_its_own(found) == math.inf


def test_one_threshold_for_all_images() -> None:
    """Samples go as one over the threshold's square: 6 dB for a halved threshold, at four times the samples' cost."""
    found = [
        Trial("adaptive", item, field, field[6:], threshold, 1 + 0.01 / threshold**2, decibels)
        for item, field, easy in ((0, "image_point", 0), (0, "image_parallel", 9), (1, "image_point", 3))
        for threshold, decibels in ((0.1, 32 + easy), (0.05, 38.0206 + easy))
    ]
    assert schedule.for_all(found) == {"threshold": pytest.approx(0.05, rel=0.01)}
    assert schedule.all_alike(found) == pytest.approx((5 + 5 + 5) / 2, rel=0.01)
    assert schedule.each_its_own(found) < 6


def test_glass_is_a_file_that_others_can_read() -> None:
    sphere = trimesh.creation.icosphere(3, radius=2.0)
    data = glass_glb(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32))
    loaded = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
    assert loaded.is_watertight and loaded.volume == pytest.approx(sphere.volume, rel=1e-5)
    assert b"KHR_materials_transmission" in data


def test_the_panel_is_what_it_says() -> None:
    assert len(panel.PANEL) == 12 == len({item.name + item.object for item in panel.PANEL})
    worn = " ".join(item.name for item in panel.PANEL)
    assert all(word in worn for word in ("metal", "fabric", "glass", "stone"))


def measured(seconds: float, decibels: float, rest: float = 0.0) -> dict:
    fields = ("image_parallel", "image_point", "image_env0", "image_env1")
    return {
        "total": 4 * seconds + rest,
        "images": dict.fromkeys(fields, seconds),
        "psnr": dict.fromkeys(fields, decibels),
        "limit": 14.4,
        "memory": 2**30,
    }


def results() -> dict:
    return {
        "minutes": 20.0,
        "reference": {str(number): [{"seconds": 0.0}] for number in range(12)},
        "settings": {"ours": [0.1, 0.04], "straightforward": [8, 64]},
        "peers": ["straightforward"],
        "items": [0, 1],
        "ours": {str(number): [measured(4.0, 40.0, rest=2.0)] for number in range(12)},
        "dial": {str(n): [measured(1.0, 36.0, rest=2.0)] for n in range(2)},
        "scaling": {"0": [{"views": 2, "alone": 8.0, "together": 6.0, "lights": {"2": 2.0, "4": 3.0}}]},
        "straightforward": {
            str(n): [measured(10.0, 35.0, rest=90.0), measured(40.0, 41.0)] for n in range(2)
        },
    }


def test_seconds_at_a_quality_between_two_settings() -> None:
    assert schedule.seconds_at(38, (1, 36), (4, 40)) == pytest.approx(2)
    assert schedule.seconds_at(38, (1, 39), (4, 41)) == 1  # no credit below what was measured
    assert schedule.seconds_at(38, (1, 34), (4, 36)) == pytest.approx(16)  # beyond what was measured
    assert schedule.seconds_at(38, (1, 34), (4, 34)) == math.inf


def test_the_page_says_what_was_measured() -> None:
    found = results()
    page = "\n".join(report.sections(found))
    # Ours: 4 images at 2 s, and 2 s for the rest. The script: 4 at 20 s, and 90 s.
    assert "| 10 | 170 | 17.0 |" in page
    # One setting: all images are alike here, so it is the same but for the way seconds grow with samples.
    assert "| straightforward script | 23 (parallel), 23 (point), 23 (environment) | 161 | 17.1 |" in page
    assert "the references that come with the harness" in page
    assert "25.0% more than that" in page  # 18 s against 14.4 s inside Cycles
    assert "2 views in one group take 6.0 CPU s, each in its own 8.0 (0.75 of it)" in page
    assert "with 4 3.0 (0.75 a lamp" in page
    assert "48 of 48 images reach 38 dB" in page
    assert "BlenderProc was not there" in page
    found["ours"]["3"][0]["psnr"]["image_point"] = 35.0
    page = "\n".join(report.sections(found))
    assert "47 of 48 images reach 38 dB; the least has 35.0" in page


def test_the_plot_is_drawn(tmp_path) -> None:
    report.plot(results(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000
