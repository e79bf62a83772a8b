# SPDX-License-Identifier: Apache-2.0
"""Commands that compute choose their threads, print them first, and keep to them."""

import argparse
import os
from pathlib import Path

import pytest

from multishade import threads
from multishade.cli import build_parser, call

COMPUTE = {
    "train": ["rose-tiny"],
    "infer": ["photo.png"],
    "solve": ["folder"],
    "evaluate": ["ols", "--on", "shards:x"],
    "stats": ["folder"],
    "inspect": ["shard.tar"],
    "replay": ["folder", "key"],
}


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers that a command sees when it runs: its own, and that of the environment."""
    seen: list[int] = []

    def record(args: argparse.Namespace) -> int:
        seen.extend([args.threads.count, threads.current(), int(os.environ[threads.OPENMP])])
        return 0

    args = build_parser().parse_args(arguments)
    args.run = record
    assert call(args) == 0
    return seen


@pytest.mark.parametrize("command", COMPUTE)
def test_every_command_that_computes_takes_a_number_and_prints_it(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, *COMPUTE[command], "--threads", "3"], monkeypatch) == [3, 3, 3]
    assert capsys.readouterr().err == f"3 threads (of {threads.counted(threads.cores(), 'core')})\n"


def test_without_a_number_the_environments_wins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(threads.OPENMP, "2")
    assert run(["solve", "folder"], monkeypatch) == [2, 2, 2]
    assert "2 threads" in capsys.readouterr().err


def test_shards_inspected_at_a_time_share_the_free_cores(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(threads.OPENMP, raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 8)
    monkeypatch.setattr(threads, "free_cores", lambda: 8.0)
    assert run(["inspect", "shard.tar", "--workers", "4"], monkeypatch)[0] == 2
    assert capsys.readouterr().err == "2 threads (of 8 cores) for each of 4 workers\n"


@pytest.mark.parametrize("text", ["0", "-1", "two"])
def test_a_wrong_number_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["solve", "folder", f"--threads={text}"])
    assert "not a whole number above 0" in capsys.readouterr().err


def test_render_prints_its_workers_and_their_threads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["render", str(tmp_path / "missing.yaml"), "--workers", "3", "--threads", "2"]
    assert call(build_parser().parse_args(args)) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first == f"at most 3 workers of 2 threads (of {threads.counted(threads.cores(), 'core')})"
