# SPDX-License-Identifier: Apache-2.0
"""Each field that a task can ask for: as the shard holds it, and still true after crop, turn and mirror."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from multishade.data.batches import Batch
from multishade.data.fields import FieldSpec
from multishade.data.loader import Loader
from multishade.data.prepare import Preparer
from multishade.data.settings import Geometric
from multishade.errors import DataError
from multishade.geometry.lights import ring
from multishade.shards.sample import FieldFormat, decode_sample
from multishade.shards.tar import read_shard
from tests.support.data_shards import data, write_shards
from tests.support.synthetic import DISTANCE, RADIUS

GEOMETRY = (FieldSpec("normal"), FieldSpec("mask"), FieldSpec("depth"), FieldSpec("intrinsics"))
TURNED = Geometric(
    size=40, frame="object", scale=(0.9, 1.2), shift=0.05, rotation_degrees=(-180, 180), mirror=0.5
)
COUNT = 4


def images(count: int | None = None) -> tuple[FieldSpec, ...]:
    return FieldSpec("images", count), FieldSpec("normal"), FieldSpec("mask")


def first(tar: Path, fields: Any, workers: int = 0, **settings: Any) -> Batch:
    return next(iter(Loader(data(tar, **settings), None, fields=fields, batch_size=COUNT, workers=workers)))


@pytest.fixture(scope="module", params=["perspective", "orthographic"])
def solid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of smooth spheres under that camera."""
    folder = tmp_path_factory.mktemp(request.param)
    return write_shards(folder, (COUNT,), kind=request.param, size=96, bump=0.0)[0]


