# SPDX-License-Identifier: Apache-2.0
"""A child that speaks Blender's side of the protocol without Blender: a sphere whose pixels follow from each request.

`dummy_process.dummy_blender` writes the program that `runtime.blender` names. It starts in a fraction of a second, and
its bytes depend on the requests alone, as Blender's do. What goes wrong is said by the variable DUMMY_BLENDER,
`FAULT@WHERE`: at the request of this number (counted in each process) or of this name (`load`), or at the group of this
key, the child does FAULT:

    crash (SIGSEGV), exit (no answer, status 7), hang, hold (hang until its owner ends), stop (SIGSTOP), leak (memory),
    truncate (its EXR files), asset (refuses the file), error (a traceback), slow (answers half a second late)

`dummy_process.failing_once` lets only the first process do so.
"""

import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.imaging.codecs import encode_exr
from multishade.protocol import messages
from multishade.protocol.scene import View

RADIUS = 0.42  # of the sphere, of the image's shorter side


class Child:
    """Answers requests, or goes wrong."""

    def __init__(self, fault: str) -> None:
        self._fault, _, self._where = fault.partition("@")
        self._requests = 0
        self._views: dict[str, View] = {}
        self._group = ""

    def answer(self, request: Any) -> messages.Answer:
        self._requests += 1
        if isinstance(request, messages.Load):
            self._views = {view.key: view for view in request.group.views}
            self._group = request.group.key
        name = messages.name_of(request)
        due = self._due(name)
        if due and (failed := self._go_wrong()):
            return failed
        match request:
            case messages.Handshake():
                return messages.RendererInfo("dummy", "CPU", "")
            case messages.Load():
                return messages.Loaded(0.0, 0.0, 3, 1)
            case messages.Geometry(view, path) | messages.Cast(view, _, path):
                self._write(Path(path), self._geometry(self._views[view]), due)
            case messages.Image(view, number, shot) | messages.Photometric(view, number, shot):
                pixels = self._image(self._views[view], shot, number)
                self._write(Path(shot.path), pixels, due)
            case _:
                return messages.Failed("error", f"the dummy has no answer to {name}")
        return messages.Rendered(0.0)

    def _due(self, name: str) -> bool:
        return self._where in (str(self._requests), name, self._group)

    def _go_wrong(self) -> messages.Answer | None:
        match self._fault:
            case "crash":
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(7)
            case "hang":
                time.sleep(3600)
            case "hold":
                sys.stdin.read()
                os._exit(0)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "leak":
                held = []
                while True:
                    held.append(bytearray(os.urandom(1 << 20)) * 8)
                    time.sleep(0.01)
            case "slow":
                time.sleep(0.5)
            case "asset":
                return messages.Failed("asset", f"{self._group}: the file is torn")
            case "error":
                return messages.Failed("error", "RuntimeError: no node is left", ("Traceback", "  line 1"))
        return None

    def _write(self, path: Path, channels: dict[str, NDArray[np.float32]], due: bool) -> None:
        data = encode_exr({f"ViewLayer.{name}": plane for name, plane in channels.items()}, "zip")
        path.write_bytes(data[: len(data) // 2] if due and self._fault == "truncate" else data)

    def _geometry(self, view: View) -> dict[str, NDArray[np.float32]]:
        x, y, z, inside = _sphere(view)
        normal = np.stack([x, y, z], axis=-1) @ np.asarray(view.camera.camera_to_world, np.float32)[:3, :3].T
        planes = {"Depth.Z": np.where(inside, 1.6 - 0.5 * z, 1e10), "Combined.A": inside}
        for place, axis in enumerate("XYZ"):
            plane = np.where(inside, normal[..., place], 0)
            planes |= {f"Normal.{axis}": plane, f"normal_geometry.{axis}": plane}
        for name in "RGB":
            planes[f"Combined.{name}"] = np.where(inside, np.maximum(z, 0), 0)
        return {name: np.ascontiguousarray(plane, np.float32) for name, plane in planes.items()}

    def _image(self, view: View, shot: messages.Shot, number: int) -> dict[str, NDArray[np.float32]]:
        x, y, z, inside = _sphere(view)
        rng = np.random.default_rng([shot.seed, number])
        left, top, right, bottom = shot.box or (0, 0, view.camera.width, view.camera.height)
        planes = {"Combined.A": inside.astype(np.float32)}
        for place, name in enumerate("RGB"):
            grey = 0.2 + 0.2 * place + 0.3 * np.maximum(z, 0) + 0.1 * x + 0.01 * rng.random(z.shape)
            planes[f"Combined.{name}"] = np.where(inside, grey * shot.exposure, 0)
        window = np.s_[top:bottom, left:right]
        return {name: np.ascontiguousarray(plane[window], np.float32) for name, plane in planes.items()}


def _sphere(view: View) -> tuple[NDArray[np.float32], ...]:
    """x, y, z of the unit normal in the camera's frame, and where the sphere is."""
    width, height = view.camera.width, view.camera.height
    v, u = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    radius = RADIUS * min(width, height)
    x, y = (u - width / 2) / radius, (height / 2 - v) / radius
    inside = x * x + y * y < 1
    return x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0)), inside


def main() -> None:
    child = Child(os.environ.get("DUMMY_BLENDER", ""))
    for line in sys.stdin:
        answer = child.answer(messages.decode_request(line))
        sys.stdout.write(f"\n{messages.MARK}{messages.encode(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
