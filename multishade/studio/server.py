# SPDX-License-Identifier: Apache-2.0
"""A studio -> its web application: the page, what is sent to it, what it shows, and the files to download.

It answers on the loopback, to requests that name the loopback as their host. What changes something needs a header that
a page of another site cannot send without asking, and it is never allowed to. Names of files go into JSON, and the
page shows them as text.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from multishade.report.html import render_template
from multishade.studio.studio import MASK_MEGABYTES, Studio
from multishade.studio.uploads import MEGABYTE, UploadRefused, safe_name
from multishade.viewer.loopback import HEADERS, ONLY_LOOPBACK, respond

JSON, SCRIPT, STYLE = "application/json", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
OWN_HEADER = "x-multishade-studio"
RELIGHT = "<!-- relight -->"  # in index.html: where the component's markup goes
# What the page loads: address -> (package, path, media type).
STATIC = {
    **{
        name: ("multishade.studio", name, SCRIPT)
        for name in ("studio.js", "requests.js", "mask.js", "drop.js", "results.js")
    },
    **{
        f"relight/{name}.js": ("multishade.report", f"relight/{name}.js", SCRIPT)
        for name in ("data", "shading", "picture", "surface", "light_pad", "relight")
    },
    "relight/relight.css": ("multishade.report", "relight/relight.css", STYLE),
    "studio.css": ("multishade.studio", "studio.css", STYLE),
}
SHOWN = {"object.json": JSON, "picture.jpg": "image/jpeg", "mask.png": "image/png"}

Endpoint = Callable[[Request], Awaitable[Response]]


def application(studio: Studio) -> Starlette:
    """Build the application.

    Args:
        studio: It works while the application runs, and is emptied when it ends.
    """

    @asynccontextmanager
    async def working(app: Starlette) -> AsyncIterator[None]:
        studio.start()
        yield
        studio.stop()

    async def page(request: Request) -> Response:
        text = (files("multishade.studio") / "static" / "index.html").read_text(encoding="utf-8")
        return respond(
            text.replace(RELIGHT, render_template("relight.html", colours_are="Photo")).encode(), "text/html"
        )

    async def static(request: Request) -> Response:
        package, path, kind = STATIC[request.url.path[1:]]
        return respond((files(package) / "static" / path).read_bytes(), kind)

    async def overview(request: Request) -> Response:
        return _json(studio.overview())

    async def add(request: Request) -> Response:
        name = request.query_params.get("name", "")
        if request.query_params.get("kind") == "set":
            item = studio.add_set(name)
        else:
            item = await studio.add_photo(name, request.stream(), request.headers.get("content-length"))
        return _json({"id": item.id})

    async def add_file(request: Request) -> Response:
        name = request.query_params.get("name", "")
        await studio.add_file(_key(request), name, request.stream(), request.headers.get("content-length"))
        return _json({})

    async def solve(request: Request) -> Response:
        try:
            options = json.loads(await _small(request, 0.01) or b"{}")
        except ValueError:
            options = None
        if not isinstance(options, dict):
            raise UploadRefused("the options are no JSON object", 400)
        studio.solve(_key(request), options)
        return _json({})

    async def mask(request: Request) -> Response:
        body = await _small(request, MASK_MEGABYTES)
        await run_in_threadpool(studio.paint, _key(request), body)
        return _json({})

    async def unpaint(request: Request) -> Response:
        studio.unpaint(_key(request))
        return _json({})

    async def remove(request: Request) -> Response:
        studio.item(_key(request))
        await run_in_threadpool(studio.remove, _key(request))
        return _json({})

    async def shown(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in SHOWN:
            raise UploadRefused("no such file", 404)
        return respond(await run_in_threadpool(studio.shown, _key(request), name), SHOWN[name])

    async def download(request: Request) -> Response:
        path = studio.result(_key(request), request.path_params["name"])
        return FileResponse(path, headers=HEADERS, filename=path.name)

    async def archive(request: Request) -> Response:
        item = studio.item(_key(request))
        path = await run_in_threadpool(studio.archive, item.id)
        stem = safe_name(item.name).rpartition(".")[0] or safe_name(item.name)
        return FileResponse(path, headers=HEADERS, filename=f"{stem}.zip", media_type="application/zip")

    one = "/api/items/{key}"
    routes = [
        Route("/api/items", _guarded(overview), methods=["GET"]),
        Route("/api/items", _guarded(add), methods=["POST"]),
        Route(one, _guarded(remove), methods=["DELETE"]),
        Route(f"{one}/source", _guarded(add_file), methods=["PUT"]),
        Route(f"{one}/solve", _guarded(solve), methods=["POST"]),
        Route(f"{one}/mask", _guarded(mask), methods=["PUT"]),
        Route(f"{one}/mask", _guarded(unpaint), methods=["DELETE"]),
        Route(f"{one}/shown/{{name}}", _guarded(shown), methods=["GET"]),
        Route(f"{one}/files.zip", _guarded(archive), methods=["GET"]),
        Route(f"{one}/files/{{name}}", _guarded(download), methods=["GET"]),
        Route("/", page, methods=["GET"]),
        *(Route(f"/{name}", static, methods=["GET"]) for name in STATIC),
    ]
    return Starlette(routes=routes, middleware=[ONLY_LOOPBACK], lifespan=working)


def _guarded(endpoint: Endpoint) -> Endpoint:
    """An endpoint that answers refusals as JSON, and that changes nothing for pages of other sites."""

    async def answer(request: Request) -> Response:
        try:
            if request.method != "GET" and OWN_HEADER not in request.headers:
                raise UploadRefused("only the page of the studio may change something", 403)
            return await endpoint(request)
        except UploadRefused as error:
            return _json({"error": str(error)}, error.status)

    return answer


def _json(content: Any, status: int = 200) -> Response:
    return respond(json.dumps(content, ensure_ascii=False).encode(), JSON, status)


async def _small(request: Request, megabytes: float) -> bytes:
    """A body that is held in memory."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > megabytes * MEGABYTE:
            raise UploadRefused("that is too large", 413)
    return bytes(body)


def _key(request: Request) -> str:
    return str(request.path_params["key"])
