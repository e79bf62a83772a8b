# SPDX-License-Identifier: Apache-2.0
"""The trainer trains any task: several optimizers, networks that only training needs, buffers, learned weights."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from multishade.errors import ConfigError, TrainingError
from multishade.training import state, tasks
from multishade.training.sources import Sources
from multishade.training.trainer import Trainer, train
from tests.support.adversarial_task import AdversarialConfig, AdversarialTask, TinyModel
from tests.support.rose_samples import LitSpheres, sphere_batch


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, "adversarial", "tests.support.adversarial_task:AdversarialTask")


def config(output: Path, **sections: Any) -> AdversarialConfig:
    tree: dict[str, Any] = {
        "task": "adversarial",
        "name": "test",
        "output": str(output),
        "model": {"size": 16},
        "data": {"train": ["none"], "val": ["none"], "workers": 0},
        "optimisation": {"steps": 4, "batch": 2, "learning_rate": 1e-2, "ema": 0.9, "accumulation": 2},
        "validation": {"every": 4},
        "checkpoints": {"every": 2},
        "logging": {"every": 1, "tensorboard": False},
    }
    for section, values in sections.items():
        tree[section] = {**tree.get(section, {}), **values}
    return AdversarialConfig.model_validate(tree)


def spheres(stop: int | None = None) -> Sources:
    """Batches by their number; the machine goes down when number `stop` is asked for."""

    def batches(start: int) -> Iterator[LitSpheres]:
        number = start
        while number != stop:
            yield sphere_batch(number, count=3)
            number += 1
        raise KeyboardInterrupt

    return Sources(batches, lambda: [sphere_batch(1000)])  # type: ignore[arg-type, return-value]


def quiet(text: str) -> None:
    pass


def tensors(run: Path) -> dict[str, Tensor]:
    return load_file(state.listed(run)[-1] / "training" / "state.safetensors")


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


class TestTwoOptimizers:
    def test_both_networks_learn_and_the_model_is_the_generator_alone(self, tmp_path: Path) -> None:
        run = config(
            tmp_path,
            optimisation={"steps": 40, "accumulation": 1},
            validation={"every": 40},
            checkpoints={"keep": 20},
        )
        finished = train(run, sources=spheres(), report=quiet)
        assert sorted(path.name for path in finished.iterdir()) == ["generator.pt", "tiny.json"]
        assert isinstance(TinyModel.from_pretrained(finished), TinyModel)
        logged = [row for row in rows(tmp_path) if "train/generator/error" in row]
        assert logged[-1]["train/generator/error"] < 0.5 * logged[0]["train/generator/error"]
        first, last = (
            load_file(each / "training" / "state.safetensors") for each in state.listed(tmp_path)[::19]
        )
        for name in ("weights/discriminator.0.weight", "weights/generator.0.weight"):
            assert not torch.equal(first[name], last[name])
        assert rows(tmp_path)[-1]["val/mean_angle"] < rows(tmp_path)[-1]["val/constant_angle"]

    @pytest.mark.parametrize("kind", ["fixed", "instance"])
    def test_a_killed_run_goes_on_as_if_nothing_had_happened(self, tmp_path: Path, kind: str) -> None:
        """All optimizers, running means of batch normalisation and the weighting's scores are restored."""
        weighting = {"kind": kind}
        train(config(tmp_path / "whole", weighting=weighting), sources=spheres(), report=quiet)
        killed = config(tmp_path / "killed", weighting=weighting)
        with pytest.raises(KeyboardInterrupt):
            train(killed, sources=spheres(stop=7), report=quiet)
        train(killed, resume=True, sources=spheres(), report=quiet)
        whole, resumed = tensors(tmp_path / "whole"), tensors(tmp_path / "killed")
        assert whole.keys() == resumed.keys()
        for name, value in whole.items():
            assert torch.equal(resumed[name], value), name
        assert "exp_avg/discriminator.0.weight" in whole
        assert "buffers/generator.1.running_mean" in whole
        assert ("weighting/total" in whole) == (kind == "instance")

    def test_one_optimizers_loss_does_not_move_the_others_network(self, tmp_path: Path) -> None:
        class Frozen(AdversarialTask):
            def losses(self, *given: Any) -> Any:
                losses = super().losses(*given)
                if given[3] == "generator":
                    return losses
                zero = sum(value.sum() for value in self.discriminator.parameters()) * 0
                return type(losses)(losses.total.detach() + zero)

        run = config(tmp_path, optimisation={"steps": 3, "ema": 0.0}, weighting={})
        task = Frozen(run)
        torch.manual_seed(run.seed)
        Trainer(run, task, spheres(), quiet).fit()
        torch.manual_seed(run.seed)
        fresh = AdversarialTask(run)
        fresh.build()
        decay = 1 - run.optimisation.learning_rate * 0.5 * run.optimisation.weight_decay
        for trained, start in zip(
            task.discriminator.parameters(), fresh.discriminator.parameters(), strict=True
        ):
            torch.testing.assert_close(trained, start * decay**3)

    def test_rates_and_betas_of_each_optimizer(self, tmp_path: Path) -> None:
        task = AdversarialTask(config(tmp_path))
        first, second = task.optimizers(task.trainable(task.build()))
        options = task.config.optimisation
        assert first.build(options).param_groups[0]["betas"] == (0.5, 0.999)
        assert first.build(options).param_groups[0]["lr"] == 0.5 * options.learning_rate
        assert second.build(options).param_groups[0]["betas"] == options.betas

    def test_a_parameter_without_an_optimizer_is_named(self, tmp_path: Path) -> None:
        class Forgetful(AdversarialTask):
            def optimizers(self, parameters: Any) -> Any:
                return super().optimizers(parameters)[1:]

        run = config(tmp_path)
        with pytest.raises(TrainingError, match=r"discriminator\.0\.bias.* exactly one"):
            Trainer(run, Forgetful(run), spheres(), quiet).fit()


