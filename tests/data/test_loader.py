# SPDX-License-Identifier: Apache-2.0
"""Batches: the same for any number of workers, equal for every rank, exactly resumable, and not stopped by damage."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from multishade.data.batches import Batch
from multishade.data.loader import DamagedDataWarning, Loader
from multishade.data.settings import Background, Data, Geometric, Photometric, Relight
from multishade.errors import DataError
from multishade.geometry.lights import ring, spiral
from multishade.imaging.color import linear_to_srgb
from multishade.photometry.shading import lambert
from multishade.shards.marker import marker_of
from multishade.shards.sample import FieldFormat, decode_sample
from multishade.shards.tar import read_shard
from tests.hostile.corruptions import contents, tar_of
from tests.support.data_shards import COUNTS, data, key_of, write_shards
from tests.support.synthetic import make_sample, write_synthetic_shard

ALL = sum(COUNTS)
AUGMENTED: dict[str, Any] = {
    "geometric": Geometric(size=20, scale=(0.8, 1.2), shift=0.1, rotation_degrees=(-180, 180), mirror=0.5),
    "photometric": Photometric(
        exposure_stops=(-1, 1),
        background=Background(colour=1, gradient=1),
        blur=0.5,
        noise=0.5,
        jpeg=0.5,
        shoulder=(0, 1),
    ),
}


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    torch.set_num_threads(1)
    return write_shards(tmp_path_factory.mktemp("loader") / "train")


def make(
    *places: Path | str,
    batch_size: int = 2,
    directions: NDArray[Any] | None = None,
    workers: int = 0,
    rank: int = 0,
    ranks: int = 1,
    seed: int = 5,
    **settings: Any,
) -> Loader:
    lights = ring(9) if directions is None else directions
    return Loader(
        data(*places, **settings),
        lights,
        batch_size=batch_size,
        seed=seed,
        workers=workers,
        rank=rank,
        ranks=ranks,
    )


def take(loader: Loader, count: int) -> list[Batch]:
    return [batch for _, batch in zip(range(count), loader, strict=False)]


def same(first: Batch, second: Batch) -> bool:
    return (
        (first.keys, first.epoch, first.number) == (second.keys, second.epoch, second.number)
        and torch.equal(first.image, second.image)
        and torch.equal(first.normal, second.normal)
        and torch.equal(first.shading, second.shading)
    )


def test_a_batch_holds_what_the_shards_hold(tars: list[Path]) -> None:
    (batch,) = take(make(*tars, batch_size=ALL, images=("image_point",), grey=False), 1)
    stored = {key: decode_sample(key, files) for path in tars for key, files in read_shard(path)}
    assert sorted(batch.keys) == sorted(stored)
    assert batch.image.shape == (ALL, 3, 24, 24) and batch.shading.shape == (ALL, 9, 24, 24)
    for place, key in enumerate(batch.keys):
        sample = stored[key]
        shown = linear_to_srgb(sample.images["image_point"]).transpose(2, 0, 1)
        np.testing.assert_allclose(batch.image[place], shown, atol=5e-4)
        np.testing.assert_allclose(batch.normal[place], sample.normal.transpose(2, 0, 1), atol=1e-3)
        np.testing.assert_array_equal(batch.mask[place, 0], sample.mask)
        np.testing.assert_allclose(batch.shading[place], lambert(sample.normal, ring(9)), atol=1e-3)
    lengths = batch.normal.norm(dim=1, keepdim=True)
    assert torch.allclose(lengths, batch.mask, atol=1e-6)


def test_grey_is_the_mean_of_the_display_values(tars: list[Path]) -> None:
    (colour,) = take(make(*tars, grey=False), 1)
    (grey,) = take(make(*tars), 1)
    assert grey.image.shape == (2, 1, 24, 24)
    assert torch.allclose(grey.image, colour.image.mean(dim=1, keepdim=True), atol=5e-4)


def test_images_are_drawn_anew_in_each_epoch(tars: list[Path]) -> None:
    loader = make(tars[1], batch_size=COUNTS[1], grey=False)
    pictures = {
        (key, picture.numpy().tobytes())
        for batch in take(loader, 24)
        for key, picture in zip(batch.keys, batch.fields["image"], strict=True)
    }
    assert len(pictures) == 4 * COUNTS[1]  # four lightings of each sample, and nothing else


@pytest.mark.parametrize("run", [1, 2, "shard"])
def test_batches_do_not_depend_on_the_number_of_workers(tars: list[Path], run: Any) -> None:
    options = {"run": run, "streams": 6, "buffer": 4, **AUGMENTED}
    alone = take(make(*tars, **options), 10)
    for workers in (1, 2):
        shared = take(make(*tars, workers=workers, **options), 10)
        assert all(map(same, alone, shared))
    assert not same(alone[0], take(make(*tars, seed=6, **options), 1)[0])


@pytest.mark.parametrize("run", [1, "shard"])
@pytest.mark.parametrize("done", [3, 7, 16])
def test_a_resumed_run_goes_on_with_the_same_batches(tars: list[Path], run: Any, done: int) -> None:
    options = {"run": run, "streams": 2, "buffer": 3, **AUGMENTED}
    through = take(make(*tars, **options), done + 4)
    first = make(*tars, **options)
    take(first, done)
    state = first.state_dict()
    assert state["epoch"] == done // 7 and state["samples"] == done % 7 * 2 and first.samples_seen == 2 * done
    second = make(*tars, workers=2, **options)
    second.load_state_dict(state)
    assert all(map(same, through[done:], take(second, 4)))
    # And without being loaded: a loader goes on where the last iteration ended.
    assert all(map(same, through[done:], take(first, 4)))


def test_resuming_with_other_data_names_what_changed(tars: list[Path]) -> None:
    state = make(*tars).state_dict()
    with pytest.raises(DataError, match="batch 2 -> 3"):
        make(*tars, batch_size=3).load_state_dict(state)
    with pytest.raises(DataError, match="shards .* -> .*; undo the change"):
        make(*tars[:2]).load_state_dict(state)
    with pytest.raises(DataError, match="settings "):
        make(*tars, grey=False).load_state_dict(state)
    with pytest.raises(DataError, match="not the state of a loader"):
        make(*tars).load_state_dict({})


@pytest.mark.parametrize("run", [1, "shard"])
def test_ranks_have_equal_numbers_of_batches_and_share_no_sample(tars: list[Path], run: Any) -> None:
    loaders = [make(*tars, rank=rank, ranks=2, run=run, streams=2) for rank in range(2)]
    assert {loader.batches_per_epoch for loader in loaders} == {3}
    keys = [[key for batch in take(loader, 3) for key in batch.keys] for loader in loaders]
    assert [len(part) for part in keys] == [6, 6] and len(set(keys[0]) | set(keys[1])) == 12
    with pytest.raises(DataError, match="rank 2 of 2"):
        make(*tars, rank=2, ranks=2)


def test_a_loader_leaves_the_global_random_state_alone(tars: list[Path]) -> None:
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    take(make(*tars, workers=1, **AUGMENTED), 2)
    assert torch.equal(torch.get_rng_state(), expected)


# Damage


def damaged_copy(tars: list[Path], folder: Path, shard: int, change: Any) -> list[Path]:
    """The shards with one of them changed: change(bytes) -> bytes."""
    folder.mkdir()
    for number, path in enumerate(tars):
        content = path.read_bytes()
        (folder / path.name).write_bytes(change(content) if number == shard else content)
        (folder / path.name).with_suffix(".json").write_bytes(path.with_suffix(".json").read_bytes())
    return [folder / path.name for path in tars]


@pytest.mark.parametrize("run", [1, "shard"])
def test_a_cut_shard_is_replaced_counted_and_changes_nothing_else(
    tars: list[Path], tmp_path: Path, run: Any
) -> None:
    options = {"run": run, "streams": 2, "buffer": 4, **AUGMENTED}
    whole = take(make(*tars, **options), 7)
    cut = damaged_copy(tars, tmp_path / "cut", 2, lambda content: content[: len(content) // 2])
    loader = make(*cut, **options)
    with pytest.warns(
        DamagedDataWarning, match=r"demo-000002.tar: cut short: .* \(1 damaged shards, 1 samples so far\)"
    ):
        batches = take(loader, 7)
    lost = {key_of(2, number) for number in range(COUNTS[2])} - {
        key for batch in batches for key in batch.keys
    }
    assert 2 < len(lost) < COUNTS[2]
    expected = sum(key in lost for batch in whole for key in batch.keys)
    assert loader.damage == {str(cut[2]): expected}
    for healthy, batch in zip(whole, batches, strict=True):
        for place, key in enumerate(healthy.keys):
            if key not in lost:
                assert batch.keys[place] == key and torch.equal(batch.image[place], healthy.image[place])
    # The same with workers, and after a resume.
    with pytest.warns(DamagedDataWarning):
        again = take(make(*cut, workers=2, **options), 7)
    assert all(map(same, batches, again))
    resumed = make(*cut, **options)
    resumed.load_state_dict({**loader.state_dict(), "epoch": 0, "samples": 6})
    with pytest.warns(DamagedDataWarning):
        assert all(map(same, batches[3:], take(resumed, 4)))


def test_a_file_that_does_not_decode_costs_its_sample_only(tars: list[Path], tmp_path: Path) -> None:
    def spoil(content: bytes) -> bytes:
        start = content.index(f"{key_of(0, 1)}.normal.exr".encode()) + 512 + 400
        return content[:start] + b"\xff" * 60 + content[start + 60 :]

    loader = make(*damaged_copy(tars, tmp_path / "spoiled", 0, spoil), batch_size=5)
    with pytest.warns(DamagedDataWarning, match=rf"{key_of(0, 1)}.normal.exr"):
        keys = [key for batch in take(loader, 3) for key in batch.keys]
    assert len(keys) == ALL and set(keys) == {
        key_of(shard, number) for shard, count in enumerate(COUNTS) for number in range(count)
    } - {key_of(0, 1)}


def test_a_tar_that_vanishes_is_replaced(tars: list[Path], tmp_path: Path) -> None:
    copy = damaged_copy(tars, tmp_path / "gone", 1, lambda content: content)
    loader = make(*copy, batch_size=5)
    copy[1].unlink()
    with pytest.warns(DamagedDataWarning, match="demo-000001.tar: cannot be read"):
        batches = take(loader, 3)
    assert loader.damage == {str(copy[1]): COUNTS[1]} and sum(map(len, batches)) == ALL


def test_nothing_readable_at_all_stops(tars: list[Path], tmp_path: Path) -> None:
    copy = damaged_copy(tars[:1], tmp_path / "lost", 0, lambda content: content)
    loader = make(*copy, workers=1)
    copy[0].unlink()
    with pytest.raises(
        DataError, match=r"^16 samples in a row, .* cannot be read; the last: .*demo-000000.tar"
    ) as caught:
        take(loader, 1)
    assert "Traceback" not in str(caught.value)


# Kinds of shards


def write_one(
    path: Path, *, format: FieldFormat | None = None, strip_images: bool = False, **options: Any
) -> Path:
    sample = make_sample(size=24, **options)
    if strip_images:
        sample = replace(sample, images={}, meta={**sample.meta, "lights": {}})
    keys = [f"s000000-g000{number}-v0" for number in range(2)]
    write_synthetic_shard(
        path, [replace(sample, key=key, meta={**sample.meta, "key": key}) for key in keys], format
    )
    return path


@pytest.mark.parametrize("mode", ["lambert", "cast", "photometric"])
@pytest.mark.parametrize("directions", [ring(9), ring(6), spiral(12)])
def test_lambert_shading_of_any_lights_comes_from_any_shard(
    tmp_path: Path, mode: str, directions: NDArray[Any]
) -> None:
    format = FieldFormat(shading_stored=mode != "lambert", image="png8" if mode == "photometric" else "exr")
    path = write_one(tmp_path / "a.tar", mode=mode, format=format)
    (batch,) = take(make(path, directions=directions), 1)
    expected = lambert(make_sample(size=24).normal, directions)
    np.testing.assert_allclose(batch.shading[0], expected, atol=2e-3)


@pytest.mark.parametrize("image", ["exr", "png16"])
def test_a_photometric_shard_without_input_images_gives_its_frames(tmp_path: Path, image: Any) -> None:
    path = write_one(
        tmp_path / "a.tar", mode="photometric", strip_images=True, format=FieldFormat(image=image)
    )
    frames = linear_to_srgb(make_sample(size=24, mode="photometric").shading).transpose(0, 3, 1, 2)
    seen = set()
    for batch in take(make(path, grey=False), 12):
        for picture in batch.image.numpy():
            errors = np.abs(frames - picture).mean(axis=(1, 2, 3))
            assert errors.min() < 2e-3
            seen.add(int(errors.argmin()))
    assert len(seen) > 4


def test_cast_shadows_come_as_stored(tmp_path: Path) -> None:
    path = write_one(tmp_path / "a.tar", mode="cast")
    stored = make_sample(size=24, mode="cast").shading
    assert stored is not None
    (batch,) = take(make(path, shading="cast"), 1)
    np.testing.assert_allclose(batch.shading[1], stored, atol=1e-3)
    (mirrored,) = take(make(path, shading="cast", geometric=Geometric(mirror=1)), 1)
    # Light k of the ring and light 9 - k are each other's mirror image.
    expected = stored[[0, 8, 7, 6, 5, 4, 3, 2, 1], :, ::-1]
    np.testing.assert_allclose(mirrored.shading[1], expected, atol=1e-3)


def test_settings_that_do_not_fit_the_shards_are_named_with_shard_key_and_remedy(tmp_path: Path) -> None:
    lambert_tar = write_one(tmp_path / "lambert.tar")
    cast_tar = write_one(tmp_path / "cast.tar", mode="cast")
    with pytest.raises(
        DataError, match=r"lambert.tar: s000000-g000.-v0: its shading is of mode lambert, not cast: set"
    ):
        take(make(lambert_tar, shading="cast"), 1)
    with pytest.raises(
        DataError, match=r"cast.tar: s000000-g000.-v0: its sequence has 9 lights, and the model's 6"
    ):
        take(make(cast_tar, shading="cast", directions=ring(6)), 1)
    with pytest.raises(
        DataError, match=r"lambert.tar: sample .: no image matches images: image_sun; there are image_par"
    ):
        take(make(lambert_tar, images=("image_sun",)), 1)
    with pytest.raises(DataError, match=r"lambert.tar: s000000-g000.-v0: .*cannot be relit: render with"):
        take(make(lambert_tar, relight=Relight(share=1)), 1)
    with pytest.raises(
        DataError, match="mirror image of a light is not among the lights; set geometric.mirror to 0"
    ):
        make(cast_tar, shading="cast", directions=spiral(9), geometric=Geometric(mirror=0.5))
    with pytest.raises(ValueError, match="lights stay with the camera"):
        Data(shards=("a.tar",), shading="cast", geometric=Geometric(rotation_degrees=(-10, 10)))
    with pytest.raises(
        DataError, match="5 workers cannot share 12 streams evenly: choose 1, 2, 3, 4, 6, 12 workers"
    ):
        make(lambert_tar, run="shard", workers=5)
    larger = tmp_path / "larger.tar"
    write_synthetic_shard(larger, [make_sample(size=32)])
    with pytest.raises(DataError, match=r"s000000-g000.-v0 is (24 x 24|32 x 32) and .*: set geometric.size"):
        take(make(lambert_tar, larger, batch_size=3), 1)


def test_images_are_relit_from_a_photometric_sequence(tmp_path: Path) -> None:
    path = write_one(tmp_path / "a.tar", mode="photometric")
    relit = take(make(path, grey=False, relight=Relight(share=1)), 3)
    pictures = {picture.numpy().tobytes() for batch in relit for picture in batch.fields["image"]}
    assert len(pictures) == 6
    for batch in relit:
        inside = batch.image.mean(dim=1)[batch.mask[:, 0] > 0]
        assert 0.05 < inside.median() < 0.8


def test_verified_files_that_differ_from_their_hashes_are_passed_over(tmp_path: Path) -> None:
    """Two images are exchanged: both are sound files of the right size, so that only their hashes tell."""
    (path,) = write_shards(tmp_path / "hashed", (4,), FieldFormat(hashes=True))
    members = contents(path.read_bytes())
    assert members is not None
    first, second = (
        row
        for row, (name, _) in enumerate(members)
        if name in [f"{key_of(0, n)}.image_point.exr" for n in (1, 2)]
    )
    (a, x), (b, y) = members[first], members[second]
    members[first], members[second] = (a, y), (b, x)
    marker_of(path).remove()
    path.write_bytes(tar_of(members))
    options: dict[str, Any] = {"batch_size": 4, "images": ("image_point",)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(iter(make(path, **options)))
    with pytest.warns(DamagedDataWarning, match=r"image_point.exr: has another sha256"):
        next(iter(make(path, verify=True, **options)))


def test_verifying_needs_hashes(tars: list[Path]) -> None:
    with pytest.raises(DataError, match="has no hashes in its meta.json to verify files with"):
        next(iter(make(tars[0], verify=True)))


def test_what_is_verified_may_resume_what_was_not(tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "hashed", (4,), FieldFormat(hashes=True))
    plain, verified = make(paths[0]), make(paths[0], verify=True)
    verified.load_state_dict(plain.state_dict())
    assert torch.equal(next(iter(plain)).image, next(iter(verified)).image)
