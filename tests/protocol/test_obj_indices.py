# SPDX-License-Identifier: Apache-2.0
"""Faces of an OBJ that name what is not there are found, with the line."""

import pytest

from multishade.protocol.obj_indices import wrong_index

POINTS = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
COORDINATES, NORMALS = "vt 0 0\nvt 1 0\n", "vn 0 0 1\n"


@pytest.mark.parametrize(
    "text",
    [
        POINTS + "f 1 2 3\n",
        POINTS + "f -3 -2 -1\n",
        POINTS + COORDINATES + NORMALS + "f 1/1/1 2/2/1 3/-1/-1\n",
        POINTS + NORMALS + "f 1//1 2//1 3//1\n",
        POINTS + "f 1/9/9 2/9/9 3/9/9\n",  # Blender takes these for none
        POINTS + COORDINATES + "f 1/1/7 2/2/7 3/1/7",
        "# f 9 9 9\r\n" + POINTS.replace("\n", "\r\n") + "  f 1 \\\r\n 2 3\r\nl 7 8\r\n",
        POINTS + "f 1/ /1 a b\n",
    ],
)
def test_what_is_there_passes(text: str) -> None:
    assert wrong_index(text.splitlines(keepends=True)) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (POINTS + "f 1 2 4\n", "line 4: a face names vertex 4 of 3 so far"),
        (POINTS + "f 1 2 0\n", "line 4: a face names vertex 0 of 3 so far"),
        (POINTS + "f -4 1 2\n", "line 4: a face names vertex -4 of 3 so far"),
        ("f 1 2 3\n" + POINTS, "line 1: a face names vertex 1 of 0 so far"),
        (POINTS + NORMALS + "f 1//1 2//1 3//2\n", "line 5: a face names normal 2 of 1 so far"),
        (POINTS + NORMALS + "f 1//1 2//0 3//1\n", "line 5: a face names normal 0 of 1 so far"),
        (POINTS + COORDINATES + "f 1/1 2/2 3/3\n", "line 6: a face names texture coordinate 3 of 2 so far"),
        (
            POINTS + "f 1//2 2//2 3//2\n" + NORMALS + "f 1//2 2//2 3//2",
            "line 6: a face names normal 2 of 1 so far",
        ),
        (POINTS + "f 1 \\\n 2 \\\n 9\nf 1 2 8\n", "line 4: a face names vertex 9 of 3 so far"),
        (POINTS + "f 1 2 \\\n 9", "line 4: a face names vertex 9 of 3 so far"),
        (POINTS + "f 1 2 3\nf 1 2 5\\", "line 5: a face names vertex 5 of 3 so far"),
    ],
)
def test_what_is_not_there_is_named(text: str, reason: str) -> None:
    assert wrong_index(text.splitlines(keepends=True)) == reason
