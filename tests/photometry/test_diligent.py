# SPDX-License-Identifier: Apache-2.0
"""Photographs of DiLiGenT's ball and cat: the published errors come out, and better solvers do better."""

import numpy as np
import pytest
import scipy.io

from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.lights import read_directions, read_intensities
from multishade.imaging.read import read_stored
from multishade.photometry.solvers.methods import solve


@pytest.fixture(scope="module", params=["ball", "cat"])
def photographs(request, shared_dir):
    folder = shared_dir / "benchmarks" / "diligent" / f"{request.param}PNG"
    names = (folder / "filenames.txt").read_text().split()
    mask = read_stored(folder / "mask.png")
    mask = (mask if mask.ndim == 2 else mask.max(axis=2)) > 0
    return {
        "object": request.param,
        "images": np.stack([read_stored(folder / name) for name in names]),
        "directions": read_directions(folder / "light_directions.txt"),
        "intensities": read_intensities(folder / "light_intensities.txt"),
        "mask": mask,
        "normal": scipy.io.loadmat(folder / "Normal_gt.mat")["Normal_gt"],
    }


def mean_error(photographs, method, **options):
    mask = photographs["mask"]
    solution = solve(
        photographs["images"],
        photographs["directions"],
        mask,
        method,
        light_intensities=photographs["intensities"],
        **options,
    )
    assert solution.determined[mask].all()
    return float(angular_error_degrees(solution.normal[mask], photographs["normal"][mask]).mean())


def test_photographs_are_16_bit(photographs):
    assert photographs["images"].dtype == np.uint16
    assert photographs["images"].shape[0] == 96


@pytest.mark.parametrize(("grey", "expected"), [("luminance", (4.17, 8.41)), ("mean", (4.29, 8.45))])
def test_least_squares_gives_the_published_error(photographs, grey, expected):
    published = expected[("ball", "cat").index(photographs["object"])]
    assert mean_error(photographs, "ols", grey=grey) == pytest.approx(published, abs=0.02)


def test_robust_is_clearly_better(photographs):
    least_squares = mean_error(photographs, "ols")
    assert mean_error(photographs, "robust") < 0.8 * least_squares
    assert mean_error(photographs, "relu") < 0.97 * least_squares


def test_robust_survives_eight_bits(photographs):
    """8-bit copies of the set exist; dark pixels lose lights, the object stays."""
    coarse = {**photographs, "images": (photographs["images"] >> 8).astype(np.uint8)}
    mask = coarse["mask"]
    solution = solve(
        coarse["images"], coarse["directions"], mask, "robust", light_intensities=coarse["intensities"]
    )
    good = solution.determined & mask
    assert good[mask].mean() > 0.99
    error = angular_error_degrees(solution.normal[good], coarse["normal"][good]).mean()
    assert error < 1.25 * mean_error(photographs, "ols")
