# SPDX-License-Identifier: Apache-2.0
"""Shards become batches of the model's lights and size, on one process or two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from multishade.errors import DataError
from multishade.shards.sample import FieldFormat
from multishade.training import state as checkpoints
from multishade.training import trainer
from multishade.training.sources import from_shards
from multishade.training.tasks.rose import RoseTask
from tests.support.synthetic import make_sample, write_synthetic_shard
from tests.support.training_runs import metrics, on_shards, quiet


def test_shards_become_batches_of_the_models_lights_and_size(tmp_path: Path, shards: Path) -> None:
    run = on_shards(tmp_path, shards, model={"lights": 6})
    sources = from_shards(RoseTask(run), 0, 1)
    batch = next(sources.train(0))
    assert batch.image.shape == (2, 1, 16, 16)
    assert batch.shading.shape == (2, 6, 16, 16)
    assert sorted(key for one in sources.val() for key in one.keys) == [
        f"s000001-g0000-v{v}" for v in range(4)
    ]
    trainer.train(run, report=quiet)
    assert metrics(tmp_path, "val/mean_angle")


def test_shards_without_the_stored_shading_that_is_asked_for(tmp_path: Path) -> None:
    samples = [make_sample(f"s000000-g0000-v{view}", size=24) for view in range(2)]
    write_synthetic_shard(tmp_path / "a0.tar", samples, FieldFormat(shading_stored=False))
    write_synthetic_shard(tmp_path / "a1.tar", samples)
    run = on_shards(tmp_path / "run", tmp_path)
    data = run.data.model_copy(update={"shading": "cast"})
    with pytest.raises(DataError, match=r"a0\.tar: .*lacks shading\.exr: set shading to lambert") as raised:
        trainer.train(run.model_copy(update={"data": data}), report=quiet)
    assert "in a row" not in str(raised.value)  # said of the first sample, not after a search for others


def test_stored_shading_of_another_k(tmp_path: Path) -> None:
    samples = [make_sample(f"s000000-g0000-v{view}", size=24, mode="cast", lights=6) for view in range(2)]
    for name in ("a0.tar", "a1.tar"):
        write_synthetic_shard(tmp_path / name, samples)
    run = on_shards(tmp_path / "run", tmp_path)
    data = run.data.model_copy(update={"shading": "cast"})
    with pytest.raises(DataError, match=r"6 .*9"):
        trainer.train(run.model_copy(update={"data": data}), report=quiet)


def test_two_processes(tmp_path: Path, shards: Path) -> None:
    """Each sees its own samples, both end with the same weights, and validation is of all images."""
    script = tmp_path / "run.py"
    script.write_text(
        "import json, sys, torch\n"
        "from pathlib import Path\n"
        "from accelerate import PartialState\n"
        "from multishade.training import sources, trainer\n"
        "from multishade.training.tasks.rose import RoseConfig, RoseTask\n"
        "config = RoseConfig.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "state = PartialState(cpu=True)\n"
        "rank, keys, models = state.process_index, [], []\n"
        "task = RoseTask(config)\n"
        "opened = sources.from_shards(task, rank, state.num_processes)\n"
        "def train(start):\n"
        "    for batch in opened.train(start):\n"
        "        keys.extend(batch.keys)\n"
        "        yield batch\n"
        "build = task.build\n"
        "task.build = lambda: models.append(build()) or models[-1]\n"
        "trainer.Trainer(config, task, sources.Sources(train, opened.val)).fit()\n"
        "total = sum(float(p.detach().double().abs().sum()) for p in models[0].unet.parameters())\n"
        "Path(sys.argv[1] + f'.{rank}').write_text(json.dumps({'keys': keys, 'total': total}))\n"
    )
    run = on_shards(
        tmp_path / "run",
        shards,
        model={"preset": "channels-tiny"},
        optimisation={"steps": 2, "accumulation": 2, "batch": 1},
    )
    settings = tmp_path / "config.json"
    settings.write_text(run.model_dump_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29517"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(script), str(settings)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"config.json.{rank}").read_text()) for rank in range(2))
    assert set(first["keys"][:2]).isdisjoint(second["keys"][:2])
    assert first["total"] == second["total"]
    assert "validation over 4 images" in done.stdout
    assert done.stdout.count("step 2/2") == 1
    assert checkpoints.read_progress(checkpoints.listed(tmp_path / "run")[-1], run, 2).batches == 4
