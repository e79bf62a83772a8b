# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the rendering benchmark: windows, PSNR, the laws of the search, the page. Nothing is rendered."""

import io
import math

import numpy as np
import pytest
import trimesh

from benchmarks.rendering import comparison, panel, quality, report, schedule
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


def test_a_reference_knows_its_noise_and_what_it_does_not_know() -> None:
    rng = np.random.default_rng(2)
    shape = (quality.WINDOWS, quality.WINDOW, quality.WINDOW)
    truth = np.full((*shape, 3), 0.25, np.float32)
    halves = [truth + rng.normal(0, 0.01, truth.shape).astype(np.float32) for _ in range(2)]
    halves[1][7, 2, 1] = 30.0  # a firefly
    boxes = tuple((0, 4 * i, 4, 4 * i + 4) for i in range(quality.WINDOWS))
    found = quality.reference(boxes, (halves[0], halves[1]), np.ones(shape, bool), 1.0)
    assert found.unknown == 1 and not found.inside[7, 2, 1] and found.inside.sum() == truth[..., 0].size - 1
    slope = 1.055 / 2.4 * 0.25 ** (1 / 2.4 - 1)
    assert found.noise == pytest.approx((0.01 * slope) ** 2 / 2, rel=0.1)
    noisy = truth + rng.normal(0, 0.02, truth.shape).astype(np.float32)
    alone = -10 * math.log10((0.02 * slope) ** 2)
    assert found.psnr_of(noisy) == pytest.approx(alone, abs=0.3)  # its own noise does not count
    assert -10 * math.log10(found.error(noisy)) < alone - 0.3


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


def test_one_quality_for_all_images() -> None:
    """What is asked for and what comes out differ: by 2 dB here for one image, 3 for the other."""
    found = [
        Trial("quality", item, "image_env0", "environment", asked, 10 ** (asked / 9) / 1000, asked - short)
        for item, short in ((0, 2), (1, 3))
        for asked in (36.0, 38.0)
    ]
    assert schedule.for_all(found) == {"dB": pytest.approx(41)}
    assert schedule.all_alike(found) == pytest.approx(10 ** (41 / 9) / 1000, rel=0.01)


def test_glass_is_a_file_that_others_can_read() -> None:
    sphere = trimesh.creation.icosphere(3, radius=2.0)
    data = glass_glb(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32))
    loaded = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
    assert loaded.is_watertight and loaded.volume == pytest.approx(sphere.volume, rel=1e-5)
    assert b"KHR_materials_transmission" in data


def test_the_panel_is_what_it_says() -> None:
    assert len(panel.PANEL) == 12 == len({item.name + item.object for item in panel.PANEL})
    names = " ".join(item.name for item in panel.PANEL)
    assert all(word in names for word in ("metal", "fabric", "glass", "stone"))


def measured(seconds: float, decibels: float, rest: float = 0.0) -> dict:
    fields = ("image_parallel", "image_point", "image_env0", "image_env1")
    return {
        "total": 4 * seconds + rest,
        "images": dict.fromkeys(fields, seconds),
        "psnr": dict.fromkeys(fields, decibels),
        "estimated": dict(zip(fields, (decibels - 2, decibels, decibels, decibels), strict=True)),
        "limit": 14.4,
        "memory": 2**30,
    }


def results() -> dict:
    return {
        "minutes": 20.0,
        "reference": {str(number): [{"seconds": 0.0}] for number in range(12)},
        "samples": [8, 32],
        "ours": {str(number): [measured(4.0, 40.0, rest=2.0)] for number in range(12)},
        "scaling": {"6": [{"views": 2, "alone": 8.0, "together": 6.0, "lights": {"2": 2.0, "4": 3.0}}]},
        "straightforward": {
            str(n): [measured(10.0, 36.0, rest=90.0), measured(40.0, 42.0)] for n in range(12)
        },
    }


def test_seconds_at_a_quality_between_two_settings() -> None:
    assert schedule.seconds_at(38, (1, 36), (4, 40)) == pytest.approx(2)
    assert schedule.seconds_at(38, (1, 39), (4, 41)) == 1  # no credit below what was measured
    assert schedule.seconds_at(38, (1, 34), (4, 36)) == pytest.approx(16)  # beyond what was measured
    assert schedule.seconds_at(38, (1, 34), (4, 34)) == math.inf


def test_the_page_states_what_was_measured() -> None:
    found = results()
    page = "\n".join(report.sections(found))
    # Ours: 4 images at 4 s, and 2 s for the rest. The script reaches 40 dB with 8 * 4 ** (2 / 3) = 20.2 samples: each
    # image costs 10 + 30 / 24 * 12.2 = 25.2 s, 90 s the rest; by the logarithm of the seconds 25.2 s, too.
    assert "The lowest PSNR of our images is 40.0 dB" in page
    assert "20 for a parallel light, 20 for a point light, 20 for an environment" in page
    assert "| **mean** | | 18 | 191 | 10.6 | 191 | 10.6 |" in page
    assert "the references that come with the harness" in page
    assert "everything else adds 25.0%" in page  # 18 s against 14.4 s inside Cycles
    assert "2 views in one group take 6.0 CPU s, in groups of their own 8.0 (ratio 0.75)" in page
    assert "with 4 lamps 3.0 (ratio per lamp 0.75)" in page
    assert "48 of 48 images reach 38 dB" in page
    assert "BlenderProc was not available" in page
    found["ours"]["3"][0]["psnr"]["image_point"] = 35.0
    found["quality"] = {"4": [measured(6.0, 39.0)]}
    found["blenderproc"] = {"6": [measured(11.0, 20.0, rest=80.0), measured(44.0, 21.0)]}
    page = "\n".join(report.sections(found))
    assert "47 of 48 images reach 38 dB; the median is 40.0, the minimum 35.0" in page
    assert (
        "off by -0.5 dB on average, with a standard deviation of 1.0 dB. The time is 24 s for superquadric"
        in page
    )
    assert "8 for a parallel light, 8 for a point light, 8 for an environment" in page  # the worst decides
    assert "take 1.10 and 1.10 times the script's seconds" in page and "80 s, the script's 90 s" in page


def test_the_hardest_image_decides_the_scripts_samples() -> None:
    found = results()
    cheap, dear = found["straightforward"]["5"]
    cheap["psnr"]["image_env1"], dear["psnr"]["image_env1"] = 30.0, 35.0
    wanted = comparison.script_samples(found)
    assert wanted["parallel"] == pytest.approx(20.16, rel=1e-3)
    assert wanted["environment"] == pytest.approx(8 * 4**2)
    assert comparison.alike_seconds(found, 0) > 2 * comparison.own_seconds(found, 0)


def test_the_plot_is_drawn(tmp_path) -> None:
    report.plot(results(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_only_the_measured_section_of_a_page_is_replaced(tmp_path) -> None:
    page = tmp_path / "docs" / "performance.md"
    page.parent.mkdir()
    page.write_text(
        "# Title\n\nby hand\n\n<!-- measured by make bench-render -->\noutdated\n<!-- end -->\n\nmore\n"
    )
    report.write(results(), page)
    text = page.read_text()
    assert text.startswith("# Title\n\nby hand\n") and text.endswith("<!-- end -->\n\nmore\n")
    assert "### Seconds per view" in text and "outdated" not in text
    assert (page.parent / "images" / "performance.png").is_file()
    report.write(results(), page)
    assert page.read_text() == text
    page.write_text("# Title\n")
    with pytest.raises(ValueError, match="has no section from <!-- measured by make bench-render --> to"):
        report.write(results(), page)
