# SPDX-License-Identifier: Apache-2.0
"""Environment of the studies' processes."""

import pytest


@pytest.fixture(autouse=True)
def threads_of_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies limit their processes by the environment; numba refuses another number than it began with here."""
    import numba

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("NUMBA_NUM_THREADS", str(numba.config.NUMBA_NUM_THREADS))
