# SPDX-License-Identifier: Apache-2.0
"""meta.json is one model: what it writes it reads back byte for byte, and docs/data-format.md lists all of it."""

import json
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from multishade.errors import ShardError
from multishade.shards.meta import EnvironmentMeta, MixedMeta, SampleMeta, meta_problems
from multishade.shards.sample import FieldFormat, decode_sample, encode_sample
from tests.support.synthetic import make_sample, with_basis, with_meta

PAGE = Path(__file__).parents[2] / "docs" / "data-format.md"


def _written(meta: dict[str, Any]) -> str:
    return json.dumps(meta, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _table(model: type[BaseModel]) -> list[str]:
    """One row for each top-level name: its meaning, and the names inside it."""
    rows = []
    for name, field in model.model_fields.items():
        sections = _sections(field.annotation)
        inside = [_names(section) for section in sections]
        if len(sections) > 1:
            kinds = [get_args(section.model_fields["type"].annotation)[0] for section in sections]
            inside = [f"`{kind}`: {names}" for kind, names in zip(kinds, inside, strict=True)]
        # `encode_sample` fills in the encoding, so a sample may lack it and a file may not.
        optional = "" if field.is_required() or name == "encoding" else "optional"
        texts = [text for text in (optional, field.description, *inside) if text]
        rows.append(f"| `{field.alias or name}` | {'; '.join(texts)} |")
    return rows


def _names(model: type[BaseModel]) -> str:
    shown = []
    for name, field in model.model_fields.items():
        notes = [note for note in ("" if field.is_required() else "optional", field.description) if note]
        shown.append(f"`{name}`" + (f" ({'; '.join(notes)})" if notes else ""))
    return ", ".join(shown)


def _sections(annotation: Any) -> list[type[BaseModel]]:
    return [part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]


def _parts(annotation: Any) -> list[Any]:
    """The types inside a union, a mapping's values, and annotations."""
    origin = get_origin(annotation)
    if origin is dict:
        return _parts(get_args(annotation)[1])
    if origin in (Union, types.UnionType):
        return [part for argument in get_args(annotation) for part in _parts(argument)]
    if hasattr(annotation, "__metadata__"):
        return _parts(annotation.__origin__)
    return [annotation]


def test_the_page_lists_every_name_with_its_meaning() -> None:
    table = "\n".join(["| name | holds |", "| --- | --- |", *_table(SampleMeta)])
    assert table in PAGE.read_text(), f"docs/data-format.md should have:\n{table}"


@pytest.mark.parametrize("mode", ["lambert", "cast", "photometric"])
def test_what_is_written_is_read_back_byte_for_byte(mode: str) -> None:
    sample = make_sample(size=24, mode=mode)
    data = dict(encode_sample(sample, FieldFormat()))["meta.json"]
    once = _written(SampleMeta.parse(sample.key, json.loads(data)).to_mapping())
    assert _written(SampleMeta.parse(sample.key, json.loads(once)).to_mapping()) == once
    assert json.loads(once) == json.loads(data)
    assert list(json.loads(once)) == list(json.loads(data))


def test_a_light_basis_is_written_before_exposures() -> None:
    info = with_basis(make_sample(size=24, mode="photometric")).info
    names = list(info.to_mapping())
    assert names.index("light_basis") == names.index("exposure") - 1
    assert info.light_basis is not None and len(info.light_basis.directions) == 9


def test_names_that_were_not_set_are_absent_and_unknown_ones_are_kept() -> None:
    sample = make_sample(size=24)
    info = with_meta(sample, "object", artist="Ann").info
    written = info.to_mapping()
    assert "quality" not in written and "light_basis" not in written and "ambient" not in written["shading"]
    assert written["object"]["artist"] == "Ann" and written["object"]["sha256"] is None


def test_lights_have_the_type_that_they_state() -> None:
    sky = {"environment": "sky", "rotation": 30.0}
    mixed = {"type": "mixed", "direction": [0, 0, 1], "strength": 3, "environment_strength": 0.5, **sky}
    lights = with_meta(make_sample(size=24), "lights", image_mixed0=mixed).info.lights
    assert isinstance(lights["image_env0"], EnvironmentMeta)
    found = lights["image_mixed0"]
    assert isinstance(found, MixedMeta) and found.environment_strength == 0.5 and found.colour is None


def test_the_typed_view_follows_the_meta_and_names_what_is_wrong() -> None:
    sample = make_sample(size=24)
    assert sample.info.camera.width == 24 and sample.info.key == sample.key
    with pytest.raises(ShardError, match=r"s000000-g0000-v0\.meta\.json: camera\.width: .*greater than 0"):
        _ = with_meta(sample, "camera", width=0).info
    with pytest.raises(ValidationError, match="frozen"):
        sample.info.camera.width = 3  # type: ignore[misc]


def test_an_invalid_meta_is_not_written_but_can_be_read_for_inspection() -> None:
    sample = make_sample(size=24)
    files = dict(encode_sample(sample, FieldFormat()))
    bad = {**json.loads(files["meta.json"]), "seed": "seven"}
    with pytest.raises(ShardError, match="seed: Input should be a valid integer"):
        encode_sample(
            decode_sample(sample.key, {**files, "meta.json": json.dumps(bad).encode()}), FieldFormat()
        )
    assert meta_problems(bad) == [
        "seed: Input should be a valid integer, unable to parse string as an integer"
    ]
