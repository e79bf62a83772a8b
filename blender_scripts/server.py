# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, one JSON object a line on stdin -> answers, one marked JSON line each on stdout, arrays in EXR files.

Run as `python -m blender_scripts.server` where the bpy wheel is installed, or as
`blender --background --factory-startup --disable-autoexec --python blender_scripts/server.py`.
The process ends at once when stdin closes, even in the middle of a render: no Blender outlives its owner.
"""

import contextlib
import os
import queue
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # A Blender binary has no path to this package. Last in the list, since an installed copy lies beside a NumPy that
    # Blender's own must precede.
    sys.path.append(str(Path(__file__).resolve().parent.parent))

import bpy

from blender_scripts import devices
from blender_scripts.foreign_images import ForeignImages
from blender_scripts.group import LoadedGroup, MaterialUnusable
from blender_scripts.lights import EnvironmentUnusable
from blender_scripts.map_sets import MapUnusable
from blender_scripts.material_passes import PassUnusable
from blender_scripts.objects import ObjectUnusable
from multishade.protocol import messages, scene

ASSET_ERRORS = (ObjectUnusable, MaterialUnusable, MapUnusable, EnvironmentUnusable, PassUnusable)


class Server:
    """Holds the loaded group and answers requests about it."""

    def __init__(self) -> None:
        self._group: LoadedGroup | None = None
        self._views: dict[str, scene.View] = {}

    def answer(self, request: messages.Request) -> messages.Answer:
        """Execute a request. Raises RuntimeError if no group is loaded, and any error of the scene."""
        match request:
            case messages.Handshake(device, cores):
                return _handshake(device, cores)
            case messages.Load(group, settings):
                return self._load(group, settings)
            case messages.Geometry(view, path, subpixels):
                return messages.Rendered(self._loaded.geometry(self._view(view), Path(path), subpixels))
            case messages.Cast(view, number, path, subpixels):
                return messages.Rendered(self._loaded.cast(self._view(view), number, Path(path), subpixels))
            case messages.Image(view, number, shot, light):
                return messages.Rendered(self._loaded.image(self._view(view), number, shot, light))
            case messages.Photometric(view, number, shot):
                return messages.Rendered(self._loaded.photometric(self._view(view), number, shot))
            case messages.Basis(view, number, shot):
                return messages.Rendered(self._loaded.basis(self._view(view), number, shot))
            case messages.Combined(view, lights, shot):
                return messages.Rendered(self._loaded.combined(self._view(view), lights, shot))
            case messages.Save(view, number):
                self._loaded.save(self._view(view), number, request)
                return messages.Saved()
            case _:
                raise TypeError(f"no answer is implemented for {type(request).__name__}")

    def _load(self, group: scene.Group, settings: scene.RenderSettings) -> messages.Loaded:
        self._group, self._views = None, {}
        try:
            self._group = LoadedGroup(group, settings)
        except ForeignImages as needed:
            return messages.Loaded(0.0, 0.0, 0, 0, foreign=needed.images)
        self._views = {view.key: view for view in self._group.views}
        devices.select(settings.device)  # loading the factory state resets the device
        return self._group.loaded

    @property
    def _loaded(self) -> LoadedGroup:
        if self._group is None:
            raise RuntimeError("no group is loaded")
        return self._group

    def _view(self, key: str) -> scene.View:
        if key not in self._views:
            raise RuntimeError(f"no view {key!r} is loaded; the group has {', '.join(self._views) or 'none'}")
        return self._views[key]


def _handshake(device: str, cores: Sequence[int] | None) -> messages.RendererInfo:
    name = devices.select(device)
    _run_on(cores)
    studio_lights = bpy.utils.system_resource("DATAFILES", path="studiolights/world")
    return messages.RendererInfo(bpy.app.version_string, name, studio_lights)


def _run_on(cores: Sequence[int] | None) -> None:
    """Let all threads of this process run on these cores; it starts on few (`multishade.render.blender.cores`)."""
    if cores is not None:
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), cores)


def _read_requests(requests: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def main() -> None:
    """Answer requests until stdin closes."""
    # A thread reads, so that the end of stdin is noticed while the main thread renders.
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    server = Server()
    while True:
        answer: messages.Answer
        try:
            answer = server.answer(messages.decode_request(requests.get()))
        except ASSET_ERRORS as error:
            answer = messages.Failed("asset", str(error))
        except devices.DeviceMissing as error:
            answer = messages.Failed("device", str(error))
        except Exception as error:  # the worker decides what any other failure means; it gets the traceback
            trace = tuple(traceback.format_exc().splitlines())
            answer = messages.Failed("error", f"{type(error).__name__}: {error}", trace)
        sys.stdout.write(f"\n{messages.MARK}{messages.encode(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
