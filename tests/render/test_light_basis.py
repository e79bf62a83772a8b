# SPDX-License-Identifier: Apache-2.0
"""A light basis: switched on it adds one file and changes no other; its images add up to what would be rendered."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from multishade.cli import main
from multishade.config import fingerprint_fields, load_config
from multishade.data.loader import Loader
from multishade.data.settings import Data, Relight
from multishade.errors import ConfigError
from multishade.geometry.lights import ring
from multishade.imaging.codecs import decode_exr
from multishade.inspect.basis import check_basis
from multishade.inspect.structure import check_sizes
from multishade.photometry.shading import relight
from multishade.render.blender import render_views
from multishade.render.blender.combined import render_combined, weighted
from multishade.render.group_renderer import GroupRenderer
from multishade.render.plan import make_plan
from multishade.render.scenes import scene_group
from multishade.render.stopwatch import Stopwatch
from multishade.shards.light_basis import LightBasis
from multishade.shards.sample import FieldFormat, Sample, decode_sample, encode_sample
from multishade.shards.tar import read_shard
from tests.support.synthetic import make_sample, with_basis, write_synthetic_shard

pytestmark = pytest.mark.usefixtures("one_process")

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
COUNT, SIZE = 5, 48
SMALL = (
    f"camera={{width: {SIZE}, height: {SIZE}}}",
    "shards={groups: 2, count: 1}",
    "views={count: 1, canonical: [front]}",
    "lights={environment: {count: 0}}",
    "render={samples: {parallel: 4, point: 4, basis: 256}, denoise: {enabled: false}}",
)
BASIS = f"light_basis={{count: {COUNT}, min_elevation_degrees: 30, angle_degrees: 2}}"


@pytest.fixture(scope="module")
def sample() -> Sample:
    """The sphere of the synthetic shards with a basis of nine lights."""
    return with_basis(make_sample(size=24, mode="photometric"))


def test_a_bool_or_a_section_and_off_is_as_if_it_did_not_exist() -> None:
    plain = load_config(DEMO)
    assert plain.light_basis is None and load_config(DEMO, ["light_basis=false"]) == plain
    fields = fingerprint_fields(plain)
    assert "light_basis" not in fields and "basis" not in fields["render"]["samples"]
    assert fingerprint_fields(load_config(DEMO, ["render.samples.basis=3"])) == fields
    whole = load_config(DEMO, ["light_basis=true"])
    assert whole.light_basis is not None and whole.light_basis.count == 16
    assert whole == load_config(DEMO, ["light_basis={}"])
    assert fingerprint_fields(whole)["light_basis"]["count"] == 16
    with pytest.raises(ConfigError, match=r"unknown setting 'light_basis.conut'. Allowed: count, path"):
        load_config(DEMO, ["light_basis.conut=3"])
    with pytest.raises(ConfigError, match="there is no light_basis: there is no image to render"):
        load_config(DEMO, ["lights={parallel: {count: 0}, point: {count: 0}, environment: {count: 0}}"])


def test_the_plan_counts_and_draws_it() -> None:
    plain, basis = make_plan(load_config(DEMO)), make_plan(load_config(DEMO, [BASIS]))
    assert basis.images_per_view() == plain.images_per_view() + COUNT
    pixels = basis.config.camera.width * basis.config.camera.height
    more = COUNT * basis.config.render.samples.basis * pixels
    assert basis.paths_per_view() == plain.paths_per_view() + more
    view, other = basis.group(0, 0).views
    assert (
        dataclasses.replace(view, basis=()) == plain.group(0, 0).views[0]
    )  # nothing else is drawn otherwise
    assert view.basis == other.basis and [light.field for light in view.basis] == [
        f"L0{i}" for i in range(COUNT)
    ]
    directions = np.array([light.direction for light in view.basis])
    assert np.allclose(np.linalg.norm(directions, axis=1), 1)
    assert (directions[:, 2] >= math.sin(math.radians(30)) - 1e-9).all()


def test_files_are_read_as_they_were_written(sample: Sample) -> None:
    assert sample.light_basis is not None
    for image in ("exr", "png16"):
        files = encode_sample(sample, FieldFormat(image=image))  # type: ignore[arg-type]
        assert [name for name, _ in files][-2:] == ["light_basis.exr", "meta.json"]
        read = decode_sample(sample.key, dict(files))
        assert read.light_basis is not None
        np.testing.assert_allclose(read.light_basis, sample.light_basis, rtol=2**-10, atol=1e-6)
        assert read.meta["encoding"]["light_basis"]["compression"] == "zip"
        assert list(decode_exr(dict(files)["light_basis.exr"]))[:3] == ["L00.B", "L00.G", "L00.R"]
    without = dataclasses.replace(sample, light_basis=None)
    names = [name for name, _ in encode_sample(without, FieldFormat())]
    assert names == [name for name, _ in encode_sample(sample, FieldFormat()) if name != "light_basis.exr"]


def test_inspection_finds_what_is_wrong_with_it(sample: Sample, tmp_path: Path) -> None:
    def messages(**changes: object) -> str:
        basis = {**sample.meta["light_basis"], **changes}
        return " ".join(
            check_basis(dataclasses.replace(sample, meta={**sample.meta, "light_basis": basis}))[0]
        )

    assert sample.light_basis is not None
    assert check_basis(sample)[0] == [] and check_basis(sample)[1]["light_basis_fit"] > 0.99
    directions = np.array(sample.meta["light_basis"]["directions"])
    assert "fit their lights with x flipped (correlation" in messages(directions=directions * [-1, 1, 1])
    assert "light 0, 1, 2, 3 and 5 more shines from behind" in messages(directions=directions * [1, 1, -1])
    assert "has length 2, not 1" in messages(directions=directions * 2)
    black = dataclasses.replace(
        sample, light_basis=sample.light_basis * (np.arange(9) < 3)[:, None, None, None]
    )
    assert "image 3, 4, 5, 6 and 2 more is black" in " ".join(check_basis(black)[0])
    path = tmp_path / "a.tar"
    write_synthetic_shard(path, [sample])
    assert main(["inspect", str(path), "--sheet", str(tmp_path / "sheet.png")]) == 0
    short = {
        **sample.meta,
        "light_basis": {**sample.meta["light_basis"], "directions": directions[:8].tolist()},
    }
    files = dict(encode_sample(sample, FieldFormat())) | {"meta.json": json.dumps(short).encode()}
    assert check_sizes(decode_sample(sample.key, files))[0] == [
        "light_basis is (9, 24, 24, 3), not (8, 24, 24, 3)"
    ]


def test_training_reads_it(sample: Sample, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    path = tmp_path / "a.tar"
    write_synthetic_shard(path, [sample])
    settings = Data(shards=(str(path),), relight=Relight(share=1))
    loader = Loader(settings, ring(9), batch_size=1, seed=0, workers=0)
    pictures = []
    for batch in loader:
        pictures.append(batch.image.numpy())
        assert 0.05 < np.median(pictures[-1][0, :, sample.mask]) < 0.8
        if len(pictures) == 3:
            break
    assert not np.array_equal(pictures[0], pictures[1])  # another lighting each time


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small data set with a basis, and the same without."""
    place = tmp_path_factory.mktemp("basis")
    rows = [
        {"id": f"superquadric-{seed}", "source": "builtin", "location": f"superquadric/{seed}"}
        for seed in (0, 2)
    ]
    manifest = place / "objects.jsonl"
    rows = [{**row, "family": "superquadric", "licence": "CC0-1.0", "split": "train"} for row in rows]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, more in (("with", (BASIS,)), ("without", ())):
        sets = [f"--set={item}" for item in (*SMALL, f"sources.objects={manifest}", *more)]
        run = ["render", str(DEMO), *sets, "-o", str(place / name), "--shards", "0", "--workers", "1"]
        assert main(run) == 0
    return place / "with", place / "without"


