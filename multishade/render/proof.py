# SPDX-License-Identifier: Apache-2.0
"""Rows of a manifest in, for each a small render or the reason for which Blender cannot render it out.

Every asset takes the road that it takes in a data set (`GroupRenderer`), so that what passes can be rendered later.
"""

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.assets.builtin import builtin_environments, builtin_objects
from multishade.assets.schema import EnvironmentRow, MaterialRow, ObjectRow, Row
from multishade.config import Config
from multishade.errors import AssetError, BlenderError, ObjectUnseen, RenderDeviceMissing
from multishade.render.blender.confined import AssetFiles
from multishade.render.group_renderer import GroupRenderer
from multishade.render.interrupt import interruptible
from multishade.render.plan import Plan
from multishade.render.sources import Assets
from multishade.render.stopwatch import Stopwatch
from multishade.shards.keys import SampleKey
from multishade.shards.sample import Sample

PIXELS = 32  # a side
FINE_PIXELS = 513  # for what is thinner than a pixel; odd, so that a needle upright in the middle is hit
SEED = 90  # its view is from above and from the side, so that nothing flat is seen edge-on
SAMPLES = 16  # of Cycles in a pixel
ATTEMPTS = 2  # the second in a new process, in case that an earlier asset left a damaged one behind


@dataclass(frozen=True)
class Proof:
    """The result for one row.

    Attributes:
        index: Position of the row in the input.
        image: (H, W, 3) float32, scene-linear and exposed; None if the asset cannot be rendered.
        normal: (H, W, 3) float32 unit vectors in the camera frame, 0 off the mask; None likewise.
        mask: (H, W) bool; None likewise.
        reason: None, or why the asset cannot be rendered.
    """

    index: int
    image: NDArray[np.float32] | None = None
    normal: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    reason: str | None = None


def prove(rows: Sequence[Row], workers: int = 2, threads: int = 1, seconds: float = 600.0) -> Iterator[Proof]:
    """Render every row once: an object in its own materials, a material and an environment on a built-in object.

    A crash of Blender costs the asset that it renders, and no other. Closing the iterator early, Ctrl-C and SIGTERM end
    all Blender processes.

    Args:
        rows: Objects, materials or environments.
        workers: Blender processes at once.
        threads: Threads of each.
        seconds: Deadline of each request to Blender.

    Yields:
        One proof per row, in the order in which they finish.

    Raises:
        BlenderError: If Blender cannot be started.
    """
    crew = _Crew(rows, threads, seconds)
    with interruptible():
        try:
            crew.start(max(1, min(workers, len(rows))))
            for _ in rows:
                finished = crew.finished.get()
                if isinstance(finished, BaseException):
                    raise finished
                yield finished
        finally:
            crew.stop()


def planned_proof(row: Row, pixels: int = PIXELS, seconds: float = 600.0) -> Plan:
    """Plan the data set of one group and one view, `pixels` a side, that shows `row`."""
    monkey, light = builtin_objects(1)[-1], builtin_environments()[0]
    objects = (row if isinstance(row, ObjectRow) else monkey,)
    materials = (row,) if isinstance(row, MaterialRow) else ()
    environments = (row if isinstance(row, EnvironmentRow) else light,)
    shares = {"own": 1.0, "metallic": 0.0, "non_metallic": 0.0}
    if isinstance(row, MaterialRow):
        shares |= {"own": 0.0, "metallic": float(row.kind == "metallic")}
        shares["non_metallic"] = 1.0 - shares["metallic"]
    config = Config.model_validate(
        {
            "name": "proof",
            "seed": SEED,
            # The rows stand in the plan; these names are only required to be there.
            "sources": {"objects": ["-"], "materials": ["-"], "environments": ["-"]},
            "materials": shares,
            "camera": {"width": pixels, "height": pixels, "distance": [1.25, 1.25]},
            "views": {"count": 1, "canonical": []},
            "lights": {"parallel": {"count": 0}, "point": {"count": 0}, "environment": {"count": 1}},
            "shading": {"stored": False},
            "render": {"samples": {"environment": SAMPLES}},
            "shards": {"groups": 1},
            "runtime": {"attempts": ATTEMPTS, "request_seconds": seconds},
        }
    )
    return Plan(config, Assets(objects, materials, environments), {})


class _NotStarted(Exception):
    """Blender cannot be started."""

    def __init__(self, error: BlenderError) -> None:
        super().__init__(str(error))
        self.error = error


class _Crew:
    """Threads that each own one Blender; the rows to do in, proofs or what ends the run out."""

    def __init__(self, rows: Sequence[Row], threads: int, seconds: float) -> None:
        self._rows, self._threads, self._seconds = rows, threads, seconds
        self._pending: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(len(rows)):
            self._pending.put(index)
        self.finished: queue.SimpleQueue[Proof | BaseException] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._members: list[threading.Thread] = []
        self._renderers: list[GroupRenderer] = []

    def start(self, count: int) -> None:
        for _ in range(count):
            config = planned_proof(builtin_objects(1)[0], seconds=self._seconds).config
            renderer = GroupRenderer(config, self._threads, Stopwatch())
            renderer.expect(AssetFiles(rows=self._rows))
            member = threading.Thread(target=self._work, args=(renderer,), daemon=True)
            self._renderers.append(renderer)
            self._members.append(member)
            member.start()

    def stop(self) -> None:
        """End all Blender processes, whatever they are at, and wait for the threads."""
        self._stopping.set()
        for member, renderer in zip(self._members, self._renderers, strict=True):
            while member.is_alive():
                # The thread sees the end of its process as a crash; it may be about to start another.
                renderer.interrupt()
                member.join(timeout=0.1)

    def _work(self, renderer: GroupRenderer) -> None:
        try:
            with renderer:
                while not self._stopping.is_set():
                    try:
                        index = self._pending.get_nowait()
                    except queue.Empty:
                        return
                    self.finished.put(self._prove(renderer, index))
        except _NotStarted as refusal:  # no fault of an asset: the run ends
            self.finished.put(refusal.error)
        except BaseException as error:  # raised again in the thread that reads `finished`
            self.finished.put(error)

    def _prove(self, renderer: GroupRenderer, index: int) -> Proof:
        row = self._rows[index]
        try:
            try:
                sample = self._render(renderer, row, PIXELS)
            except ObjectUnseen:
                sample = self._render(renderer, row, FINE_PIXELS)
        except RenderDeviceMissing:
            raise
        except (AssetError, BlenderError) as error:
            return Proof(index, reason=_plain(str(error), row))
        (image,) = sample.images.values()
        return Proof(index, image, sample.normal, sample.mask)

    def _render(self, renderer: GroupRenderer, row: Row, pixels: int) -> Sample:
        group = planned_proof(row, pixels).group(0, 0)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                renderer.blender(group)
            except BlenderError as error:
                raise _NotStarted(error) from error
            try:
                (sample,) = renderer.render(group)
                return sample
            except BlenderError:
                renderer.close()
                if attempt == ATTEMPTS or self._stopping.is_set():
                    raise
        raise AssertionError("unreachable: the last attempt returns")


def _plain(reason: str, row: Row) -> str:
    """A reason without the name of the asset, which the rejection states beside it, and on one line."""
    reason = " ".join(reason.split())
    for name in (str(row.path), row.path.name, str(SampleKey(0, 0, 0))):
        reason = reason.removeprefix(f"{name}: ")
    return reason