def test_gradient_checkpointing_that_a_network_lacks(tmp_path: Path) -> None:
    run = config(tmp_path, optimisation={"gradient_checkpointing": True})
    with pytest.raises(TrainingError, match="the network generator does not support it"):
        train(run, sources=spheres(), report=quiet)


class TestConfigurations:
    def test_the_task_decides_the_class(self, tmp_path: Path) -> None:
        path = tmp_path / "run.yaml"
        path.write_text(config(tmp_path).model_dump_json())
        assert isinstance(tasks.load_config(path), AdversarialConfig)
        assert isinstance(tasks.parse_config(config(tmp_path).model_dump()), AdversarialConfig)
        assert tasks.load_config("rose-tiny").task == "rose"

    def test_an_unknown_task(self) -> None:
        with pytest.raises(ConfigError, match="no task 'wilde'; there are rose"):
            tasks.load_config("rose-tiny", ["task=wilde"])

    def test_settings_that_are_newer_than_a_checkpoint_have_their_defaults(self, tmp_path: Path) -> None:
        run = config(tmp_path)
        train(run, sources=spheres(), report=quiet)
        path = state.listed(tmp_path)[-1] / "training" / "state.json"
        content = json.loads(path.read_text())
        del content["config"]["weighting"]
        path.write_text(json.dumps(content))
        assert state.read_progress(state.listed(tmp_path)[-1], run, 1).step == 4
        learned = config(tmp_path, weighting={"kind": "instance"})
        with pytest.raises(TrainingError, match="weighting.kind: 'fixed' -> 'instance'"):
            state.read_progress(state.listed(tmp_path)[-1], learned, 1)


def test_two_processes_share_two_optimizers(tmp_path: Path) -> None:
    """Each sees its own batches; both end with the same generator and the same discriminator."""
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from accelerate import PartialState\n"
        "from multishade.training.sources import Sources\n"
        "from multishade.training.trainer import Trainer\n"
        "from tests.support.adversarial_task import AdversarialConfig, AdversarialTask\n"
        "from tests.support.rose_samples import sphere_batch\n"
        "rank = PartialState(cpu=True).process_index\n"
        "def batches(start):\n"
        "    while True:\n"
        "        yield sphere_batch(2 * start + rank)\n"
        "        start += 1\n"
        "config = AdversarialConfig.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "task = AdversarialTask(config)\n"
        "sources = Sources(batches, lambda: [sphere_batch(1000 + number) for number in range(3)])\n"
        "Trainer(config, task, sources).fit()\n"
        "weights = [*task.generator.parameters(), *task.discriminator.parameters()]\n"
        "total = sum(float(value.detach().double().abs().sum()) for value in weights)\n"
        "Path(sys.argv[1] + f'.{rank}').write_text(repr(total))\n"
    )
    settings = tmp_path / "config.json"
    run = config(tmp_path / "run", weighting={"kind": "instance"}, optimisation={"steps": 3})
    settings.write_text(run.model_dump_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29531"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(script), str(settings)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = ((tmp_path / f"config.json.{rank}").read_text() for rank in range(2))
    assert first == second
    assert "validation over 6 images" in done.stdout