@pytest.fixture(scope="module", params=["exr", "png16"])
def sequences(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard with photometric sequences of 9 lights, in one EXR file or one PNG file per light."""
    folder = tmp_path_factory.mktemp(request.param)
    format = FieldFormat(image=request.param, image_compression="zip")
    return write_shards(folder, (COUNT,), format, mode="photometric", size=48, bump=0.0)[0]


def points(batch: Batch) -> torch.Tensor:
    """(B, H, W, 3) of the depth and the intrinsics, camera frame."""
    size = batch.depth.shape[-1]
    row, column = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    matrix = batch.intrinsics[:, :, :, None, None]
    x = (column - matrix[:, 0, 2]) / matrix[:, 0, 0]
    y = (matrix[:, 1, 2] - row) / matrix[:, 1, 1]
    depth = batch.depth[:, 0]
    scale = torch.where(batch.orthographic[:, None, None], torch.ones_like(depth), depth)
    return torch.stack([x * scale, y * scale, -depth], dim=-1)


class TestDepth:
    @pytest.mark.parametrize("workers", [0, 2])
    def test_depth_and_camera_are_those_of_the_shard(self, solid: Path, workers: int) -> None:
        batch = first(solid, GEOMETRY, workers)
        stored = {key: decode_sample(key, files) for key, files in read_shard(solid)}
        assert batch.depth.shape == (COUNT, 1, 96, 96) and batch.intrinsics.shape == (COUNT, 3, 3)
        for place, key in enumerate(batch.keys):
            sample = stored[key]
            expected = np.where(sample.mask, sample.depth, 0)
            np.testing.assert_array_equal(batch.depth[place, 0], expected.astype(np.float32))
            np.testing.assert_allclose(batch.intrinsics[place], sample.meta["camera"]["K"])
            assert bool(batch.orthographic[place]) == (sample.meta["camera"]["type"] == "orthographic")

    def test_points_lie_on_the_sphere_however_the_window_is_turned(self, solid: Path) -> None:
        batch = first(solid, GEOMETRY, geometric=TURNED)
        assert batch.depth.shape == (COUNT, 1, 40, 40)
        assert torch.equal(batch.depth > 0, batch.mask > 0)
        skew = batch.intrinsics[:, [0, 1], [1, 0]]
        torch.testing.assert_close(skew, torch.zeros_like(skew), atol=1e-4, rtol=0)
        # The view axis stays, so the centre stays on it.
        offset = points(batch) - torch.tensor([0.0, 0.0, -DISTANCE])
        inside = batch.mask[:, 0] > 0
        inner = inside & (batch.normal[:, 2] > 0.5)  # at the rim half a pixel is much depth
        radius = offset.norm(dim=-1)
        assert (radius[inner] - RADIUS).abs().max() < 0.01
        outward = (offset / radius[..., None])[inner]
        cosine = (outward * batch.normal.movedim(1, -1)[inner]).sum(-1)
        assert torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))).mean() < 1.5

    def test_nothing_but_the_asked_files_is_read(self) -> None:
        preparer = Preparer(data("none"), np.zeros((0, 3)), 0, GEOMETRY)
        names = ["image_point.exr", "alpha.png", "normal.exr", "depth.exr", "meta.json", "shading.exr"]
        assert sorted(preparer.choose(names, 0, 0)) == ["depth.exr", "meta.json", "normal.exr"]
        standard = Preparer(data("none"), ring(9), 0)
        assert sorted(standard.choose(names, 0, 0)) == ["image_point.exr", "normal.exr"]


class TestImages:
    def test_all_images_with_their_lights(self, sequences: Path) -> None:
        batch = first(sequences, images())
        stored = {key: decode_sample(key, files) for key, files in read_shard(sequences)}
        assert batch.images.shape == (COUNT, 9, 3, 48, 48)
        assert batch.light_directions.shape == (COUNT, 9, 3)
        for place, key in enumerate(batch.keys):
            sample = stored[key]
            assert sample.shading is not None
            np.testing.assert_allclose(batch.images[place], sample.shading.transpose(0, 3, 1, 2), atol=1e-3)
            directions = np.asarray(sample.meta["shading"]["directions"])
            np.testing.assert_allclose(batch.light_directions[place], directions, atol=1e-6)

    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("geometric", [Geometric(), TURNED], ids=["plain", "turned"])
    def test_images_are_lambertian_under_their_own_lights(
        self, sequences: Path, workers: int, geometric: Geometric
    ) -> None:
        """Images, lights and normals turn together; each image keeps the light that it was chosen with."""
        batch = first(sequences, images(5), workers, geometric=geometric)
        assert batch.images.shape[1] == batch.light_directions.shape[1] == 5
        cosine = torch.einsum("bkd,bdhw->bkhw", batch.light_directions, batch.normal).clamp_min(0)
        expected = cosine[:, :, None] * torch.tensor([0.8, 0.45, 0.25])[:, None, None]
        inside = (batch.mask[:, :, None] > 0) & (batch.normal[:, None, 2:3] > 0.6)
        error = (batch.images - expected).abs()[inside.expand_as(expected)]
        assert error.mean() < 0.01 and error.quantile(0.99) < 0.08

    def test_other_lights_in_each_epoch_and_for_each_sample(self, sequences: Path) -> None:
        loader = iter(Loader(data(sequences), None, fields=images(3), batch_size=COUNT))
        sets = {lights.numpy().tobytes() for _ in range(2) for lights in next(loader).light_directions}
        assert len(sets) == 2 * COUNT

    def test_the_same_with_any_number_of_workers(self, sequences: Path) -> None:
        alone, shared = (first(sequences, images(4), workers, geometric=TURNED) for workers in (0, 1))
        assert torch.equal(alone.images, shared.images)
        assert torch.equal(alone.light_directions, shared.light_directions)

    def test_more_images_than_there_are(self, sequences: Path) -> None:
        with pytest.raises(DataError, match="has 9 images, 12 are asked for"):
            first(sequences, images(12))

    def test_another_kind_of_shard(self, solid: Path) -> None:
        with pytest.raises(DataError, match="of mode lambert, not photometric: render with"):
            first(solid, images())

    def test_a_shard_without_a_sequence(self, tmp_path: Path) -> None:
        (tar,) = write_shards(tmp_path, (COUNT,), FieldFormat(shading_stored=False))
        with pytest.raises(DataError, match="holds no photometric sequence"):
            first(tar, images())

    def test_sequences_of_different_length_in_one_batch(self, tmp_path: Path) -> None:
        tars = [
            write_shards(tmp_path / str(lights), (2,), mode="photometric", lights=lights)[0]
            for lights in (5, 7)
        ]
        with pytest.raises(DataError, match="give the field a count"):
            next(iter(Loader(data(*tars), None, fields=images(), batch_size=4)))
        mixed = next(iter(Loader(data(*tars), None, fields=images(4), batch_size=4)))
        assert mixed.images.shape[:2] == (4, 4)


class TestSpecs:
    def test_a_field_that_was_not_asked_for(self, solid: Path) -> None:
        with pytest.raises(DataError, match="no depth; it has image, normal: ask the loader for it"):
            _ = first(solid, (FieldSpec("image"), FieldSpec("normal"))).depth

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ((FieldSpec("image"), FieldSpec("images")), "exclude each other"),
            ((FieldSpec("depth"), FieldSpec("depth")), "given twice"),
            ((FieldSpec("depth", 3),), "only 'images' has one"),
            ((FieldSpec("gloss"),), "'gloss' is unknown; there are image, images"),  # type: ignore[arg-type]
        ],
    )
    def test_impossible_fields(self, solid: Path, fields: Any, message: str) -> None:
        with pytest.raises(DataError, match=message):
            first(solid, fields)

    def test_other_fields_are_another_order(self, solid: Path) -> None:
        state = Loader(data(solid), ring(9), batch_size=2).state_dict()
        assert "fields" not in state["order"]  # states that are older than fields stay valid
        with pytest.raises(DataError, match="fields None -> "):
            Loader(data(solid), ring(9), fields=GEOMETRY, batch_size=2).load_state_dict(state)

    def test_everything_moves_to_another_device(self, solid: Path) -> None:
        batch = first(solid, GEOMETRY).to("meta")
        assert {tensor.device.type for tensor in batch.fields.values()} == {"meta"}