@pytest.mark.blender
def test_it_adds_a_file_and_changes_no_other(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with_basis, without = (list(read_shard(folder / "multishade-000000.tar")) for folder in folders)
    for (key, files), (_, plain) in zip(with_basis, without, strict=True):
        assert set(files) - set(plain) == {"light_basis.exr"}
        assert all(files[name] == plain[name] for name in plain if name != "meta.json")
        sample = decode_sample(key, files)
        assert sample.light_basis is not None and sample.light_basis.shape == (COUNT, SIZE, SIZE, 3)
        meta = sample.meta
        assert len(meta["light_basis"]["directions"]) == COUNT and meta["light_basis"]["angle"] == 2
        assert meta["exposure"]["light_basis"] > 0 and meta["renderer"]["samples"]["basis"] == 256
    assert main(["inspect", str(folders[0]), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert main(["replay", str(folders[0]), "s000000-g0001-v0"]) == 0


@pytest.mark.blender
def test_its_images_add_up_to_the_image_under_all_lights(folders: tuple[Path, Path]) -> None:
    """In linear light, to the noise of 256 paths a light."""
    from multishade.render.plan import read_plan

    plan = read_plan(folders[0])
    group = plan.group(0, 1)
    (view,) = group.views
    files = dict(read_shard(folders[0] / "multishade-000000.tar"))[view.key]
    sample = decode_sample(view.key, files)
    basis = LightBasis(view.key, {"light_basis.exr": files["light_basis.exr"]})
    weights = np.zeros((COUNT, 3))
    weights[1], weights[2], weights[4] = [1.0, 0.6, 0.3], [0.4, 0.4, 0.4], [0.2, 0.5, 1.5]
    factor = sample.meta["exposure"]["light_basis"]
    composed = relight(basis.images(), weights, 1 / factor)
    lit = weighted(view, weights)
    assert [light.field for light in lit] == ["L01", "L02", "L04"]
    assert lit[2].strength == pytest.approx(1.5 * math.pi) and lit[2].colour == pytest.approx(
        (0.2 / 1.5, 1 / 3, 1)
    )
    with GroupRenderer(plan.config, 1, Stopwatch()) as renderer:
        blender = renderer.blender()
        request = scene_group(group, blender.folder, plan.config)
        # Loads the group, and renders the basis a second time, to the same values.
        (rendered,) = render_views(blender, request, renderer.settings, Stopwatch())
        direct, seconds = render_combined(blender, view, weights, None, seed=7)
    assert rendered.basis is not None and seconds > 0
    np.testing.assert_allclose(rendered.basis * factor, sample.light_basis, rtol=2**-9, atol=1e-5)
    inside = sample.mask
    level = float(direct[inside].mean())
    difference = composed[inside] - direct[inside]
    assert level > 0.02
    assert abs(float(difference.mean())) < 0.01 * level  # noise averages out, a mistake of strength would not
    assert float(np.sqrt(np.mean(difference**2))) < 0.15 * level
    # And it is those lights: with another one the difference is far beyond the noise.
    other = relight(basis.images(), np.roll(weights, 1, axis=0), 1 / factor)
    assert float(np.sqrt(np.mean((other[inside] - direct[inside]) ** 2))) > 0.3 * level
