# SPDX-License-Identifier: Apache-2.0
"""A run that was killed makes the steps that it would have made; what cannot be continued is refused by name."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from multishade.config import load_settings
from multishade.errors import TrainingError
from multishade.training import state as checkpoints
from multishade.training import trainer
from multishade.training.stop import StopRequest
from multishade.training.tasks.rose import RoseConfig
from tests.support.rose_samples import LitSpheres, sphere_batch
from tests.support.training_runs import (
    CONFIGS,
    config,
    metrics,
    quiet,
    require_exact_resumption,
    require_same_weights,
    spheres,
    weights,
)


class TestResume:
    @pytest.mark.parametrize("process", ["one_step", "diffusion"])
    def test_a_killed_run_goes_on_as_if_nothing_had_been(self, tmp_path: Path, process: str) -> None:
        def run(name: str) -> RoseConfig:
            return config(
                tmp_path / name,
                model={"preset": "channels" if process == "one_step" else "frames", "process": process},
                optimisation={"ema": 0.9, "warmup": 2, "decay": "cosine", "accumulation": 2, "steps": 4},
                checkpoints={"every": 2},
                validation={"every": 4},
            )

        require_exact_resumption(run, spheres, stop=7)
        # Step 3, made after the checkpoint and lost, is made again with the same loss, and logged once.
        before, after = metrics(tmp_path / "whole", "train/loss"), metrics(tmp_path / "killed", "train/loss")
        assert len(before) == 4 and after == before

    def test_settings_that_changed_are_named(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        changed = config(
            tmp_path,
            model={"lights": 6},
            optimisation={"learning_rate": 2e-3, "steps": 9},
            validation={"every": 4},
        )
        with pytest.raises(TrainingError) as caught:
            trainer.train(changed, resume=True, sources=spheres(lights=6), report=quiet)
        assert "model.lights: 9 -> 6" in str(caught.value)
        assert "optimisation.learning_rate: 0.001 -> 0.002" in str(caught.value)
        assert "steps" not in str(caught.value)

    def test_more_steps_may_be_asked_for(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        said: list[str] = []
        longer = config(tmp_path, optimisation={"steps": 7})
        trainer.train(longer, resume=True, sources=spheres(), report=said.append)
        assert len(metrics(tmp_path, "train/loss")) == 7
        assert said[0].endswith("step-0000006: planned with 6 steps, now 7")

    def test_a_decay_that_follows_another_length_is_named(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path, optimisation={"decay": "cosine"}), sources=spheres(), report=quiet)
        said: list[str] = []
        longer = config(tmp_path, optimisation={"decay": "cosine", "steps": 7})
        trainer.train(longer, resume=True, sources=spheres(), report=said.append)
        assert said[0].endswith("now 7; the cosine decay follows the new length from here")

    def test_fewer_steps_than_are_made_are_refused(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        shorter = config(tmp_path, optimisation={"steps": 4})
        with pytest.raises(
            TrainingError, match=r"6 steps are made already, more than optimisation\.steps: 4"
        ):
            trainer.train(shorter, resume=True, sources=spheres(), report=quiet)

    def test_a_finished_run_has_nothing_to_do(self, tmp_path: Path) -> None:
        model = trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        said: list[str] = []
        assert trainer.train(config(tmp_path), resume=True, sources=spheres(), report=said.append) == model
        assert said == [f"{tmp_path}: all 6 steps are made; there is nothing to do"]

    def test_a_new_run_does_not_append_to_one_without_a_checkpoint(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            trainer.train(
                config(tmp_path, checkpoints={"every": 50}, logging={"tensorboard": True}),
                sources=spheres(stop=4),
                report=quiet,
            )
        assert len(metrics(tmp_path, "train/loss")) == 4
        events = list((tmp_path / "log").rglob("events*"))
        said: list[str] = []
        trainer.train(config(tmp_path), sources=spheres(), report=said.append)
        assert len(metrics(tmp_path, "train/loss")) == 6
        assert events and not any(path.exists() for path in events)
        removed = "metrics.jsonl, log, validation of an earlier run without a checkpoint removed"
        assert said[0] == f"{tmp_path}: {removed}"

    def test_another_number_of_threads_is_stated(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        record = checkpoints.listed(tmp_path)[-1] / "training" / "state.json"
        content = json.loads(record.read_text())
        assert content["threads"] == torch.get_num_threads()
        record.write_text(json.dumps({**content, "threads": 77}))
        said: list[str] = []
        trainer.train(config(tmp_path), resume=True, sources=spheres(), report=said.append)
        assert "computed with 77 threads" in said[0]

    def test_a_run_is_not_overwritten(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        with pytest.raises(TrainingError, match="holds a run already: go on with --resume"):
            trainer.train(config(tmp_path), sources=spheres(), report=quiet)

    def test_nothing_to_resume(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match="no checkpoint to resume from"):
            trainer.train(config(tmp_path), resume=True, sources=spheres(), report=quiet)

    def test_a_damaged_checkpoint(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        state = checkpoints.listed(tmp_path)[-1] / "training" / "state.safetensors"
        state.write_bytes(state.read_bytes()[:-50])
        longer = config(tmp_path, optimisation={"steps": 7})
        with pytest.raises(
            TrainingError, match=r"state\.safetensors: cannot be read .* go on from an older one"
        ):
            trainer.train(longer, resume=True, sources=spheres(), report=quiet)

    def test_another_number_of_processes(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path), sources=spheres(), report=quiet)
        with pytest.raises(TrainingError, match="made by 1 processes, not 2"):
            checkpoints.read_progress(checkpoints.listed(tmp_path)[-1], config(tmp_path), 2)

    def test_old_checkpoints_go(self, tmp_path: Path) -> None:
        trainer.train(config(tmp_path, checkpoints={"every": 1, "keep": 2}), sources=spheres(), report=quiet)
        assert [path.name for path in checkpoints.listed(tmp_path)] == ["step-0000005", "step-0000006"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(
    tmp_path: Path, number: signal.Signals
) -> None:
    def run(name: str) -> RoseConfig:
        return config(tmp_path / name, checkpoints={"every": 50}, optimisation={"ema": 0.9})

    def signalled(batch: LitSpheres) -> LitSpheres:
        if batch.keys == sphere_batch(3).keys:
            signal.raise_signal(number)
        return batch

    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        trainer.train(run("stopped"), sources=spheres(change=signalled), report=said.append)
    (saved,) = checkpoints.listed(tmp_path / "stopped")
    assert said[-1] == f"stopped after step 4: {saved}; --resume goes on from there"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    trainer.train(run("stopped"), resume=True, sources=spheres(), report=quiet)
    trainer.train(run("whole"), sources=spheres(), report=quiet)
    require_same_weights(tmp_path / "whole" / "model", tmp_path / "stopped" / "model")


def test_a_second_signal_interrupts_at_once() -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_sigkill_in_mid_run(tmp_path: Path, shards: Path) -> None:
    """A process that is killed, by the command that people run; the rest is trained here."""

    def arguments(name: str) -> list[str]:
        settings = {
            "output": tmp_path / name,
            "model.preset": "channels-tiny",
            "model.size": 16,
            "model.process": "one_step",
            "data.train": f"['{shards}/*0.tar']",
            "data.val": f"['{shards}/*1.tar']",
            "data.workers": 0,
            "data.photometric.noise": 1.0,
            "optimisation.steps": 40,
            "optimisation.batch": 2,
            "checkpoints.every": 5,
            "validation.every": 40,
            "logging.tensorboard": False,
        }
        return [f"{key}={value}" for key, value in settings.items()]

    path = CONFIGS / "rose-tiny.yaml"
    overrides = [word for setting in arguments("killed") for word in ("--set", setting)]
    # Slow enough to be killed in the middle: the data waits a moment for each batch.
    code = (
        "import sys, time\n"
        "from multishade.training import trainer\n"
        "from multishade.training import sources\n"
        "from multishade.cli import main\n"
        "def slowly(batches):\n"
        "    for batch in batches:\n"
        "        time.sleep(0.05)\n"
        "        yield batch\n"
        "def open_slowly(*given):\n"
        "    opened = sources.from_shards(*given)\n"
        "    return sources.Sources(lambda start: slowly(opened.train(start)), opened.val)\n"
        "trainer.from_shards = open_slowly\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "train", str(path), *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 120
        while not checkpoints.listed(tmp_path / "killed"):
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    latest = checkpoints.listed(tmp_path / "killed")[-1]
    assert int(latest.name.removeprefix("step-")) < 40
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the killed process ran: sums in another order differ in the last digit
    try:
        for name, resume in (("killed", True), ("whole", False)):
            trainer.train(load_settings(path, RoseConfig, arguments(name)), resume=resume, report=quiet)
    finally:
        torch.set_num_threads(threads)
    whole, killed = (weights(tmp_path / name / "model") for name in ("whole", "killed"))
    for name, value in whole.items():
        torch.testing.assert_close(killed[name], value, rtol=1e-6, atol=1e-7)


def test_sigterm_to_all_processes_of_a_run_saves_a_checkpoint(tmp_path: Path, shards: Path) -> None:
    settings = {
        "output": tmp_path / "run",
        "model.preset": "channels-tiny",
        "model.size": 16,
        "data.train": f"['{shards}/*0.tar']",
        "data.val": f"['{shards}/*1.tar']",
        "data.workers": 2,
        "optimisation.steps": 100_000,
        "optimisation.batch": 2,
        "checkpoints.every": 100_000,
        "validation.every": 100_000,
        "logging.every": 1,
        "logging.tensorboard": False,
    }
    overrides = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "multishade", "train", str(CONFIGS / "rose-tiny.yaml"), *overrides]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        line = ""
        while not line.startswith("step 2/"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
        os.killpg(process.pid, signal.SIGTERM)
        out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    (saved,) = checkpoints.listed(tmp_path / "run")
    assert f"{saved}; --resume goes on from there" in out
