# SPDX-License-Identifier: Apache-2.0
"""Manifests: rows come back as written, mistakes are named by file, line, field and value, hashes are
verified."""

import json
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multishade.assets.builtin import builtin_environments, builtin_materials, builtin_objects, split_of_seed
from multishade.assets.manifest import read_environments, read_materials, read_objects, write_rows
from multishade.assets.schema import EnvironmentRow, ObjectRow, row_as_json
from multishade.errors import ManifestError
from tests.support.hostile_configs import hostile_rows

REPOSITORY = Path(__file__).resolve().parents[2]
GOOD = {
    "id": "blob-1",
    "source": "builtin",
    "location": "blob/1",
    "licence": "CC0-1.0",
    "split": "train",
    "tags": [],
    "family": "blob",
}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "objects.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "a.b"}, "field 'id': 'a.b' is not letters, digits, '_' and '-'"),
        ({"id": ""}, "field 'id': '' is not letters"),
        ({"source": "web"}, "field 'source': 'web' is not 'builtin', 'blender' or 'file'"),
        ({"split": "dev"}, "field 'split': 'dev' is not 'train', 'val' or 'test'"),
        ({"colour": 1}, "field 'colour' is unknown; allowed are id, source, location"),
        ({"tags": "a"}, "field 'tags': 'a' has to be a valid array"),
        ({"vertices": "7"}, "field 'vertices': '7' has to be a valid integer"),
        ({"faces": 0}, "field 'faces': 0 has to be greater than or equal to 1"),
        ({"bounds": [[0, 0, 0], [1, 1]]}, "field 'bounds.1.2' is missing"),
        (
            {"location": "blob/x"},
            "field 'location': 'blob/x' is not 'family/seed', such as 'superquadric/17'",
        ),
        ({"family": "knot"}, "field 'family': 'knot' is not the family of location 'blob/1'"),
        ({"source": "blender"}, "field 'location': 'blob/1' is not one of Blender's objects: monkey"),
        ({"sha256": "0" * 64}, "fields 'sha256' and 'files' belong to files"),
        ({"source": "file", "location": "a.glb"}, "field 'sha256' is missing"),
        ({"source": "file", "location": "a.glb", "sha256": "abc"}, "'sha256': 'abc' is not 64 hex digits"),
        ({"source": "file", "location": "a.glb", "sha256": "A" * 64}, "is not 64 hex digits (lower case)"),
        (
            {"source": "file", "location": "a", "sha256": "0" * 64, "files": ["/etc/x"]},
            "'/etc/x' is not a path",
        ),
        ({"licence": None}, "field 'licence': None"),
        ({"licence": " "}, "field 'licence': ' ' is not a word or more in one line"),
    ],
)
def test_a_wrong_field_is_named_with_file_line_and_value(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = write(tmp_path, {**GOOD, "id": "first", "location": "blob/2"}, {**GOOD, **change})
    with pytest.raises(ManifestError) as error:
        read_objects(path)
    assert f"objects.jsonl:2: {message}" in str(error.value) or message in str(error.value)
    assert str(error.value).startswith("objects.jsonl:2: ")


@pytest.mark.parametrize("field", ["id", "source", "location", "licence", "split", "family"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    path = write(tmp_path, {name: value for name, value in GOOD.items() if name != field})
    with pytest.raises(ManifestError, match=f"objects.jsonl:1: field '{field}' is missing"):
        read_objects(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 1', "objects.jsonl:1: is not JSON"),
        ("[]", "objects.jsonl:1: is list, not a JSON object"),
        ('{"id": "a", "id": "b"}', "objects.jsonl:1: field 'id' occurs twice"),
        ('{"bounds": NaN}', "objects.jsonl:1: NaN is not a number in JSON"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message.replace("[", r"\[")):
        read_objects(write(tmp_path, line))


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as error:
        read_objects(write(tmp_path, {**GOOD, "split": "x", "id": "a.b"}, GOOD, {**GOOD, "licence": 3}))
    assert [line.split(": ")[0] for line in str(error.value).splitlines()] == [
        "objects.jsonl:1",
        "objects.jsonl:1",
        "objects.jsonl:3",
    ]


def test_an_id_stands_once_and_an_asset_in_one_split(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match="objects.jsonl:2: field 'id': 'blob-1' is already the id of line 1"
    ):
        read_objects(write(tmp_path, GOOD, {**GOOD, "location": "blob/2"}))
    with pytest.raises(
        ManifestError, match="objects.jsonl:2: field 'split': 'test', but line 1 has the same asset"
    ):
        read_objects(write(tmp_path, GOOD, {**GOOD, "id": "other", "split": "test"}))


def test_a_missing_empty_or_binary_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.jsonl: there is no such manifest; make one with"):
        read_objects(tmp_path / "none.jsonl")
    with pytest.raises(ManifestError, match="holds no rows"):
        read_objects(write(tmp_path, "", " "))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(
        ManifestError, match=r"binary\.jsonl:1:1: byte 0x00 is not UTF-16-LE; save it as UTF-8"
    ):
        read_objects(tmp_path / "binary.jsonl")


names = st.text(
    st.characters(codec="utf-8", exclude_characters="\\/:", exclude_categories=["Cs", "Cc"]), min_size=1
)
locations = names.filter(lambda text: bool(text.strip()))


@given(
    location=locations,
    licence=locations,
    tags=st.lists(locations, max_size=3),
    corner=st.tuples(*[st.floats(-1e30, 1e30)] * 3),
    faces=st.integers(1, 2**40),
)
def test_rows_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    location: str,
    licence: str,
    tags: list[str],
    corner: tuple[float, float, float],
    faces: int,
) -> None:
    path = tmp_path_factory.mktemp("manifest") / "objects.jsonl"
    row = ObjectRow(
        id="a",
        source="file",
        location=location,
        sha256="0" * 64,
        licence=licence,
        split="val",
        tags=tuple(tags),
        family="file",
        faces=faces,
        bounds=(corner, corner),
    )
    write_rows(path, [row])
    (back,) = read_objects(path)
    assert row_as_json(back) == row_as_json(row)
    assert back == row.with_folder(path.parent)
    assert back.path == Path(os.path.abspath(path.parent / location))


def test_writing_is_sorted_deterministic_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    rows = builtin_objects(3)
    write_rows(tmp_path / "a" / "one.jsonl", rows)
    write_rows(tmp_path / "two.jsonl", reversed(rows))
    assert (tmp_path / "a" / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    with pytest.raises(ManifestError, match="two rows have the id"):
        write_rows(tmp_path / "two.jsonl", [rows[0], rows[0]])
    (tmp_path / "file").write_text("")
    with pytest.raises(ManifestError, match="cannot be written"):
        write_rows(tmp_path / "file" / "x.jsonl", rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file", "two.jsonl"]


def test_a_row_keeps_its_location_and_its_folder_through_pickle(tmp_path: Path) -> None:
    (row,) = read_objects(
        write(tmp_path, {**GOOD, "source": "file", "location": "m/a.glb", "sha256": "1" * 64})
    )
    assert row.location == "m/a.glb"
    assert pickle.loads(pickle.dumps(row)).path == tmp_path / "m" / "a.glb"
    with pytest.raises(ManifestError, match="has no file of its own"):
        _ = builtin_objects(1)[0].path


def test_material_rows_say_what_belongs_together(tmp_path: Path) -> None:
    good = {
        "id": "m",
        "source": "builtin",
        "location": "wood/1",
        "licence": "MIT",
        "split": "train",
        "kind": "metallic",
    }
    for change, message in [
        ({"source": "maps", "sha256": "0" * 64}, "field 'maps' is missing"),
        ({"maps": {"base_color": "a.png"}}, "field 'maps' belongs to source 'maps'"),
        (
            {"source": "maps", "maps": {"base_color": "a"}, "sha256": "0" * 64, "files": ["b"]},
            "names its files in",
        ),
        ({"maps": {"colour": "a.png"}}, "field 'maps.colour' is unknown; allowed are base_color, roughness"),
        ({"maps": {}}, "field 'maps.base_color' is missing"),
        ({"normal_convention": "opengl"}, "go together"),
        ({"scale": 0}, "field 'scale': 0 has to be greater than 0"),
        ({"kind": "metal"}, "field 'kind': 'metal' is not 'metallic' or 'non-metallic'"),
    ]:
        with pytest.raises(ManifestError, match=f"objects.jsonl:1: .*{message}"):
            read_materials(write(tmp_path, {**good, **change}))


def test_the_manifests_of_the_repository_are_what_the_program_makes() -> None:
    folder = REPOSITORY / "assets_manifest"
    made = {
        "objects": (builtin_objects(), read_objects),
        "materials": (builtin_materials(), read_materials),
        "environments": (builtin_environments(), read_environments),
    }
    for name, (rows, read) in made.items():
        stored = read(folder / f"{name}.jsonl")
        assert [row_as_json(row) for row in stored] == [
            row_as_json(row) for row in sorted(rows, key=lambda row: row.id)
        ]
        assert {row.split for row in stored} == {"train", "val", "test"}


def test_the_studio_lights_are_those_that_blender_carries() -> None:
    from importlib.util import find_spec

    found = find_spec("bpy")
    assert found is not None and found.origin is not None
    (world,) = Path(found.origin).parent.glob("*/datafiles/studiolights/world")
    rows = builtin_environments()
    assert sorted(row.location for row in rows) == sorted(path.name for path in world.glob("*.exr"))
    assert all(isinstance(row, EnvironmentRow) and (row.width, row.height) == (1024, 512) for row in rows)


@given(seed=st.integers(0, 10**6), every=st.integers(3, 20))
def test_the_split_of_a_seed_does_not_depend_on_how_many_there_are(seed: int, every: int) -> None:
    assert split_of_seed(seed, every) == split_of_seed(seed + every, every)


def test_most_built_in_seeds_are_for_training() -> None:
    counts = {
        split: sum(row.split == split for row in builtin_objects()) for split in ("train", "val", "test")
    }
    assert counts == {"train": 11 * 24 + 1, "val": 44, "test": 44}
    kinds = {row.kind for row in builtin_materials() if row.split == "test"}
    assert kinds == {"metallic", "non-metallic"}
    for make in (builtin_objects, builtin_materials):
        with pytest.raises(ManifestError, match="give a number of 1 or more"):
            make(0)


@pytest.mark.parametrize("name", sorted(hostile_rows(GOOD)))
def test_a_hostile_row_is_a_short_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + hostile_rows(GOOD)[name] + "\n")
    with pytest.raises(ManifestError, match=r"m\.jsonl:2: ") as caught:
        read_objects(path)
    assert len(str(caught.value)) < 12_000 and str(caught.value).encode()


def test_a_manifest_is_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for place in ("/dev/zero", tmp_path / "pipe.jsonl", tmp_path):
        with pytest.raises(ManifestError, match="cannot be read"):
            read_objects(place)
