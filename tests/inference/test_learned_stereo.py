# SPDX-License-Identifier: Apache-2.0
"""A photometric-stereo network in place of a solver: `solve`, `evaluate`, and what they say if it does not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from multishade.cli import main
from multishade.errors import ModelError, SolveError
from multishade.inference.learned_stereo import is_learned, load_stereo, solve_learned
from multishade.photometry.shading import lambert
from tests.support.data_shards import write_shards
from tests.support.stereo_samples import save_published, tiny
from tests.support.synthetic_benchmarks import ball, write_diligent_object


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network whose normals face the camera."""
    model = tiny("iga-psn")
    with torch.no_grad():
        for name, value in model.network.named_parameters():
            if name.startswith("regressor.heads"):
                value.zero_()
                value[2] = 1
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_solve_by_a_network(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = write_diligent_object(tmp_path / "ballPNG")
    out = tmp_path / "out"
    arguments = ["solve", str(tmp_path / "ballPNG"), "--method", f"iga-psn:{network}", "-o", str(out)]
    assert main([*arguments, "--video", "none", "--integrate", "poisson"]) == 0
    record = json.loads((out / "record.json").read_text())
    assert record["method"] == f"iga-psn:{network}"
    assert record["determined"] == 1.0
    assert f"determined by iga-psn:{network}" in capsys.readouterr().out
    assert written.mask.any()


def test_a_published_checkpoint_solves(tmp_path: Path) -> None:
    write_diligent_object(tmp_path / "ballPNG")
    save_published(tmp_path / "PS-FCN_normalize.pth.tar", "ps-fcn")
    method = f"ps-fcn:{tmp_path}/PS-FCN_normalize.pth.tar"
    arguments = ["solve", str(tmp_path / "ballPNG"), "--method", method, "-o", str(tmp_path / "out")]
    assert main([*arguments, "--video", "none", "--integrate", "none"]) == 0


def test_it_is_a_method_of_evaluation(network: Path, tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path / "shards", (2,), mode="photometric", size=24)
    arguments = ["evaluate", f"ols,iga-psn:{network}", "--on", f"shards:{shard}", "--no-maps"]
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 0
    assert "iga-psn" in (tmp_path / "out" / "summary.md").read_text()


def test_albedo_and_confidence_follow_from_the_normals(monkeypatch: pytest.MonkeyPatch) -> None:
    """True normals of a matt ball explain its images; turned ones explain less."""
    written = ball(lit=False)
    albedo = np.array([0.5, 0.25, 0.75], np.float32)
    images = lambert(written.normal, written.directions, written.mask)[..., None] * albedo
    model = tiny("ps-fcn")
    truth = torch.from_numpy(written.normal).permute(2, 0, 1)[None]

    def answer(turned: bool) -> None:
        from multishade.models.base import Prediction

        given = truth[:, [1, 0, 2]] if turned else truth
        monkeypatch.setattr(model, "predict", lambda inputs: Prediction(normal=given))

    answer(turned=False)
    solution = solve_learned(images, written.directions, written.mask, model)
    np.testing.assert_allclose(
        solution.albedo[written.mask], np.tile(albedo, (written.mask.sum(), 1)), rtol=1e-4
    )
    assert solution.confidence[written.mask].min() > 0.999
    assert solution.residual.max() < 1e-3
    assert not solution.confidence[~written.mask].any()
    answer(turned=True)
    assert solve_learned(images, written.directions, written.mask, model).confidence.mean() < 0.9 * float(
        solution.confidence.mean()
    )


def test_grey_images_are_seen_as_grey_colours() -> None:
    written = ball()
    grey = lambert(written.normal, written.directions, written.mask)
    model = tiny("iga-psn")
    one = solve_learned(grey, written.directions, written.mask, model)
    other = solve_learned(np.repeat(grey[..., None], 3, axis=3), written.directions, written.mask, model)
    np.testing.assert_array_equal(one.normal, other.normal)
    assert one.albedo.shape == written.mask.shape


def test_what_does_not_fit_is_named(network: Path, tmp_path: Path) -> None:
    written = ball()
    model = tiny("ps-fcn")
    with pytest.raises(SolveError, match="2 images; ps-fcn needs 3"):
        solve_learned(written.images[:2], written.directions[:2], written.mask, model)
    broken = written.images.copy()
    broken[0, written.mask] = np.nan
    with pytest.raises(SolveError, match="not finite inside the mask"):
        solve_learned(broken, written.directions, written.mask, model)
    with pytest.raises(ModelError, match="holds a model of iga-psn; write iga-psn:"):
        load_stereo(f"ps-fcn:{network}")
    with pytest.raises(ModelError, match="ps-fcn: no such model is bundled"):
        load_stereo("ps-fcn")
    assert is_learned("iga-psn") and is_learned("ps-fcn:x") and not is_learned("robust")


def test_an_unknown_method_lists_the_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_diligent_object(tmp_path / "ballPNG")
    assert main(["solve", str(tmp_path / "ballPNG"), "--method", "magic"]) == 2
    assert "iga-psn, iga-psn:FOLDER" in capsys.readouterr().err
