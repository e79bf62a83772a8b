# SPDX-License-Identifier: Apache-2.0
"""Any trained model is loaded by one function, which recognises what a folder holds; settings files stay readable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from multishade.errors import ModelError, SolveError
from multishade.models import load_model, registry
from multishade.models.base import Inputs, Model
from multishade.models.rose import RoSE, RoseSettings
from tests.support.rose_samples import PLAIN_SAMPLING, save_published, sphere_batch, tiny_model


class TestLoading:
    def test_the_bundled_model_needs_no_name(self) -> None:
        model = load_model()
        assert isinstance(model, RoSE)
        assert model.settings.process == "one_step"

    def test_a_folder_of_ours_and_a_published_checkpoint(self, tmp_path: Path) -> None:
        tiny_model(lights=6).save_pretrained(tmp_path / "ours")
        published, base = save_published(tmp_path)
        assert registry.model_name(tmp_path / "ours") == registry.model_name(published) == "rose"
        assert load_model(tmp_path / "ours").settings == tiny_model(lights=6).settings
        assert load_model(published, base=base).settings.size == 576

    def test_half_precision(self, tmp_path: Path) -> None:
        tiny_model().save_pretrained(tmp_path)
        (network,) = load_model(tmp_path, dtype=torch.float16).networks().values()
        assert {value.dtype for value in network.parameters()} == {torch.float16}

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"no rose\.json.* is this the folder of a model\?"):
            load_model(tmp_path)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
    def test_a_device_that_is_not_there(self) -> None:
        with pytest.raises(ModelError, match="no CUDA device"):
            load_model(device="cuda")

    @pytest.mark.parametrize("name", registry.MODELS)
    def test_every_registered_class_is_a_model_of_that_name(self, name: str) -> None:
        found = registry.model_class(name)
        assert found.name == name
        for member in ("networks", "to", "predict", "save_pretrained", "from_pretrained"):
            assert callable(getattr(found, member))

    def test_an_unknown_name(self) -> None:
        with pytest.raises(ModelError, match="no model 'rosa'; there are rose"):
            registry.model_class("rosa")

    def test_the_registry_imports_no_torch(self) -> None:
        code = "import sys, multishade.models; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestPrediction:
    def test_shading_is_solved_for_normals(self) -> None:
        model: Model = tiny_model()
        batch = sphere_batch(0)
        made = model.predict(Inputs(image=batch.image, mask=batch.mask))
        assert made.normal is not None and made.shading is not None
        assert made.confidence is not None and made.mask is not None
        assert made.normal.shape == (2, 3, 16, 16)
        assert made.shading.shape == (2, 9, 16, 16)
        assert made.confidence.shape == made.mask.shape == (2, 1, 16, 16)
        assert torch.equal(made.mask, batch.mask > 0.5)
        length = made.normal.norm(dim=1, keepdim=True)
        assert ((length - 1).abs() < 1e-5)[length > 0].all()
        assert not length[~made.mask].any()

    def test_normals_predicted_directly(self) -> None:
        made = tiny_model(target="normal").predict(Inputs(image=torch.rand(1, 1, 16, 16)))
        assert made.shading is None
        assert made.normal is not None

    def test_a_missing_input_is_named(self) -> None:
        with pytest.raises(ModelError, match="needs the input 'image'"):
            tiny_model().predict(Inputs())

    def test_an_unknown_solver(self) -> None:
        with pytest.raises(SolveError, match="'magic' is not known"):
            tiny_model().predict(Inputs(image=torch.rand(1, 1, 16, 16)), solver="magic")


class TestSettings:
    def test_a_file_of_an_earlier_version(self) -> None:
        """What was written before settings became one class; unknown to it: nothing."""
        written = {
            "format": 1,
            "lights": 6,
            "elevation_degrees": 30.0,
            "process": "one_step",
            "target": "shading",
            "photo": "rgb",
            "light_angles": "lights",
            "size": 64,
            "base": None,
            "sampling": {
                "steps": 3,
                "guidance": "constant",
                "min_guidance": 1.0,
                "max_guidance": 1.0,
                "noise_augmentation": 1e-05,
            },
        }
        settings = RoseSettings.from_json(written, "rose.json")
        assert settings == RoseSettings(
            lights=6,
            elevation_degrees=30,
            process="one_step",
            photo="rgb",
            light_angles="lights",
            size=64,
            sampling=PLAIN_SAMPLING,
        )
        assert json.loads(json.dumps(settings.as_json())) == written

    def test_settings_that_a_file_lacks_have_their_defaults(self) -> None:
        assert RoseSettings.from_json({"format": 1}, "rose.json") == RoseSettings()

    def test_sampling_out_of_range(self) -> None:
        with pytest.raises(ModelError, match="steps 0: input should be greater than or equal to 1"):
            PLAIN_SAMPLING.replaced(steps=0)
