# SPDX-License-Identifier: Apache-2.0
"""Luminance has the same bits however many threads BLAS uses, and display values are those of the standard."""

import os
import subprocess
import sys

import numpy as np
import pytest

from multishade.imaging.color import REC709_LUMINANCE, linear_to_png, linear_to_srgb, luminance, png_to_linear

# Sizes on both sides of those at which OpenBLAS starts threads (9,216 values) and changes its kernel.
PRINT_HASHES = """
import hashlib
import numpy as np
from multishade.imaging.color import REC709_LUMINANCE, luminance
rng = np.random.default_rng(0)
for rows in [*range(1, 40), 1023, 2048, 3071, 3072, 3073, 3100, 9217, 16384, 16388, 20003, 50001, 200003]:
    pixels = rng.lognormal(0, 2, (rows, 3)).astype(np.float32)
    values = pixels @ REC709_LUMINANCE if {raw} else luminance(pixels)
    print(rows, hashlib.sha256(values.tobytes()).hexdigest())
"""


def _hashes(threads: int, raw: bool) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", PRINT_HASHES.format(raw=raw)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_luminance_is_bit_equal_to_the_product_on_one_thread_whatever_the_threads() -> None:
    expected = _hashes(1, raw=True)
    assert expected.count("\n") == 51
    assert _hashes(1, raw=False) == expected
    assert _hashes(4, raw=False) == expected


def test_the_number_of_threads_is_restored() -> None:
    from threadpoolctl import threadpool_info

    before = [library["num_threads"] for library in threadpool_info()]
    luminance(np.ones((10000, 3), np.float32))
    assert [library["num_threads"] for library in threadpool_info()] == before


def test_white_has_luminance_one_in_any_shape_and_type() -> None:
    assert REC709_LUMINANCE.sum() == pytest.approx(1)
    for dtype in (np.float32, np.float64):
        found = luminance(np.ones((2, 4, 5, 3), dtype))
        assert found.shape == (2, 4, 5) and found.dtype == dtype
        np.testing.assert_allclose(found, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("linear", "display"), [(0.0, 0.0), (0.0031308, 0.04045), (0.18, 0.46135613), (1.0, 1.0), (7.0, 1.0)]
)
def test_display_values_are_those_of_iec_61966(linear: float, display: float) -> None:
    assert linear_to_srgb(np.array([linear])) == pytest.approx(display, abs=1e-6)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_every_integer_survives_the_way_to_light_and_back(bits: int, dtype: type) -> None:
    integers = np.arange(2**bits, dtype=dtype)
    np.testing.assert_array_equal(linear_to_png(png_to_linear(integers), bits), integers)
