# SPDX-License-Identifier: Apache-2.0
"""Coverage and expected error, predicted beside the frames: stored, split off in order, used as mask, confidence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from multishade.errors import ModelError
from multishade.models.base import Inputs
from multishade.models.rose import RoSE, RoseSettings
from multishade.models.rose.model import Outputs
from multishade.models.rose.presets import build

BOTH = ("coverage", "error")


def model(preset: str = "lite0-small", **options: Any) -> RoSE:
    torch.manual_seed(0)
    settings = RoseSettings(**{"size": 32, "process": "one_step", **options})
    return RoSE(build(preset, settings, **({"weights": "random"} if preset.startswith("lite") else {})))


def test_the_settings_of_a_model_without_heads_are_stored_as_before() -> None:
    assert "heads" not in RoseSettings().as_json()
    assert RoseSettings.from_json(RoseSettings(heads=BOTH).as_json(), "rose.json").heads == BOTH


def test_heads_have_one_order_and_are_given_once() -> None:
    assert RoseSettings(heads=("error", "coverage")).heads == BOTH
    with pytest.raises(ValidationError, match="given once"):
        RoseSettings(heads=("error", "error"))


@pytest.mark.parametrize("preset", ["lite0-small", "channels-tiny"])
def test_heads_are_the_last_channels(preset: str) -> None:
    photo = torch.rand(2, 3, 32, 32)
    made = model(preset, heads=BOTH).one_step(photo)
    assert made.frames.shape == (2, 9, 32, 32)
    assert made.coverage is not None and made.error is not None
    assert made.coverage.shape == made.error.shape == (2, 1, 32, 32)
    only = model(preset, heads=("error",)).one_step(photo)
    assert only.coverage is None and only.error is not None


def test_a_network_of_frames_has_no_heads() -> None:
    with pytest.raises(ModelError, match="heads are for networks with the frames as channels"):
        model("mini", heads=BOTH)


def test_a_stored_model_has_the_same_heads(tmp_path: Path) -> None:
    given, photo = model(heads=BOTH), torch.rand(1, 3, 32, 32)
    given.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "rose.json").read_text())["heads"] == list(BOTH)
    again = RoSE.from_pretrained(tmp_path).one_step(photo)
    torch.testing.assert_close(again.error, given.one_step(photo).error)


def test_coverage_gives_the_mask_unless_one_is_given_and_the_error_gives_the_confidence() -> None:
    given = model(heads=BOTH)
    coverage = torch.full((1, 1, 32, 32), -5.0)
    coverage[..., 8:24, 8:24] = 5.0
    error = torch.full((1, 1, 32, 32), float(np.log(np.radians(9))))
    outputs = Outputs(torch.full((1, 9, 32, 32), 0.5), coverage, error)
    found = given.solved(outputs)
    assert found.mask is not None and found.confidence is not None and found.coverage is not None
    assert torch.equal(found.mask[0, 0], coverage[0, 0] > 0)
    torch.testing.assert_close(found.confidence[found.mask], torch.full((256,), 0.9))
    assert not found.confidence[~found.mask].any()
    mask = torch.ones(1, 1, 32, 32)
    told = given.solved(outputs, mask)
    assert told.mask is not None and told.mask.all()
    assert told.coverage is not None and torch.equal(told.coverage, found.coverage)


def test_predict_returns_what_the_network_predicts() -> None:
    made = model(heads=BOTH).predict(Inputs(image=torch.rand(1, 3, 32, 32)))
    assert made.coverage is not None and made.mask is not None
    assert torch.equal(made.mask, made.coverage > 0.5)


@pytest.mark.parametrize("target", ["shading", "normal"])
def test_the_average_over_the_mirror_image_is_the_same_for_the_mirrored_photo(target: str) -> None:
    """Equivariance: a mirrored photo gives the mirrored normals, exactly, whatever the weights are."""
    given = model(heads=BOTH, target=target, sampling={"mirror": True})
    photo = torch.rand(1, 3, 32, 32)
    mask = torch.ones(1, 1, 32, 32)
    one = given.predict(Inputs(image=photo, mask=mask))
    other = given.predict(Inputs(image=photo.flip(-1), mask=mask))
    assert one.normal is not None and other.normal is not None
    turned = other.normal.flip(-1) * torch.tensor([-1.0, 1.0, 1.0]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(turned, one.normal, atol=2e-3, rtol=0)
    assert one.coverage is not None and other.coverage is not None
    torch.testing.assert_close(other.coverage.flip(-1), one.coverage)
    assert "mirror" not in RoseSettings().as_json()["sampling"]
