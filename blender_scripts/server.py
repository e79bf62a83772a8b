# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, one JSON object a line on stdin -> answers, one marked JSON line each on stdout, arrays in EXR files.

Run as `python -m blender_scripts.server` where the bpy wheel is installed, or as
`blender --background --factory-startup --disable-autoexec --python blender_scripts/server.py`.
When stdin closes the process ends at once, even in the middle of a render: no Blender outlives its owner.
"""

import contextlib
import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # A Blender binary has no path to this package. Last in the list, since an installed copy lies beside a NumPy that
    # Blender's own must precede.
    sys.path.append(str(Path(__file__).resolve().parent.parent))

import bpy

from blender_scripts import devices
from blender_scripts.group import LoadedGroup, MaterialUnusable
from blender_scripts.lights import EnvironmentUnusable
from blender_scripts.map_sets import MapUnusable
from blender_scripts.objects import ObjectUnusable
from blender_scripts.render import Shot
from multishade.protocol import scene
from multishade.protocol.messages import MARK

ASSET_ERRORS = (ObjectUnusable, MaterialUnusable, MapUnusable, EnvironmentUnusable)


class Server:
    """Holds the group that is loaded and answers requests about it."""

    def __init__(self) -> None:
        self._group: LoadedGroup | None = None
        self._views: dict[str, scene.View] = {}
        self._device = ""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        return getattr(self, "do_" + request["do"])(request)

    def do_hello(self, request: dict[str, Any]) -> dict[str, Any]:
        self._device = devices.select(request["device"])
        _run_on(request["cores"])
        return {
            "blender": bpy.app.version_string,
            "device": self._device,
            "studio_lights": bpy.utils.system_resource("DATAFILES", path="studiolights/world"),
        }

    def do_load(self, request: dict[str, Any]) -> dict[str, Any]:
        group = scene.from_json(scene.Group, request["group"])
        self._group = None
        self._group = LoadedGroup(group, scene.from_json(scene.RenderSettings, request["settings"]))
        self._views = {view.key: view for view in group.views}
        devices.select(
            request["settings"]["device"]
        )  # the factory state that the group starts from forgets it
        return self._group.facts

    def do_geometry(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"seconds": self._loaded.geometry(self._views[request["view"]], Path(request["path"]))}

    def do_cast(self, request: dict[str, Any]) -> dict[str, Any]:
        view = self._views[request["view"]]
        return {"seconds": self._loaded.cast(view, request["number"], Path(request["path"]))}

    def do_image(self, request: dict[str, Any]) -> dict[str, Any]:
        view = self._views[request["view"]]
        light = view.lights[request["number"]]
        return {"seconds": self._loaded.image(view, light, _shot(request))}

    def do_photometric(self, request: dict[str, Any]) -> dict[str, Any]:
        view = self._views[request["view"]]
        return {"seconds": self._loaded.photometric(view, request["number"], _shot(request))}

    def do_basis(self, request: dict[str, Any]) -> dict[str, Any]:
        view = self._views[request["view"]]
        return {"seconds": self._loaded.basis(view, request["number"], _shot(request))}

    def do_together(self, request: dict[str, Any]) -> dict[str, Any]:
        view = self._views[request["view"]]
        lights = tuple(scene.from_json(scene.Light, light) for light in request["lights"])
        return {"seconds": self._loaded.together(view, lights, _shot(request))}

    def do_save(self, request: dict[str, Any]) -> dict[str, Any]:
        view = self._views[request["view"]]
        self._loaded.save(view, view.lights[request["number"]], Path(request["path"]))
        return {}

    @property
    def _loaded(self) -> LoadedGroup:
        if self._group is None:
            raise RuntimeError("no group is loaded")
        return self._group


def _run_on(cores: list[int] | None) -> None:
    """Let all threads of this process run on these cores: it was started on few (`multishade.render.blender.cores`)."""
    if cores is not None:
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), cores)


def _shot(request: dict[str, Any]) -> Shot:
    box = tuple(request["box"]) if request["box"] is not None else None
    optional = {name: request[name] for name in ("exposure", "pilot", "samples") if name in request}
    return Shot(Path(request["path"]), box, request["seed"], **optional)


def _read_requests(requests: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def main() -> None:
    # A thread reads, so that the end of stdin is noticed while the main thread renders.
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    server = Server()
    while True:
        try:
            answer = {"ok": True, **server.answer(json.loads(requests.get()))}
        except ASSET_ERRORS as error:
            answer = {"ok": False, "asset": True, "error": str(error)}
        except devices.DeviceMissing as error:
            answer = {"ok": False, "asset": False, "error": str(error), "device": True}
        except Exception as error:  # every failure is the client's to judge; it gets the traceback, too
            message = f"{type(error).__name__}: {error}"
            trace = traceback.format_exc().splitlines()
            answer = {"ok": False, "asset": False, "error": message, "traceback": trace}
        sys.stdout.write(f"\n{MARK}{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
