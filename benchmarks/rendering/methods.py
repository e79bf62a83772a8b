# SPDX-License-Identifier: Apache-2.0
"""One item of the panel, rendered by one method: CPU seconds by part, and the quality of each image.

Seconds are CPU seconds, user and system, of all processes that take part, with one thread per render: other work on the
machine changes them little.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.rendering import glass, references
from benchmarks.rendering.panel import Item, config, planned
from multishade.assets.schema import family_and_seed
from multishade.config import Config
from multishade.procedural import objects
from multishade.protocol import scene
from multishade.protocol.codec import to_json
from multishade.render.assemble import field_format
from multishade.render.blender.cores import held_to
from multishade.render.blender.passes import read_passes
from multishade.render.group_renderer import GroupRenderer
from multishade.render.scenes import scene_group
from multishade.render.stopwatch import Stopwatch
from multishade.shards.layout import shard_file
from multishade.shards.sample import encode_sample
from multishade.shards.tar import write_tar

SOURCE, PYTHON = "MULTISHADE_BLENDERPROC", "MULTISHADE_BLENDERPROC_PYTHON"
SHADING_SAMPLES = 8  # a white surface under one light needs no more
CYCLES = ("geometry", "images", "sequence")
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Measured:
    """One view. total: CPU seconds of everything, images: of each image among them, psnr: dB of each.

    Ours only: estimated, dB of each image as estimated while rendering; limit, the part inside Cycles' render calls,
    without pilots; memory, Blender's resident size in bytes.
    """

    total: float
    images: dict[str, float]
    psnr: dict[str, float]
    estimated: dict[str, float] = dataclasses.field(default_factory=dict)
    limit: float = 0.0
    memory: int = 0


class PeerFailed(Exception):
    """The other program failed; the message holds the last lines it printed."""


class Clock(Stopwatch):
    """A stopwatch that also records the CPU seconds of each stage: (stage, CPU seconds)."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: list[tuple[str, float]] = []
        self._child: psutil.Process | None = None
        self._before = 0.0

    def start(self, child: psutil.Process) -> None:
        self._child, self._before = child, _cpu(child)
        self.spent.clear()
        self.seconds.clear()

    def add(self, stage: str, seconds: float) -> None:
        super().add(stage, seconds)
        if self._child is not None:
            now = _cpu(self._child)
            self.spent.append((stage, now - self._before))
            self._before = now


class Ours:
    """The pipeline, from the built-in mesh to the tar, with one Blender process as in a worker."""

    def __init__(self, settings: Config) -> None:
        self._config, self._clock = settings, Clock()
        self._renderer = GroupRenderer(settings, 1, self._clock)
        self._renderer.blender()

    def measure(self, item: Item, views: range = range(1), compared: bool = True) -> Measured:
        """Render the item, from the built-in mesh to the tar. An image's seconds are those of all its parts.

        compared: Whether with the item's reference, which has to be there; else `psnr` is empty.
        """
        with tempfile.TemporaryDirectory() as folder:
            group = planned(item, self._config, Path(folder), views)
            # Before the clock runs: a Blender that may not read the group's files is replaced.
            child = psutil.Process(self._renderer.blender(group).pid)
            before, wall = _cpu(child), time.perf_counter()
            self._clock.start(child)
            samples = self._renderer.render(group)
            files = [(s.key, encode_sample(s, field_format(self._config))) for s in samples]
            write_tar(shard_file(Path(folder), 0), files)
            total, elapsed = _cpu(child) - before, time.perf_counter() - wall
        # The share inside Cycles is measured in elapsed time, since stages have no CPU time of their own.
        limit = total * sum(self._clock.seconds.get(stage, 0.0) for stage in CYCLES) / elapsed
        known, view = references.of(item) if compared else {}, samples[0]
        psnr = {
            field: known[field].psnr(image / view.info.exposure[field])
            for field, image in view.images.items()
            if field in known
        }
        quality = view.info.quality
        images = self._by_image({field: quality[field].parts if quality else 1 for field in view.images})
        estimated = {field: reached.psnr for field, reached in quality.items() if field in view.images}
        return Measured(total, images, psnr, estimated, limit, child.memory_info().rss)

    def close(self) -> None:
        self._renderer.close()

    def _by_image(self, parts: dict[str, int]) -> dict[str, float]:
        """CPU seconds of the first view's images, pilots included; they are rendered in the order of `parts`."""
        found = dict.fromkeys(parts, 0.0)
        rendered = iter(field for field, count in parts.items() for _ in range(count))
        pilot = 0.0
        for stage, seconds in self._clock.spent:
            if stage == "pilots":
                pilot = seconds
            elif stage == "images" and (field := next(rendered, None)) is not None:
                found[field] += pilot + seconds
                pilot = 0.0
        return found


