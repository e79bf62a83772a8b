# SPDX-License-Identifier: Apache-2.0
"""One S3 server for the tests of stores."""

from collections.abc import Iterator

import pytest

from multishade.storage import driver, s3
from multishade.storage.retry import RetryPolicy
from tests.support.s3_server import S3Server, s3_server

PART = 1 << 10


@pytest.fixture(scope="session")
def running_s3() -> Iterator[S3Server]:
    with s3_server(read_timeout=3.0) as server:
        yield server


@pytest.fixture
def s3_store(running_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """The server, with short waits and parts of 1 KiB (S3 itself takes no less than 5 MiB)."""
    import moto.settings

    monkeypatch.setattr(moto.settings, "S3_UPLOAD_PART_MIN_SIZE", 1, raising=False)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1, raising=False)
    monkeypatch.setattr(driver, "POLICY", RetryPolicy(attempts=4, first_wait=0.01, longest_wait=0.05))
    monkeypatch.setattr(s3, "PART_BYTES", PART)
    running_s3.faults.clear()
    running_s3.log.clear()
    yield running_s3
    running_s3.faults.clear()
