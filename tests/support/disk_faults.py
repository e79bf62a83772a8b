# SPDX-License-Identifier: Apache-2.0
"""A disk that refuses: the n-th call of one kind raises OSError, once or from then on (`multishade.storage.disk`)."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from multishade.storage import disk

# kind of call -> what a disk answers when it refuses
REFUSALS = {
    "create": errno.EROFS,
    "write": errno.ENOSPC,
    "sync": errno.EIO,
    "rename": errno.EIO,
    "sync_folder": errno.EIO,
    "remove": errno.EPERM,
}


class Disk:
    """Counts the calls of one kind.

    calls: so far; refused: how many of them failed.
    """

    def __init__(self, number: int, for_good: bool, code: int) -> None:
        self.calls = self.refused = 0
        self._number, self._for_good, self._code = number, for_good, code

    def ask(self) -> None:
        self.calls += 1
        if self.calls == self._number or (self._for_good and self.calls > self._number):
            self.refused += 1
            raise OSError(self._code, os.strerror(self._code))


@contextmanager
def refusing(kind: str, number: int, for_good: bool) -> Iterator[Disk]:
    """Let call `number` of this kind fail inside the block, and all later ones if `for_good`."""
    state, real = Disk(number, for_good, REFUSALS[kind]), getattr(disk, kind)

    def call(*arguments: Any) -> Any:
        state.ask()
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, kind, call)
        yield state
