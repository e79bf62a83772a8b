# SPDX-License-Identifier: Apache-2.0
"""The columns `up`, `rotation` and `scale` of objects: what they mean, and that rows without them are unchanged."""

import numpy as np
import pytest
from pydantic import ValidationError

from multishade.assets.orientation import orientation_of
from multishade.assets.schema import ObjectRow, row_as_json


def row(name: str = "a.ply", **columns: object) -> ObjectRow:
    content = {"id": "a", "source": "file", "location": name, "sha256": "0" * 64, "family": "file"}
    return ObjectRow(**content, licence="CC0-1.0", split="train", **columns)  # type: ignore[arg-type]


def imported(name: str, vector: tuple[int, int, int]) -> np.ndarray:
    """A vector of a file after Blender's import."""
    x, y, z = vector
    return np.array((x, -z, y) if name.endswith((".glb", ".obj")) else (x, y, z), float)


@pytest.mark.parametrize("name", ["a.ply", "a.stl", "a.glb", "b/A.OBJ".lower()])
@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_the_stated_axis_of_the_file_points_up(name: str, up: str) -> None:
    matrix = orientation_of(row(name, up=up))
    assert matrix is not None
    axis = tuple(int(letter == up) for letter in "xyz")
    assert matrix @ imported(name, axis) == pytest.approx([0, 0, 1])  # type: ignore[arg-type]
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_the_axis_of_the_format_changes_nothing() -> None:
    assert orientation_of(row("a.glb", up="y")) == pytest.approx(np.eye(3))
    assert orientation_of(row("a.ply", up="z")) == pytest.approx(np.eye(3))


def test_rotation_follows_up_about_x_then_y_then_z() -> None:
    matrix = orientation_of(row(rotation=(90.0, 0.0, 90.0)))
    assert matrix is not None
    # y goes to z about x, and stays there about z; x goes to y about z.
    assert matrix @ [0, 1, 0] == pytest.approx([0, 0, 1])
    assert matrix @ [1, 0, 0] == pytest.approx([0, 1, 0])


def test_a_row_without_the_columns_is_written_as_before() -> None:
    assert orientation_of(row()) is None
    assert not {"up", "rotation", "scale"} & row_as_json(row()).keys()
    assert row_as_json(row(up="z", scale=0.5))["up"] == "z"


@pytest.mark.parametrize("columns", [{"scale": 0.0}, {"scale": 1.5}, {"up": "-z"}, {"rotation": (1.0, 2.0)}])
def test_values_out_of_range_are_refused(columns: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        row(**columns)
