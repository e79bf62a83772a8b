# SPDX-License-Identifier: Apache-2.0
"""The suite of hostile configurations finds what is read without an error, and what ends in a traceback."""

from pathlib import Path

import pytest

from multishade.errors import ConfigError
from tests.hostile import config_suite
from tests.hostile.config_suite import Figures, attack


def test_every_attack_is_refused_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- measured by make test-hostile-configs -->\n<!-- end -->\nb\n")
    assert config_suite.main(["--page", str(page)]) == 0
    assert "refused by name" in page.read_text() and page.read_text() == page.read_text().strip() + "\n"
    assert "| hostile rows" in capsys.readouterr().out


def test_what_is_not_refused_is_told() -> None:
    def no_short_error() -> None:
        raise ConfigError("o.yaml: " + "a" * 20_000)

    def traceback() -> None:
        raise RecursionError("too deep")

    figures = Figures()
    attack("fine", lambda: None, ConfigError, "o.yaml", figures)
    attack("long", no_short_error, ConfigError, "o.yaml", figures)
    attack("deep", traceback, ConfigError, "o.yaml", figures)
    assert [line.partition(":")[0] for line in figures.wrong] == ["fine", "long", "deep"]
