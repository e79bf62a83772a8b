# SPDX-License-Identifier: Apache-2.0
"""The comparison of encoders: it trains for the time that it is given, and makes no finished run again."""

from pathlib import Path

import pytest

from benchmarks import backbone
from tests.support.synthetic import make_sample, write_synthetic_shard


@pytest.fixture
def settings(tmp_path: Path) -> tuple[str, ...]:
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        samples = [make_sample(f"s000000-g0000-v{view}", size=40) for view in range(2)]
        write_synthetic_shard(tmp_path / name / "a.tar", samples)
    small = ("model.size=32", "optimisation.batch=2", "optimisation.precision='no'")
    return (*small, f"data.train=[{tmp_path / 'train'}]", f"data.val=[{tmp_path / 'test'}]")


def test_from_shards_to_a_table(
    tmp_path: Path, settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = backbone.ROOT / "configs" / "train" / "rose-lite0.yaml", tmp_path / "out"
    arms = ["lite0-small", "channels-small"]
    for arm in arms:
        backbone.train_one(config, arm, 0, 1.2, settings, out)
    runs = [backbone.read(backbone.result_path(out, arm, 0)) for arm in arms]
    assert all(run.steps >= 2 and run.pictures == 2 * run.steps and run.constant > 0 for run in runs)
    capsys.readouterr()
    given = [word for setting in settings[:-1] for word in ("--set", setting)]
    test = settings[-1].removeprefix("data.val=[").removesuffix("]")
    # Would start processes, and take minutes, if the runs did not count as finished.
    backbone.main(
        [*given, "--test", test, "--arms", *arms, "--seeds", "1", "--minutes", "0.02", "-o", str(out)]
    )
    header, _, first, second = capsys.readouterr().out.splitlines()
    assert header.startswith("| network | seeds |")
    assert first.startswith("| lite0-small | 1 |")
    assert second.startswith("| channels-small | 1 |")
    assert not backbone.finished(backbone.result_path(out, arms[0], 0), 2.4, settings)
