# SPDX-License-Identifier: Apache-2.0
"""An object that ends Blender each time is at fault, if a built-in one can be rendered after it: its shard goes on."""

from pathlib import Path

import pytest

from multishade.assets.schema import ObjectRow
from multishade.config import Config
from multishade.errors import AssetError, BlenderCrashed, BlenderError, BlenderTimeout
from multishade.protocol.messages import Geometry, Load
from multishade.render.failures import FailureKind, ShardFailed
from multishade.render.group_renderer import GroupRenderer
from multishade.render.proof import planned_proof
from multishade.render.stopwatch import Stopwatch


class Machine:
    """Stands for a Blender process: renders nothing, answers a control or not."""

    def __init__(self, folder: Path, sound: bool) -> None:
        self.folder, self._sound = folder, sound
        self.asked: list[object] = []

    def request(self, request: object) -> None:
        self.asked.append(request)
        if not self._sound:
            raise BlenderCrashed("Blender ended with signal SIGSEGV at 'load'")

    def cpu_seconds(self) -> float:
        return 0.0

    def close(self) -> None:
        pass


def renderer(monkeypatch: pytest.MonkeyPatch, machine: Machine, error: Exception) -> GroupRenderer:
    config = planned_proof(row(0)).config
    config = Config.model_validate(
        config.model_dump() | {"runtime": {"attempts": 2, "consecutive_failures": 3}}
    )
    made = GroupRenderer(config, 1, Stopwatch())

    def render(group: object) -> list:
        raise error

    monkeypatch.setattr(made, "render", render)
    monkeypatch.setattr(made, "blender", lambda group=None: machine)
    return made


def row(number: int) -> ObjectRow:
    fields = {"source": "file", "location": f"{number}.usdc", "sha256": "0" * 64, "licence": "CC0-1.0"}
    return ObjectRow(id=f"crash{number}", split="train", family="file", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BlenderCrashed("Blender ended with signal SIGSEGV at 'load'"), FailureKind.CRASH),
        (BlenderTimeout("Blender did not answer 'load' in time"), FailureKind.TIMEOUT),
    ],
)
def test_eight_objects_that_end_blender_do_not_give_up_a_shard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BlenderError, kind: FailureKind
) -> None:
    machine = Machine(tmp_path, sound=True)
    made = renderer(monkeypatch, machine, error)
    for number in range(8):
        assert made.samples(planned_proof(row(number)).group(0, 0)) == []
    assert [failure.kind for failure in made.failures] == [kind] * 8
    assert [type(request) for request in machine.asked] == [Load, Geometry] * 8


def test_a_machine_on_which_nothing_renders_gives_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = renderer(monkeypatch, Machine(tmp_path, sound=False), BlenderCrashed("Blender ended"))
    with pytest.raises(ShardFailed, match="3 groups in a row failed"):
        for number in range(8):
            made.samples(planned_proof(row(number)).group(0, 0))


def test_built_in_objects_are_never_at_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from multishade.assets.builtin import builtin_objects

    machine = Machine(tmp_path, sound=True)
    made = renderer(monkeypatch, machine, BlenderCrashed("Blender ended"))
    with pytest.raises(ShardFailed):
        for _ in range(8):
            made.samples(planned_proof(builtin_objects(1)[0]).group(0, 0))
    assert machine.asked == []


def test_a_file_that_cannot_be_used_needs_no_control(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(tmp_path, sound=True)
    made = renderer(monkeypatch, machine, AssetError("is torn"))
    for number in range(8):
        assert made.samples(planned_proof(row(number)).group(0, 0)) == []
    assert machine.asked == [] and {failure.kind for failure in made.failures} == {FailureKind.ASSET}
