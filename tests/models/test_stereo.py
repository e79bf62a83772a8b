# SPDX-License-Identifier: Apache-2.0
"""PS-FCN and IGA-PSN: any number of images in any order, oracles by hand, published checkpoints, folders."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from multishade.errors import ModelError
from multishade.models import load_model
from multishade.models.base import Inputs, Model
from multishade.models.iga_psn.attention import Attention
from multishade.models.iga_psn.regressor import Hourglass
from multishade.models.ps_fcn.least_squares import CHANNELS, fits
from multishade.models.ps_fcn.model import StereoModel
from multishade.models.ps_fcn.network import StereoNetwork
from multishade.models.ps_fcn.observations import gradient_image, normalised
from multishade.photometry.solvers.methods import solve
from tests.support.stereo_samples import (
    lit_sphere,
    published_normals,
    published_state,
    save_published,
    tiny,
)

NAMES = ("ps-fcn", "iga-psn")
# The rows of the paper's Table 1, from 0, and that of Table 2: name and settings. Rows 4 to 6 differ in their losses.
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("ps-fcn", {}),
    ("ps-fcn", {"inputs": "both"}),
    ("ps-fcn", {"inputs": "gradients"}),
    ("iga-psn", {"fusion": "none", "regressor": "plain"}),
    ("iga-psn", {"fusion": "cross", "regressor": "plain"}),
    ("iga-psn", {}),
    ("iga-psn", {"fusion": "self"}),
]
CORRECTING: dict[str, Any] = {"base": "robust", "compress": 0.5}


def normals(model: StereoModel[Any], inputs: Inputs, **options: Any) -> Tensor:
    made = model.predict(inputs, **options).normal
    assert made is not None
    return made


class TestImages:
    @pytest.mark.parametrize("name", NAMES)
    def test_their_order_changes_nothing(self, name: str) -> None:
        model, (inputs, _) = tiny(name), lit_sphere(lights=7)
        assert inputs.images is not None and inputs.directions is not None
        order = torch.tensor([4, 2, 6, 0, 1, 5, 3])
        permuted = Inputs(inputs.image, inputs.mask, inputs.images[:, order], inputs.directions[:, order])
        torch.testing.assert_close(normals(model, permuted), normals(model, inputs), atol=1e-5, rtol=0)

    @pytest.mark.parametrize("name", NAMES)
    def test_how_many_go_through_at_once_changes_nothing(self, name: str) -> None:
        model, (inputs, _) = tiny(name), lit_sphere(lights=7)
        whole = normals(model, inputs, part=7)
        for part in (1, 3):
            torch.testing.assert_close(normals(model, inputs, part=part), whole, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("count", [1, 3, 12])
    def test_any_number_of_any_size(self, count: int) -> None:
        model = tiny("iga-psn")
        inputs, _ = lit_sphere(size=21, lights=count)
        made = normals(model, inputs)
        assert made.shape == (1, 3, 21, 21)
        length = made.norm(dim=1, keepdim=True)
        assert inputs.mask is not None
        torch.testing.assert_close(length, inputs.mask)

    def test_the_memory_is_that_of_a_few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many there are, features exist of as many as fit, and of their maximum."""
        model = tiny("iga-psn")
        seen: list[int] = []
        features = type(model.network).features

        def spy(network: StereoNetwork, images: Tensor, lights: Tensor) -> Tensor:
            seen.append(images.shape[0] * images.shape[2] * images.shape[3])
            return features(network, images, lights)

        monkeypatch.setattr(type(model.network), "features", spy)
        monkeypatch.setattr("multishade.models.ps_fcn.model.PIXELS_AT_ONCE", 2000)
        normals(model, lit_sphere(size=24, lights=20)[0])
        assert max(seen) <= 2000
        assert sum(seen) == 20 * 24 * 24

    def test_albedo_is_cancelled(self) -> None:
        inputs, _ = lit_sphere(lights=6)
        assert inputs.images is not None and inputs.mask is not None
        seen = normalised(inputs.images, inputs.mask)
        tinted = normalised(inputs.images * torch.rand(1, 1, 3, 24, 24).add(0.1), inputs.mask)
        torch.testing.assert_close(tinted, seen)
        squared = seen.square().sum(dim=1)
        expected = (6 / 32) * (inputs.images.sum(dim=1) > 0)
        torch.testing.assert_close(squared, expected.float())

    def test_without_normalisation_they_are_seen_as_they_are(self) -> None:
        model, (inputs, _) = tiny("ps-fcn", normalise=False), lit_sphere()
        assert inputs.images is not None and inputs.mask is not None
        assert torch.equal(model.observe(inputs.images, inputs.mask), inputs.images)

    def test_the_object_is_where_any_image_is_lit_if_there_is_no_mask(self) -> None:
        inputs, _ = lit_sphere(lights=12)
        made = tiny("ps-fcn").predict(Inputs(images=inputs.images, directions=inputs.directions))
        assert inputs.images is not None and made.mask is not None
        assert torch.equal(made.mask[:, 0], inputs.images.amax(dim=(1, 2)) > 0)


