# SPDX-License-Identifier: Apache-2.0
"""Shipped configurations load, and wrong settings are named."""

from pathlib import Path

import pytest

from multishade.config import load_settings
from multishade.errors import ConfigError
from multishade.training import tasks
from multishade.training.tasks.rose import RoseConfig
from tests.support.training_runs import CONFIGS


class TestConfig:
    @pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
    def test_shipped_configs_load(self, path: Path) -> None:
        assert tasks.load_config(path).name == path.stem

    def test_paper_settings(self) -> None:
        paper = load_settings(CONFIGS / "rose-sv3d.yaml", RoseConfig)
        options = paper.optimisation
        assert (options.learning_rate, options.betas, options.clip) == (1e-5, (0.9, 0.999), 1.0)
        assert (options.steps, options.precision, options.trainable) == (
            80_000,
            "fp16",
            "first_conv_attention",
        )
        assert options.batch * options.accumulation * 8 == 16
        assert (paper.model.pretrained, paper.model.lights, paper.model.size) == (
            "chenguolin/sv3d-diffusers",
            9,
            576,
        )

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("model.pretrained=a/b", "give either preset (random weights) or pretrained"),
            ("model.proces=diffusion", "unknown setting 'model.proces'. Allowed: preset, pretrained"),
            ("optimisation.batch=0", "'optimisation.batch' is 0"),
            ("objective={pixel_weight: 0, angular_weight: 0}", "there is no loss"),
            ("data.photometric.noise=2", "'data.photometric.noise' is 2"),
        ],
    )
    def test_wrong_settings_are_named(self, override: str, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            load_settings(CONFIGS / "rose-tiny.yaml", RoseConfig, [override])
        assert message in str(caught.value)
