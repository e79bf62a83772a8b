# SPDX-License-Identifier: Apache-2.0
"""Normals and primvars of a USD mesh that do not fit it are left out and said so; those that fit are shown."""

from pathlib import Path

import numpy as np
import pytest

from tests.support import mesh_members as members
from tests.support.shown import Show, is_ball

pytestmark = [pytest.mark.blender, pytest.mark.usefixtures("one_process")]
BALL = members.ball()
CORNERS = BALL.faces.ravel()


def primvar(name: str, values: np.ndarray, interpolation: str, indices: np.ndarray | None = None) -> str:
    kind = {"st": "texCoord2f", "displayColor": "color3f"}.get(name.rpartition(":")[2], "normal3f")
    rows = ", ".join(f"({', '.join(f'{value:.6f}' for value in row)})" for row in values)
    lines = [f'{kind}[] {name} = [{rows}] (interpolation = "{interpolation}")']
    lines += [] if indices is None else [f"int[] {name}:indices = {indices.tolist()}"]
    return "\n".join(lines)


def mesh(extra: str) -> str:
    """Without the UVs that it has otherwise."""
    text = members.usd_mesh("S", BALL, normals=False, extra=extra)
    return "\n".join(line for line in text.splitlines() if "primvars:st =" not in line or line in extra)


NORMALS, UV = BALL.normals, BALL.uv
UNFIT = {
    "few normals": primvar("normals", NORMALS[:50], "vertex"),
    "many normals": primvar("normals", NORMALS[[*CORNERS, 0]], "faceVarying"),
    "indices of no normal": primvar("primvars:normals", NORMALS, "faceVarying", CORNERS + 9),
    "few indices": primvar("primvars:normals", NORMALS, "faceVarying", CORNERS[:100]),
    "negative indices": primvar("primvars:st", UV, "faceVarying", CORNERS - 9),
    "few uvs": primvar("primvars:st", UV[:50], "vertex"),
    "few colours of corners": primvar("primvars:displayColor", NORMALS[:9], "faceVarying"),
    "few colours of faces": primvar("primvars:displayColor", NORMALS[:9], "uniform"),
}
FIT = {
    "of vertices": primvar("normals", NORMALS, "vertex"),
    "varying": primvar("normals", NORMALS, "varying"),
    "a varying primvar": primvar("primvars:normals", NORMALS, "varying"),
    "of corners": primvar("normals", NORMALS[CORNERS], "faceVarying"),
    "by indices": primvar("primvars:normals", NORMALS, "faceVarying", CORNERS),
}


@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.parametrize("instanced", [False, True])
def test_what_does_not_fit_is_left_out_and_said(
    show: Show, tmp_path: Path, name: str, instanced: bool
) -> None:
    members.write_usd(tmp_path / "plain.usda", mesh(""))
    members.write_usd(tmp_path / "a.usda", mesh(UNFIT[name]))
    members.write_usd(tmp_path / "instance.usda", members.usd_instance("a.usda"))
    plain, seen = show(tmp_path / "plain.usda"), show(tmp_path / ("instance.usda" if instanced else "a.usda"))
    assert plain.findings == () and seen.findings == ("mesh-repaired",)
    np.testing.assert_array_equal(seen.normal, plain.normal)
    np.testing.assert_array_equal(seen.images["image_parallel"], plain.images["image_parallel"])


@pytest.mark.parametrize("name", FIT)
def test_normals_that_fit_are_the_balls(show: Show, tmp_path: Path, name: str) -> None:
    for file, text in (("a", FIT[name]), ("vertices", FIT["of vertices"]), ("none", "")):
        members.write_usd(tmp_path / f"{file}.usda", mesh(text))
    seen, same, computed = (show(tmp_path / f"{file}.usda") for file in ("a", "vertices", "none"))
    assert seen.findings == ()
    is_ball(seen)
    np.testing.assert_array_equal(seen.normal, same.normal)
    assert (seen.normal != computed.normal).any()