class TestBase:
    """A network that corrects a robust fit."""

    def test_order_and_parts_change_nothing(self) -> None:
        model, (inputs, _) = tiny("iga-psn", **CORRECTING), lit_sphere(size=22, lights=7)
        assert inputs.images is not None and inputs.directions is not None
        whole = normals(model, inputs)
        order = torch.tensor([4, 2, 6, 0, 1, 5, 3])
        permuted = Inputs(inputs.image, inputs.mask, inputs.images[:, order], inputs.directions[:, order])
        torch.testing.assert_close(normals(model, permuted), whole, atol=1e-4, rtol=0)
        torch.testing.assert_close(normals(model, inputs, part=2), whole, atol=1e-5, rtol=0)

    def test_without_a_correction_the_answer_is_that_of_the_robust_solver(self) -> None:
        model, (inputs, _) = tiny("iga-psn", **CORRECTING), lit_sphere(lights=12)
        with torch.no_grad():
            for head in model.network.get_submodule("regressor.heads").children():
                head.get_parameter("weight").zero_()
        assert inputs.images is not None and inputs.directions is not None and inputs.mask is not None
        photographs = inputs.images[0].permute(0, 2, 3, 1).numpy()
        mask = inputs.mask[0, 0].numpy() > 0.5
        solved = solve(photographs, inputs.directions[0].double().numpy(), mask, method="robust")
        both = torch.from_numpy(mask & solved.determined)
        made = normals(model, inputs)[0].permute(1, 2, 0)[both]
        cosine = (made * torch.from_numpy(solved.normal)[both]).sum(dim=1)
        assert float(torch.acos(cosine.clamp(-1, 1)).median().rad2deg()) < 0.1

    def test_a_highlight_does_not_turn_the_base(self) -> None:
        inputs, truth = lit_sphere(lights=12)
        assert inputs.images is not None and inputs.directions is not None and inputs.mask is not None
        facing = torch.einsum("bkc,bchw->bkhw", inputs.directions, truth).clamp_min(0)
        images = facing.unsqueeze(2).repeat(1, 1, 3, 1, 1)
        images[:, 3] *= 20
        base, known = fits(images, inputs.directions)
        inside = (facing > 0.1).sum(dim=1) >= 5
        assert known.shape == (1, CHANNELS, *truth.shape[2:])
        plain = known[:, 3:6]
        angle = [
            torch.acos((n * truth).sum(dim=1).clamp(-1, 1))[inside].rad2deg().mean() for n in (base, plain)
        ]
        assert float(angle[0]) < 1.0 < 10 < float(angle[1])

    def test_pixels_that_determine_nothing_get_finite_normals(self) -> None:
        model, (inputs, _) = tiny("iga-psn", **CORRECTING), lit_sphere(lights=3)
        assert inputs.images is not None and inputs.directions is not None
        same = inputs.directions[:, :1].expand_as(inputs.directions)
        dark = Inputs(inputs.image, inputs.mask, torch.zeros_like(inputs.images), inputs.directions)
        for given in (dark, Inputs(inputs.image, inputs.mask, inputs.images, same)):
            assert torch.isfinite(normals(model, given)).all()

    def test_the_memory_of_the_fits_is_that_of_a_few_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inputs, _ = lit_sphere(lights=9)
        assert inputs.images is not None and inputs.directions is not None
        whole = fits(inputs.images, inputs.directions)[1]
        monkeypatch.setattr("multishade.models.ps_fcn.least_squares.PIXELS_AT_ONCE", 9 * 24 * 5)
        torch.testing.assert_close(fits(inputs.images, inputs.directions)[1], whole, atol=1e-5, rtol=0)


