# SPDX-License-Identifier: Apache-2.0
"""Corrupted shards are found, hostile ones cost themselves alone: some here, all in `make test-hostile-shards`."""

import json
from pathlib import Path

import numpy as np
import pytest

from multishade.errors import ShardError
from multishade.inspect.guarded import SampleInspector, limits_for, needed_values
from multishade.inspect.report import inspect_shard, summarise
from multishade.inspect.run import inspect_shards
from multishade.inspect.sample import SampleFiles, inspect_sample
from multishade.shards.fields import FieldFormat
from multishade.shards.hashes import check_hashes
from multishade.shards.meta import decode_meta
from multishade.shards.sample import decode_sample, encode_sample
from multishade.shards.tar import read_shard
from tests.hostile.corruptions import KINDS, contents, tar_of
from tests.hostile.shard_suite import CORRUPTIONS, Figures, run_corruptions, run_hostile
from tests.hostile.shards import HARMLESS, hostile_shards, sound_members
from tests.support.synthetic import make_sample, write_synthetic_shard

SOME = range(0, 24)  # one of each kind to each base
CHEAP = (
    "png/header",
    "exr/large",
    "exr/channels",
    "meta/K last row",
    "meta/deep",
    "tar/empty",
    "tar/pax negative size",
)


def test_some_corruptions_are_found(tmp_path: Path) -> None:
    figures = Figures()
    run_corruptions(tmp_path, SOME, figures, plain=False)
    assert figures.wrong == [] and len(figures.made) == len(KINDS)
    changed = sum(figures.changed.values())
    assert changed > 16 and figures.by_hashes == figures.by_marker == changed
    assert figures.refused_by_key and figures.read_by_key  # samples beside a damaged one are read


@pytest.mark.slow
def test_every_corruption_is_found(tmp_path: Path) -> None:
    figures = Figures()
    run_corruptions(tmp_path, range(CORRUPTIONS), figures)
    assert figures.wrong == []


@pytest.mark.slow
def test_hostile_tars_are_findings_of_their_own(tmp_path: Path) -> None:
    figures = Figures()
    run_hostile(tmp_path, figures)
    assert figures.wrong == [] and figures.hostile > 80


def test_some_hostile_tars_are_findings_and_a_sound_one_beside_them_is_sound(tmp_path: Path) -> None:
    made = {name: tar for name, tar in hostile_shards() if name in CHEAP}
    assert set(made) == set(CHEAP) and not set(HARMLESS) & set(CHEAP)
    for number, tar in enumerate(made.values()):
        (tmp_path / f"a-{number:06d}.tar").write_bytes(tar)
    write_synthetic_shard(tmp_path / "b-000000.tar", [make_sample("s9-g0-v0", size=24)])
    inspection = inspect_shards(tmp_path)
    assert {finding.shard for finding in inspection.findings} == {f"a-{n:06d}.tar" for n in range(len(made))}


def test_a_crash_of_the_decoder_costs_one_sample(tmp_path: Path) -> None:
    class Crashing(SampleInspector):
        def __call__(self, sample: SampleFiles):  # type: ignore[no-untyped-def]
            if sample.key.endswith("v1"):
                self.close()  # starts a process for this sample alone, which dies before it answers
                super().__call__(SampleFiles("warm", {}))
                assert self._guard is not None and self._guard._child is not None
                self._guard._child.process.kill()
            return super().__call__(sample)

    path = tmp_path / "a.tar"
    write_synthetic_shard(path, [make_sample(f"s0-g0-v{view}", size=24) for view in range(3)])
    with Crashing() as inspector:
        report = inspect_shard(path, check=inspector)
    assert [finding.key for finding in report.findings] == ["s0-g0-v1"]
    assert "crashed (SIGKILL)" in report.findings[0].message
    assert [sample.key for sample in report.samples] == ["s0-g0-v0", "s0-g0-v2"]


def test_limits_follow_from_the_camera() -> None:
    def meta(side: int, lights: int) -> dict[str, object]:
        return {"camera": {"width": side, "height": side}, "shading": {"directions": [[0, 0, 1]] * lights}}

    small, large = (limits_for(needed_values(meta(side, lights))) for side, lights in ((64, 9), (2048, 96)))
    assert small.memory_bytes < large.memory_bytes
    assert limits_for(needed_values({})).memory_bytes == small.memory_bytes
    assert needed_values(meta(10**9, 10**5)) <= 2 * (1 << 28) * (
        3 * 1024 + 48
    )  # a bound, whatever a file states


