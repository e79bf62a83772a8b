# SPDX-License-Identifier: Apache-2.0
"""The Blender process: it survives bad assets and names them; crash, hang or leak end one process, with the reason."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import trimesh

from multishade.config import models
from multishade.errors import AssetError, BlenderCrashed, BlenderError, BlenderTimeout, RenderFailed
from multishade.protocol.messages import Geometry, Rendered, Request
from multishade.protocol.scene import Group, Light, ObjectSource, Sequence, View
from multishade.render.blender import BlenderProcess, cores, render_views
from multishade.render.stopwatch import Stopwatch
from tests.support.scenes import ANY_FILE, camera, settings

pytestmark = pytest.mark.blender


@pytest.fixture(scope="module")
def shared() -> Iterator[BlenderProcess]:
    """For what ends no process."""
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as running:
        yield running


@pytest.fixture
def blender() -> Iterator[BlenderProcess]:
    with BlenderProcess("cpu", models.Runtime(), assets=ANY_FILE) as running:
        yield running


def load(
    blender: BlenderProcess, source: ObjectSource, material: dict | None = None, light: Light | None = None
) -> int:
    """Number of pixels that the object covers."""
    lights = (light,) if light else ()
    view = View("s000000-g0000-v0", 1, camera("perspective"), lights, Sequence("lambert", ((0.0, 0.0, 1.0),)))
    group = Group("s000000-g0000", source, material or {"source": "own"}, (view,))
    (rendered,) = render_views(blender, group, settings(samples=1), Stopwatch())
    return int(rendered.mask.sum())


def test_a_bad_file_is_named_and_the_process_goes_on(shared: BlenderProcess, tmp_path: Path) -> None:
    no_faces = tmp_path / "points.ply"
    trimesh.PointCloud(np.eye(3)).export(no_faces)
    torn = tmp_path / "torn.glb"
    torn.write_bytes(trimesh.creation.box().export(file_type="glb")[:200])
    nowhere = tmp_path / "nowhere.obj"
    odd = tmp_path / "notes.txt"
    odd.write_text("hello")
    for path, reason in [
        (no_faces, "holds no faces"),
        (torn, "cannot import"),
        (nowhere, "no such file"),
        (odd, "is not a mesh format"),
    ]:
        with pytest.raises(AssetError, match=reason) as caught:
            load(shared, ObjectSource("file", str(path)))
        assert path.name in str(caught.value)
    assert load(shared, ObjectSource("monkey")) > 1000


def test_missing_and_unreadable_textures_are_errors_not_magenta(
    shared: BlenderProcess, tmp_path: Path
) -> None:
    broken = tmp_path / "sky.hdr"
    broken.write_bytes(b"#?RADIANCE\nnot an image")
    for path in (broken, tmp_path / "nowhere.hdr"):
        light = Light("image_env0", "environment", environment=str(path), environment_strength=1.0)
        with pytest.raises(AssetError, match=path.name):
            load(shared, ObjectSource("monkey"), light=light)
    assert load(shared, ObjectSource("monkey")) > 1000


def test_formats_that_people_bring(shared: BlenderProcess, tmp_path: Path) -> None:
    box = trimesh.creation.icosphere(subdivisions=2)
    sizes = {}
    for suffix in ("glb", "obj", "ply", "stl"):
        path = tmp_path / f"ball.{suffix}"
        box.export(path)
        sizes[suffix] = load(shared, ObjectSource("file", str(path)))
    # glTF and OBJ are y-up, PLY and STL z-up: the facets of the ball turn, its size stays.
    assert max(sizes.values()) < 1.01 * min(sizes.values()), sizes


def test_a_killed_process_is_reported_with_its_signal(blender: BlenderProcess) -> None:
    os.kill(blender.pid, signal.SIGSEGV)
    with pytest.raises(BlenderCrashed, match="signal SIGSEGV at 'load'"):
        load(blender, ObjectSource("monkey"))


def test_a_request_that_takes_too_long_ends_the_process() -> None:
    with BlenderProcess("cpu", models.Runtime(request_seconds=0.2)) as blender:
        light = Light("image_parallel", "parallel", direction=(0.0, 0.0, 1.0), strength=3.0)
        view = View("s0-g0-v0", 1, camera("perspective"), (light,), Sequence("lambert", ((0.0, 0.0, 1.0),)))
        group = Group("s0-g0", ObjectSource("monkey"), {"source": "own"}, (view,))
        with pytest.raises(BlenderTimeout, match="request_seconds"):
            list(render_views(blender, group, settings(samples=60000), Stopwatch()))
        assert not psutil.pid_exists(blender.pid)


def test_a_process_that_grows_too_large_is_ended() -> None:
    with BlenderProcess("cpu", models.Runtime(memory_gib=0.26)) as blender:
        light = Light("image_parallel", "parallel", direction=(0.0, 0.0, 1.0), strength=3.0)
        view = View("s0-g0-v0", 1, camera("perspective"), (light,), Sequence("lambert", ((0.0, 0.0, 1.0),)))
        group = Group("s0-g0", ObjectSource("monkey"), {"source": "own"}, (view,))
        with pytest.raises(BlenderCrashed, match=r"grew to .* GiB and was ended \(runtime.memory_gib"):
            list(render_views(blender, group, settings(samples=60000), Stopwatch()))


def test_a_programming_error_brings_its_traceback(blender: BlenderProcess) -> None:
    with pytest.raises(RenderFailed, match="at 'geometry': RuntimeError: no group is loaded") as caught:
        blender.request(Geometry("v", str(blender.folder / "render.exr")))
    assert any("Traceback" in line for line in caught.value.output)


def test_a_request_that_blender_does_not_understand_is_an_error(shared: BlenderProcess) -> None:
    @dataclasses.dataclass(frozen=True)
    class Polish(Request[Rendered]):
        view: str

    with pytest.raises(
        RenderFailed, match="at 'polish': ProtocolError: unknown request 'polish'; known are hand"
    ):
        shared.request(Polish("v"))
    assert load(shared, ObjectSource("monkey")) > 1000


def test_a_device_that_is_missing_is_refused_with_what_there_is() -> None:
    with pytest.raises(BlenderError, match="render.device is 'metal'.*available: cpu"):
        BlenderProcess("metal", models.Runtime())


def test_a_binary_that_is_missing_is_named() -> None:
    with pytest.raises(BlenderCrashed, match="/nowhere/blender: Blender cannot be started"):
        BlenderProcess("cpu", models.Runtime(blender="/nowhere/blender"))


def test_blender_does_not_outlive_its_owner(tmp_path: Path) -> None:
    """Killed in the middle of a render, the owner can clean nothing up: Blender has to exit by itself."""
    script = tmp_path / "owner.py"
    script.write_text(
        "from multishade.render.blender import *\n"
        "from tests.render.test_blender_process import *\n"
        "blender = BlenderProcess('cpu', models.Runtime())\n"
        "print(blender.pid, flush=True)\n"
        "light = Light('image_parallel', 'parallel', direction=(0.0, 0.0, 1.0), strength=3.0)\n"
        "view = View('v', 1, camera('perspective'), (light,), Sequence('lambert', ((0.0, 0.0, 1.0),)))\n"
        "group = Group('g', ObjectSource('monkey'), {'source': 'own'}, (view,))\n"
        "list(render_views(blender, group, settings(samples=60000), Stopwatch()))\n"
    )
    repository = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        time.sleep(2.0)  # well into the render
        owner.kill()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(
    len(cores.allowed() or ()) < 2, reason="one core: nothing could spin beside the thread that renders"
)
def test_one_thread_keeps_one_core_busy(blender: BlenderProcess) -> None:
    """Cycles' thread pool, held to one thread on many cores, has an idle worker that never sleeps."""
    process = psutil.Process(blender.pid)
    assert sorted(process.cpu_affinity()) == cores.allowed()
    light = Light("image_parallel", "parallel", direction=(0.0, 0.0, 1.0), strength=3.0)
    view = View("v", 1, camera("perspective"), (light,), Sequence("lambert", ((0.0, 0.0, 1.0),)))
    group = Group("g", ObjectSource("monkey"), {"source": "own"}, (view,))

    def spent() -> dict[int, float]:
        return {thread.id: thread.user_time + thread.system_time for thread in process.threads()}

    list(render_views(blender, group, settings(samples=1, threads=1), Stopwatch()))
    before = spent()
    list(render_views(blender, group, settings(samples=200, threads=1), Stopwatch()))
    shares = [seconds - before.get(thread, 0.0) for thread, seconds in spent().items()]
    assert max(shares) > 0.8 * sum(shares) > 0


def test_closing_leaves_no_process_and_no_folder() -> None:
    blender = BlenderProcess("cpu", models.Runtime())
    folder, pid = blender.folder, blender.pid
    threads = threading.active_count()
    blender.close()
    assert not folder.exists()
    assert not psutil.pid_exists(pid)
    assert threading.active_count() < threads
