# SPDX-License-Identifier: Apache-2.0
"""`exposure.min_visible`: a light that shows too little of the object is sampled again, the same way on every run."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from multishade.cli import main
from multishade.config import Config, fingerprint_fields, load_config
from multishade.imaging.color import luminance
from multishade.imaging.exposure import visible_share
from multishade.protocol.scene import Light, View
from multishade.render.blender.visibility import ATTEMPTS, Visibility, choose_light
from multishade.render.plan import make_plan
from multishade.render.relight import rendered_light, resampled_light, visibility
from multishade.shards.sample import decode_sample
from multishade.shards.tar import read_shard

pytestmark = pytest.mark.usefixtures("one_process")

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
ASKED = "exposure.min_visible=0.5"


def config(*overrides: str) -> Config:
    return load_config(DEMO, overrides)


def planned_view(*overrides: str) -> View:
    return make_plan(config(*overrides)).group(0, 0).views[0]


def test_off_it_is_absent_from_the_fingerprint() -> None:
    assert "min_visible" not in fingerprint_fields(config("exposure.min_visible=0"))["exposure"]
    assert fingerprint_fields(config(ASKED))["exposure"]["min_visible"] == 0.5
    assert visibility(config("exposure.min_visible=0")) is None


def test_another_light_follows_from_the_place_alone() -> None:
    view, chosen = planned_view(), config(ASKED)
    first = [resampled_light(chosen, view, 0, attempt) for attempt in range(1, 4)]
    assert first == [resampled_light(chosen, view, 0, attempt) for attempt in range(1, 4)]
    assert len({light.direction for light in first} | {view.lights[0].direction}) == 4
    assert all((light.field, light.kind) == ("image_parallel", "parallel") for light in first)
    assert resampled_light(chosen, view, 1, 1).kind == "point"


def test_a_mixed_light_keeps_its_environment() -> None:
    mixed = ("lights.mixed.count=1", ASKED)
    view = planned_view(*mixed)
    number = next(number for number, light in enumerate(view.lights) if light.kind == "mixed")
    old, new = view.lights[number], resampled_light(config(*mixed), view, number, 1)
    assert new.direction != old.direction
    assert (new.kind, new.environment, new.rotation_degrees) == (
        "mixed",
        old.environment,
        old.rotation_degrees,
    )


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ([0.9], 0),
        ([0.1, 0.2, 0.6], 2),
        ([0.1, 0.3, *[0.2] * (ATTEMPTS - 1)], 1),  # none shows enough: the one that shows most
        ([0.0] * (ATTEMPTS + 1), 0),
    ],
)
def test_the_first_that_shows_enough_is_taken(shares: list[float], chosen: int) -> None:
    view = planned_view()
    lights = [view.lights[0], *(dataclasses.replace(view.lights[0], strength=float(n)) for n in range(1, 9))]
    left = list(shares)
    wanted = Visibility(0.5, lambda view, number, attempt: lights[attempt])
    assert choose_light(view, 0, wanted, lambda light: left.pop(0)) == lights[chosen]
    assert left == [], "no pilot more than needed"


def test_environments_are_not_sampled_again() -> None:
    view = planned_view()
    number = next(number for number, light in enumerate(view.lights) if light.kind == "environment")

    def never(light: Light) -> float:
        raise AssertionError

    wanted = Visibility(0.5, lambda *_: view.lights[0])
    assert choose_light(view, number, wanted, never) == view.lights[number]


@pytest.mark.blender
def test_dark_images_become_visible_and_the_others_stay(tmp_path: Path) -> None:
    small = [
        "--set=camera={width: 64, height: 64}",
        "--set=views={count: 1, canonical: []}",
        "--set=lights.environment.count=0",
        "--set=lights.hemisphere=front",
        "--set=lights.min_elevation_degrees=0.1",
        "--set=materials={own: 0, metallic: 0, non_metallic: 1}",
        "--set=shards.groups=4",
        "--shards=0",
        "--workers=1",
    ]
    for name, more in (
        ("off", ["--set=exposure.min_visible=0"]),
        ("on", [f"--set={ASKED}"]),
        ("again", [f"--set={ASKED}"]),
    ):
        assert main(["render", str(DEMO), *small, *more, "-o", str(tmp_path / name)]) == 0
    tars = {name: tmp_path / name / "multishade-000000.tar" for name in ("off", "on", "again")}
    assert tars["on"].read_bytes() == tars["again"].read_bytes()
    off, on = ([decode_sample(*entry) for entry in read_shard(tars[name])] for name in ("off", "on"))
    plan = make_plan(load_config(DEMO, [*(each[6:] for each in small[:7]), ASKED]))
    changed = 0
    for group, before, after in zip(plan.groups(0), off, on, strict=True):
        for number, (name, image) in enumerate(after.images.items()):
            assert rendered_light(plan.config, group, group.views[0], number, after.info) is not None
            if after.info.lights[name] == before.info.lights[name]:
                np.testing.assert_array_equal(image, before.images[name])
                continue
            changed += 1
            shares = [
                visible_share(luminance(sample.images[name][sample.mask])) for sample in (before, after)
            ]
            assert shares[0] < 0.6 < shares[1] + 0.2, shares
    assert changed, "the plan has dark images"