@pytest.mark.parametrize("file", ["image_point.exr", "mask.png", "meta.json"])
def test_hashes_find_a_changed_file_and_a_loader_may_check_some_files(file: str) -> None:
    files = dict(encode_sample(make_sample(size=24), FieldFormat(hashes=True)))
    key, meta = "s000000-g0000-v0", decode_meta("", files["meta.json"])
    check_hashes(key, files, meta)
    check_hashes(key, {name: files[name] for name in ("normal.exr", "meta.json")}, meta, complete=False)
    with pytest.raises(ShardError, match=r"lacks .*shading\.exr, whose sha256 is in its meta.json"):
        check_hashes(key, {"normal.exr": files["normal.exr"]}, meta)
    other = dict(encode_sample(make_sample(size=24, tint=(0.5, 0.5, 0.5)), FieldFormat(hashes=True)))
    other["mask.png"] = files["alpha.png"]
    changed = {
        **files,
        file: files[file].replace(b'"seed":7', b'"seed":8') if file == "meta.json" else other[file],
    }
    with pytest.raises(ShardError, match=rf"{file}: has another sha256 than meta.json states"):
        decode_sample(key, changed)


def test_samples_without_hashes_beside_hashed_ones_are_a_finding(tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    entries = [
        (f"{key}.{name}", data)
        for key, hashed in (("s0-g0-v0", True), ("s0-g0-v1", False))
        for name, data in encode_sample(make_sample(key, size=24), FieldFormat(hashes=hashed))
    ]
    tar.write_bytes(tar_of(entries))
    assert [finding.message for finding in inspect_shard(tar).findings] == [
        "1 of 2 samples have no hashes in meta.json, the others do"
    ]


def test_meta_without_hashes_has_the_bytes_that_it_had() -> None:
    sample = make_sample(size=24)
    plain = dict(encode_sample(sample, FieldFormat()))
    hashed = dict(encode_sample(sample, FieldFormat(hashes=True)))
    assert "hashes" not in json.loads(plain["meta.json"])
    assert {name: data for name, data in hashed.items() if name != "meta.json"} == {
        name: data for name, data in plain.items() if name != "meta.json"
    }
    # A decoded sample is stored again without them, unless they are asked for.
    again = decode_sample(sample.key, hashed)
    assert "hashes" not in json.loads(dict(encode_sample(again, FieldFormat()))["meta.json"])


def test_data_after_the_end_of_a_tar_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    whole = tar_of(sound_members())
    path.write_bytes(whole + bytes(1 << 20))  # zeros of a tape's record are none
    assert len(list(read_shard(path))) == 1
    path.write_bytes(whole + whole)
    with pytest.raises(ShardError, match="data after the end of the tar"):
        list(read_shard(path))


def test_corruptions_follow_from_their_seed() -> None:
    tar = tar_of(
        [*sound_members(), *sound_members(key="s000000-g0001-v0", tint=(0.3, 0.6, 0.5), kind="orthographic")]
    )
    before = contents(tar)
    for kind, corrupt in KINDS.items():
        once, twice = (corrupt(tar, np.random.default_rng(3)) for _ in range(2))
        assert once == twice and once != tar, kind
        assert contents(once) != before or kind in ("bit flips", "zeroed blocks"), kind


def test_a_focal_length_that_contradicts_the_depth_is_found() -> None:
    for factor in (0.5, 2.0):
        sample = make_sample(size=64, bump=0.02)
        matrix = sample.meta["camera"]["K"]
        sample.meta["camera"]["K"] = [
            [value * (factor if row == column else 1) for column, value in enumerate(values)]
            if row < 2
            else values
            for row, values in enumerate(matrix)
        ]
        result = inspect_sample(SampleFiles(sample.key, dict(encode_sample(sample, FieldFormat()))))
        assert any("depth" in message for _, message in result.findings), factor


def test_a_tar_without_samples_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(10240))
    assert not summarise([inspect_shard(tmp_path / "a.tar")])["sound"]