class TestByHand:
    def test_gradient_image(self) -> None:
        image = torch.tensor([[1.0, 2.0, 4.0], [0.0, 8.0, 0.0], [2.0, 0.0, 6.0]])[None, None]
        # At the centre: |0 - 0| / 2 + |0 - 2| / 2 = 1. At the top left, 0 beyond: |2 - 0| / 2 + |0 - 0| / 2 = 1.
        found = gradient_image(image)[0, 0]
        assert found[1, 1] == 1.0
        assert found[0, 0] == 1.0
        assert found[0, 1] == (4 - 1) / 2 + 8 / 2
        squared = gradient_image(image, "squared")[0, 0]
        assert squared[0, 1] == 2 * (1.5**2 + 4**2)

    def test_attention_of_two_channels_of_two_by_two_pixels(self) -> None:
        """The gates of [[1, 2], [3, 4]] and [[0, 0], [0, 8]], by pencil."""
        attention = Attention(2)
        with torch.no_grad():
            for layer, weight, bias in (
                (attention.channel[0], [[1.0, -0.5]], [0.5]),
                (attention.channel[2], [[0.2], [-0.1]], [0.0, 0.3]),
            ):
                layer.weight.copy_(torch.tensor(weight))
                layer.bias.copy_(torch.tensor(bias))
            attention.spatial.weight.zero_()
            attention.spatial.weight[0, :, 3, 3] = torch.tensor(
                [0.25, -0.5]
            )  # of the maximum and of the mean
            attention.spatial.bias.fill_(0.1)
        gating = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 8.0]]]])
        # Means 2.5 and 2: relu(2.5 - 1 + 0.5) = 2. Maxima 4 and 8: relu(4 - 4 + 0.5) = 0.5.
        # Scores: 0.2 (2 + 0.5) = 0.5 and -0.1 (2 + 0.5) + 2 x 0.3 = 0.35.
        channels = torch.sigmoid(torch.tensor([0.5, 0.35]))
        torch.testing.assert_close(attention.of_channels(gating).flatten(), channels)
        # Pixels: 0.25 max - 0.5 mean + 0.1, with max (1, 2, 3, 8) and mean (0.5, 1, 1.5, 6).
        pixels = torch.sigmoid(torch.tensor([[0.1, 0.1], [0.1, -0.9]]))
        torch.testing.assert_close(attention.of_pixels(gating)[0, 0], pixels)
        gated = torch.full((1, 2, 2, 2), 3.0)
        crossed = attention.cross(gated, gating)
        torch.testing.assert_close(crossed[0], 3 * channels[:, None, None] * pixels)

    def test_both_branches_gate_each_other_and_stay_beside(self) -> None:
        network = tiny("iga-psn").network
        plain, steep = torch.rand(2, 16, 4, 4), torch.rand(2, 16, 4, 4)
        first, second = network.gated(plain, steep)  # type: ignore[operator]
        attention: Any = network.attention
        torch.testing.assert_close(first, steep * attention.of_channels(plain) * attention.of_pixels(plain))
        torch.testing.assert_close(second, plain * attention.of_channels(steep) * attention.of_pixels(steep))
        features = network.features(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8))
        assert features.shape == (2, 4 * 16, 4, 4)

    def test_cbam_gates_its_own_features_first_by_channel(self) -> None:
        attention = Attention(16)
        features = torch.rand(1, 16, 5, 5)
        refined = features * attention.of_channels(features)
        torch.testing.assert_close(attention.own(features), refined * attention.of_pixels(refined))

    def test_features_are_fused_by_their_maximum(self) -> None:
        network = tiny("iga-psn").network.eval()
        images, directions = torch.rand(1, 2, 3, 8, 8), torch.rand(1, 2, 3)
        lights = directions[0, :, :, None, None].expand(-1, -1, 8, 8)
        one, other = (network.features(images[0, k : k + 1], lights[k : k + 1]) for k in range(2))
        expected = network.regress(torch.maximum(one, other))[-1]
        found = network(images, directions)[-1]
        torch.testing.assert_close(found, torch.nn.functional.normalize(expected, dim=1))

    def test_an_hourglass_ends_at_unit_length(self) -> None:
        made = Hourglass(8)(torch.rand(2, 8, 12, 8))
        torch.testing.assert_close(made.norm(dim=1), torch.ones(2, 12, 8))


