# SPDX-License-Identifier: Apache-2.0
"""Progress of training and of evaluation -> a bar on a terminal, lines elsewhere."""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tqdm import tqdm


class StepBar:
    """Steps, loss and time left: a bar on a terminal, otherwise a line after the first step; log lines above it."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._bar: tqdm | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def write(self, line: str) -> None:
        """Print a line of the log."""
        with tqdm.external_write_mode():
            print(line, flush=True)

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Show the numbers after a step."""
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name.endswith("loss"))
        if self._bar is None:
            self._bar = tqdm(
                total=self._steps,
                initial=step,
                unit="step",
                dynamic_ncols=True,
                smoothing=0.1,
                disable=None,
                leave=False,
            )
            if self._bar.disable:
                print(f"step {step}/{self._steps}  {shown}", flush=True)
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update(step - self._bar.n)


class CountBar:
    """Things done, with the time left if their number is known: a bar on a terminal; lines of output above it.

    Args:
        total: Their number; None if it is unknown.
        unit: What they are, such as "image".
        what: What is done, at the start of the bar.
    """

    def __init__(self, total: int | None, unit: str, what: str) -> None:
        self._bar = tqdm(
            total=total, unit=unit, desc=what, dynamic_ncols=True, smoothing=0.1, disable=None, leave=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def write(self, line: str) -> None:
        """Print a line of output."""
        with tqdm.external_write_mode():
            print(line, flush=True)

    def write_error(self, line: str) -> None:
        """Print a line about what is wrong."""
        with tqdm.external_write_mode():
            print(line, file=sys.stderr, flush=True)

    def reach(self, count: int) -> None:
        """Show that `count` are done."""
        self._bar.update(count - self._bar.n)
