# SPDX-License-Identifier: Apache-2.0
"""Material passes are the values with which materials were made: analytic materials, mixes, holes, several objects."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multishade.errors import AssetError
from multishade.geometry.camera import intrinsics
from multishade.geometry.depth import depth_to_points
from multishade.protocol.scene import PASSES, ObjectSource
from multishade.render.blender import BlenderProcess, RenderedView
from tests.render.test_truth import render
from tests.support.imports import REPOSITORY
from tests.support.shown import LAMP, SEEN_BY

pytestmark = pytest.mark.blender

# As in tests/support/material_files.py, which only a process with bpy can import.
FIRST = ((0.2, 0.4, 0.6), 0.3, 1.0)
SECOND = ((0.9, 0.05, 0.1), 0.75, 0.0)
DIFFUSE = ((0.5, 0.25, 0.125), 1.0, 0.0)
FACTOR = 0.25
EXACT = 1e-6


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("materials")
    command = [sys.executable, "-m", "tests.support.material_files", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return folder


def show(child: BlenderProcess, path: Path, passes: tuple[str, ...] = PASSES) -> RenderedView:
    source = ObjectSource("file", str(path))
    return render(child, source, SEEN_BY, LAMP, mode="lambert", samples=1, passes=passes)


def values(rendered: RenderedView, where: np.ndarray) -> set[tuple[float, ...]]:
    """The different (albedo, roughness, metallic) in a region, rounded to six digits."""
    passes = rendered.passes
    found = np.column_stack([passes["albedo"][where], passes["roughness"][where], passes["metallic"][where]])
    return {tuple(row) for row in np.unique(np.round(found, 6), axis=0).tolist()}


def expected(material: Any) -> tuple[float, ...]:
    return tuple(np.round(np.float32([*material[0], *material[1:]]), 6).tolist())


def test_each_object_has_the_values_of_its_own_material(child: BlenderProcess, files: Path) -> None:
    rendered = show(child, files / "constants.blend")
    index = rendered.passes["object_index"]
    assert index.dtype == np.uint16 and set(np.unique(index[rendered.mask])) == {1, 2, 3}
    found = {number: values(rendered, index == number) for number in (1, 2, 3)}
    wanted = {expected(material) for material in (FIRST, SECOND, DIFFUSE)}
    assert all(len(each) == 1 for each in found.values())
    assert set.union(*found.values()) == wanted
    for name, pass_values in rendered.passes.items():
        assert not pass_values[~rendered.mask].any(), name


def test_a_mix_of_shaders_has_the_mix_of_their_values(child: BlenderProcess, files: Path) -> None:
    rendered = show(child, files / "mixed.blend")
    (found,) = values(rendered, rendered.mask)
    first, second = np.float64(expected(FIRST)), np.float64(expected(SECOND))
    assert found == pytest.approx(((1 - FACTOR) * first + FACTOR * second).tolist(), abs=EXACT)


def test_values_that_vary_are_those_at_the_pixels_centre(child: BlenderProcess, files: Path) -> None:
    rendered = show(child, files / "by_place.blend")
    mask, passes = rendered.mask, rendered.passes
    u, v = passes["albedo"][mask][:, 0], passes["albedo"][mask][:, 1]
    assert np.abs(passes["roughness"][mask] - u).max() < EXACT
    assert np.abs(passes["metallic"][mask] - v).max() < EXACT
    assert np.ptp(u) > 0.9 and np.ptp(v) > 0.9
    # On a plane, u and v are affine in the place of the surface.
    place = np.column_stack([passes["position"][mask], np.ones(mask.sum())]).astype(np.float64)
    for values_of in (u, v):
        fit, *_ = np.linalg.lstsq(place, values_of.astype(np.float64), rcond=1e-6)
        assert np.abs(place @ fit - values_of).max() < 1e-4


def test_positions_are_those_of_depth_and_camera(child: BlenderProcess, files: Path) -> None:
    rendered = show(child, files / "constants.blend", ("position",))
    assert list(rendered.passes) == ["position"]
    points = depth_to_points(rendered.depth, intrinsics(SEEN_BY), SEEN_BY.type)
    assert np.abs(points - rendered.passes["position"])[rendered.mask].max() < 1e-4


def test_through_a_hole_the_values_are_those_behind_it(child: BlenderProcess, files: Path) -> None:
    rendered = show(child, files / "hole.blend")
    found = values(rendered, rendered.mask)
    assert found == {expected(FIRST), expected(SECOND)}
    index, metallic = rendered.passes["object_index"], rendered.passes["metallic"]
    front = index == index[rendered.mask & (metallic == 1)][0]
    assert (front == (metallic == 1))[rendered.mask].all() and 0.1 < front[rendered.mask].mean() < 0.9


def test_a_shader_without_such_values_is_refused_by_name(child: BlenderProcess, files: Path) -> None:
    with pytest.raises(
        AssetError, match=r"material 'm': its shader BSDF_GLOSSY has no albedo; .*formats\.passes"
    ):
        show(child, files / "glossy.blend")
    assert show(child, files / "glossy.blend", ()).passes == {}
    assert list(show(child, files / "glossy.blend", ("position", "object_index")).passes) == [
        "position",
        "object_index",
    ]


def test_images_and_truth_are_the_same_with_passes_and_without(child: BlenderProcess, files: Path) -> None:
    plain, more = (show(child, files / "constants.blend", passes) for passes in ((), PASSES))
    assert (plain.images["image_parallel"] == more.images["image_parallel"]).all()
    assert (plain.normal == more.normal).all() and (plain.depth == more.depth).all()
