# SPDX-License-Identifier: Apache-2.0
"""Prints the figures of the fault tests at their end; `make test-faults` writes them into docs/reliability.md."""

import os
from pathlib import Path

import pytest

from tests.support.fault_runs import FIGURES, PATIENCE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- written by make test-faults -->", "<!-- end -->"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            # Several processes of a run start one after another; what hangs is found by the tests' own deadlines.
            item.add_marker(pytest.mark.timeout(4 * PATIENCE))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not FIGURES.faults:
        return
    lines = FIGURES.lines()
    terminalreporter.section("faults")
    for line in lines:
        terminalreporter.write_line(line)
    complete = not (terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"))
    if os.environ.get("WRITE_FIGURES") and complete:
        text = PAGE.read_text()
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")
        terminalreporter.write_line(f"written into {PAGE}")