def _cpu(child: psutil.Process) -> float:
    times = child.cpu_times()
    return time.process_time() + times.user + times.system


def straightforward(item: Item, samples: int, shadings: int) -> Measured:
    """Run the script in its own process; importing Blender is not counted. `shadings`: how many to render."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        request = _request(item, samples, shadings, folder)
        command = [
            sys.executable,
            "-m",
            "blender_scripts.peers.straightforward",
            str(folder / "request.json"),
        ]
        return _run(item, command, request, folder, {**os.environ, "PYTHONPATH": str(REPOSITORY)})


def blenderproc_is_there() -> bool:
    return bool(os.environ.get(SOURCE))


def blenderproc(item: Item, samples: int, shadings: int) -> Measured:
    """Run BlenderProc from the source folder MULTISHADE_BLENDERPROC with the Python MULTISHADE_BLENDERPROC_PYTHON."""
    source = Path(os.environ[SOURCE])
    if not (source / "blenderproc" / "version.py").is_file():
        raise PeerFailed(f"{SOURCE}={source}: is not BlenderProc's source folder")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        request = _request(item, samples, shadings, folder)
        request |= {
            "blenderproc": str(source),
            "repository": str(REPOSITORY),
            "mesh": str(_write_mesh(item, folder)),
            "crease_degrees": objects.build(*family_and_seed(item.object)).crease_degrees,
            "own": {
                "Base Color": [*glass.COLOUR, 1.0],
                "Roughness": glass.ROUGHNESS,
                "Transmission Weight": glass.TRANSMISSION,
            },
            "environments": _environments(request["group"]),
        }
        script = REPOSITORY / "blender_scripts" / "peers" / "blenderproc_render.py"
        environment = {**os.environ, "PYTHONPATH": str(source), "USE_EXTERNAL_BPY_MODULE": "1"}
        command = [os.environ.get(PYTHON, sys.executable), str(script), str(folder / "request.json")]
        return _run(item, command, request, folder, environment)


def _request(item: Item, samples: int, shadings: int, folder: Path) -> dict[str, Any]:
    settings = config()
    group = scene_group(planned(item, settings, folder), folder, settings)
    counts = {**dict.fromkeys(scene.LIGHT_KINDS, samples), "shading": SHADING_SAMPLES}
    return {
        "group": to_json(group),
        "samples": counts,
        "shadings": shadings,
        "threads": 1,
        "folder": str(folder),
    }


def _run(
    item: Item, command: list[str], request: dict[str, Any], folder: Path, environment: dict[str, str]
) -> Measured:
    """Run the peer's process. All shadings are counted at the mean of those that were rendered."""
    (folder / "request.json").write_text(json.dumps(request))
    with held_to(
        1
    ):  # as for ours: limited to one thread on several cores, Cycles would waste half of the time
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"cpu"')]
    if not lines:
        raise PeerFailed(f"{' '.join(command[:3])}: {(done.stdout + done.stderr)[-2000:]}")
    found = json.loads(lines[-1])
    lights = len(request["group"]["views"][0]["sequence"]["directions"])
    rendered = found["shading"]
    unrendered = (lights - len(rendered)) * statistics.mean(rendered) if rendered else 0.0
    return Measured(found["cpu"] + unrendered, found["images"], _qualities(item, folder))


def _qualities(item: Item, folder: Path) -> dict[str, float]:
    """PSNR of the images that a peer left in the folder."""
    found = {}
    for field, reference in references.of(item).items():
        exr, npy = folder / f"{field}.exr", folder / f"{field}.npy"
        image: NDArray = np.load(npy) if npy.is_file() else read_passes(exr)["Combined"]
        found[field] = reference.psnr(image[..., :3])
    return found


def _write_mesh(item: Item, folder: Path) -> Path:
    """Write the built-in mesh as an OBJ, centred and of radius 0.5, as our loader normalises it."""
    import trimesh

    mesh = objects.build(*family_and_seed(item.object))
    vertices = mesh.vertices.astype(np.float64)
    vertices = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    vertices *= 0.5 / np.linalg.norm(vertices, axis=1).max()
    turned = vertices[:, [0, 2, 1]] * [1, 1, -1]  # an OBJ is read with y up
    path = folder / "object.obj"
    trimesh.Trimesh(turned, mesh.faces, process=False).export(path)
    return path


def _environments(group: dict[str, Any]) -> dict[str, str]:
    """Name of a studio map -> where the bpy wheel has it."""
    import importlib.util

    spec = importlib.util.find_spec("bpy")
    assert spec is not None and spec.origin is not None
    folder = next(Path(spec.origin).parent.rglob("studiolights/world"))
    names = {
        light["environment"] for view in group["views"] for light in view["lights"] if light["environment"]
    }
    return {name: str(folder / name.removeprefix(scene.STUDIO)) for name in names}