class TestAblation:
    @pytest.mark.parametrize(("name", "settings"), ROWS)
    def test_every_row_is_a_network(self, name: str, settings: dict[str, Any]) -> None:
        model = tiny(name, **settings)
        outputs = model.network(torch.rand(2, 4, 3, 9, 10), torch.rand(2, 4, 3))
        full = name == "iga-psn" and settings.get("regressor") != "plain"
        assert len(outputs) == (3 if full else 1)
        for normal in outputs:
            torch.testing.assert_close(normal.norm(dim=1), torch.ones(2, 9, 10))

    def test_branches_without_attention_are_two_streams(self) -> None:
        network = tiny("iga-psn", fusion="none").network
        assert network.features(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)).shape[1] == 2 * 16
        assert not hasattr(network, "attention")


class TestPublished:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_checkpoint_gives_what_the_public_code_gives(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "32_normalize.pth.tar"
        state = save_published(path, name)
        model: Any = load_model(path)
        assert model.name == name
        inputs, _ = lit_sphere(size=24, lights=5)
        seen = model.observe(inputs.images, inputs.mask)
        assert inputs.directions is not None
        expected = published_normals(state, seen[0], inputs.directions[0])
        torch.testing.assert_close(normals(model, inputs), expected * inputs.mask, atol=1e-5, rtol=0)

    def test_settings_follow_from_the_file(self, tmp_path: Path) -> None:
        for file, normalise in (("PS-FCN_B_S_32.pth.tar", False), ("PS-FCN_B_S_32_normalize.pth.tar", True)):
            save_published(tmp_path / file, "ps-fcn", width=16)
            settings: Any = load_model(tmp_path / file).settings
            assert (settings.normalise, settings.width) == (normalise, 16)
        save_published(tmp_path / "iga.pth.tar", "iga-psn")
        settings = load_model(tmp_path / "iga.pth.tar").settings
        assert (settings.gradient, settings.normalise) == ("squared", True)

    def test_one_without_lights_is_refused(self, tmp_path: Path) -> None:
        save_published(tmp_path / "UPS-FCN.pth.tar", "ps-fcn", inputs=3)
        with pytest.raises(ModelError, match="UPS-FCN, which takes no lights"):
            load_model(tmp_path / "UPS-FCN.pth.tar")

    def test_batch_normalisation_is_refused(self, tmp_path: Path) -> None:
        state = save_published(tmp_path / "a.pth.tar", "ps-fcn")
        state["extractor.conv1.1.running_mean"] = torch.zeros(8)
        torch.save({"state_dict": state}, tmp_path / "a.pth.tar")
        with pytest.raises(ModelError, match="has batch normalisation"):
            load_model(tmp_path / "a.pth.tar")

    def test_missing_and_unknown_weights_are_named(self, tmp_path: Path) -> None:
        state = save_published(tmp_path / "a.pth.tar", "iga-psn")
        torch.save({"state_dict": {**state, "extra.weight": torch.zeros(1)}}, tmp_path / "b.pth.tar")
        with pytest.raises(ModelError, match=r"unknown weights extra\.weight"):
            load_model(tmp_path / "b.pth.tar")
        del state["regressor.deconv2.0.bias"]
        torch.save({"state_dict": state}, tmp_path / "c.pth.tar")
        with pytest.raises(ModelError, match=r"do not fit iga-psn.*regressor\.preprocessing\.2\.0\.bias"):
            load_model(tmp_path / "c.pth.tar")

    @pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 torn"])
    def test_another_file(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.pth.tar").write_bytes(content)
        with pytest.raises(
            ModelError, match="cannot be read as a torch checkpoint|no torch checkpoint"
        ) as caught:
            load_model(tmp_path / "a.pth.tar")
        assert "weights_only" not in str(caught.value)

    def test_one_of_a_width_that_there_is_not(self, tmp_path: Path) -> None:
        save_published(tmp_path / "a.pth.tar", "ps-fcn", width=4)
        with pytest.raises(ModelError, match="width 4: input should be a multiple of 8"):
            load_model(tmp_path / "a.pth.tar")

    def test_one_without_its_second_head(self, tmp_path: Path) -> None:
        state = published_state("iga-psn")
        torch.save(
            {"state_dict": {key: value for key, value in state.items() if "est_normal2" not in key}},
            tmp_path / "a.pth.tar",
        )
        with pytest.raises(ModelError, match="no regressor.est_normal2"):
            load_model(tmp_path / "a.pth.tar")

    def test_one_that_would_run_code_is_not_loaded(self, tmp_path: Path) -> None:
        torch.save({"state_dict": {"a": Path("x")}}, tmp_path / "a.pth.tar")
        with pytest.raises(ModelError, match="more in it than weights, which is not loaded") as caught:
            load_model(tmp_path / "a.pth.tar")
        assert "weights_only" not in str(caught.value)

    @pytest.mark.parametrize(
        "state",
        [
            {"layer.weight": torch.zeros(2)},
            {1: torch.zeros(2)},
            {"extractor.conv1.0.weight": torch.zeros(6)},
            {"extractor.conv1.0.weight": torch.zeros(0, 6, 3, 3)},
        ],
    )
    def test_another_checkpoint(self, state: dict, tmp_path: Path) -> None:
        torch.save({"state_dict": state}, tmp_path / "a.pth.tar")
        with pytest.raises(ModelError, match="expected a checkpoint of PS-FCN or IGA-PSN"):
            load_model(tmp_path / "a.pth.tar")


class TestFolders:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_model_is_what_was_saved(self, name: str, tmp_path: Path) -> None:
        model = tiny(name, gradient="squared")
        model.save_pretrained(tmp_path)
        loaded = load_model(tmp_path)
        assert (loaded.name, loaded.settings) == (name, model.settings)
        inputs, _ = lit_sphere()
        assert torch.equal(normals(loaded, inputs), normals(model, inputs))  # type: ignore[arg-type]

    def test_half_precision_on_disk(self, tmp_path: Path) -> None:
        model: Model = tiny("iga-psn")
        model.save_pretrained(tmp_path, dtype=torch.float16)
        inputs, _ = lit_sphere()
        near = normals(load_model(tmp_path), inputs)  # type: ignore[arg-type]
        assert (near - normals(model, inputs)).abs().max() < 0.1  # type: ignore[arg-type]

    def test_weights_of_other_settings_are_named(self, tmp_path: Path) -> None:
        tiny("iga-psn").save_pretrained(tmp_path)
        path = tmp_path / "iga-psn.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"regressor": "plain"}))
        with pytest.raises(ModelError, match=r"do not fit iga-psn of these settings: regressor\."):
            load_model(tmp_path)

    def test_weights_that_are_missing_or_damaged(self, tmp_path: Path) -> None:
        tiny("iga-psn").save_pretrained(tmp_path)
        (tmp_path / "network" / "model.safetensors").write_bytes(b"torn")
        with pytest.raises(ModelError, match="its network cannot be loaded"):
            load_model(tmp_path)
        (tmp_path / "network" / "model.safetensors").unlink()
        with pytest.raises(ModelError, match=r"no network/model\.safetensors"):
            load_model(tmp_path)

    def test_one_photo_is_not_enough(self) -> None:
        with pytest.raises(ModelError, match="iga-psn takes several images under known lights"):
            tiny("iga-psn").predict(Inputs(image=torch.rand(1, 3, 8, 8)))

    def test_lights_that_do_not_belong_to_the_images(self) -> None:
        with pytest.raises(ModelError, match=r"directions of shape \(1, 4, 3\)"):
            tiny("ps-fcn").predict(Inputs(images=torch.rand(1, 5, 3, 8, 8), directions=torch.rand(1, 4, 3)))
