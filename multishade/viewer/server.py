# SPDX-License-Identifier: Apache-2.0
"""A viewer -> the web application of `multishade view`: a page, its data as JSON, pictures, downloads.

It answers GET only, on the loopback, and to requests that name the loopback as their host, so that no page of another
site reads it. Nothing that a shard holds is interpreted: names go into JSON, and the page shows them as text.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multishade.errors import MultiShadeError
from multishade.viewer import loopback
from multishade.viewer.loopback import ONLY_LOOPBACK, respond
from multishade.viewer.query import Query, whole
from multishade.viewer.viewer import Viewer

THUMBNAIL = 192
# What the page loads: address -> (package, path, media type).
STATIC = {
    "": ("multishade.viewer", "index.html", "text/html; charset=utf-8"),
    "app.js": ("multishade.viewer", "app.js", "text/javascript; charset=utf-8"),
    "grid.js": ("multishade.viewer", "grid.js", "text/javascript; charset=utf-8"),
    "facets.js": ("multishade.viewer", "facets.js", "text/javascript; charset=utf-8"),
    "dialog.js": ("multishade.report", "dialog.js", "text/javascript; charset=utf-8"),
    "sample.js": ("multishade.report", "sample.js", "text/javascript; charset=utf-8"),
    "relit.js": ("multishade.report", "relit.js", "text/javascript; charset=utf-8"),
    **{
        f"relight/{name}": ("multishade.report", f"relight/{name}", "text/javascript; charset=utf-8")
        for name in ("shading.js", "picture.js", "light_pad.js")
    },
    "sample.css": ("multishade.report", "sample.css", "text/css; charset=utf-8"),
    "view.css": ("multishade.viewer", "view.css", "text/css; charset=utf-8"),
}


def application(viewer: Viewer) -> Starlette:
    """Build the application.

    Args:
        viewer: The data sets to show; they are read in the background while it runs.
    """

    @asynccontextmanager
    async def reading(app: Starlette) -> AsyncIterator[None]:
        for catalogue in viewer.catalogues:
            catalogue.start()
        yield
        for catalogue in viewer.catalogues:
            catalogue.stop()

    async def static(request: Request) -> Response:
        name = request.path_params.get("name", "")
        if name not in STATIC:
            raise HTTPException(404)
        package, path, kind = STATIC[name]
        return respond((files(package) / "static" / path).read_bytes(), kind)

    def answer(kind: str, make: Callable[[Request], Any], fresh: bool = True) -> Callable[..., Any]:
        async def endpoint(request: Request) -> Response:
            try:
                made = await run_in_threadpool(make, request)
            except MultiShadeError as error:
                return respond(json.dumps({"error": str(error)}).encode(), "application/json", 404)
            except (KeyError, ValueError, IndexError) as error:
                raise HTTPException(400) from error
            if kind == "application/json":
                made = json.dumps(made, ensure_ascii=False).encode()
            headers = {} if fresh else {"Cache-Control": "private, max-age=3600"}
            if kind == "application/zip":
                headers["Content-Disposition"] = f'attachment; filename="{_key(request)}.zip"'
            return respond(made, kind, extra=headers)

        return endpoint

    def number_of(request: Request) -> int:
        number = whole(request.query_params.get("set", "0"))
        if not 0 <= number < len(viewer.catalogues):
            raise ValueError("no such set")
        return number

    def which(request: Request) -> int:
        return max(0, whole(request.query_params["number"]))

    def query(request: Request) -> Query:
        return Query(request.query_params, viewer.catalogues[0].columns)

    def small(request: Request) -> bytes:
        name = request.query_params.get("name", "normal")
        return viewer.thumbnail(number_of(request), _key(request), name, THUMBNAIL)

    text = "application/json"
    routes = [
        Route("/api/sets", answer(text, lambda r: viewer.sets())),
        Route("/api/samples", answer(text, lambda r: viewer.samples(query(r)))),
        Route("/api/facets", answer(text, lambda r: viewer.facets(query(r)))),
        Route("/api/sample", answer(text, lambda r: viewer.sample(_key(r)))),
        Route("/thumbnail", answer("image/jpeg", small, fresh=False)),
        Route(
            "/picture",
            answer("image/png", lambda r: viewer.picture(number_of(r), _key(r), which(r)), fresh=False),
        ),
        Route("/difference", answer("image/png", lambda r: viewer.difference(_key(r), which(r)))),
        Route(
            "/normals", answer("application/octet-stream", lambda r: viewer.normals(number_of(r), _key(r)))
        ),
        Route("/download", answer("application/zip", lambda r: viewer.download(number_of(r), _key(r)))),
        Route("/", static),
        Route("/{name:path}", static),
    ]
    return Starlette(
        routes=[Route(route.path, route.endpoint, methods=["GET"]) for route in routes],
        middleware=[ONLY_LOOPBACK],
        lifespan=reading,
    )


def serve(viewer: Viewer, port: int, ready: Callable[[str], object]) -> None:
    """Show data sets until interrupted; the arguments are those of `loopback.serve`."""
    loopback.serve(application(viewer), port, ready)


def _key(request: Request) -> str:
    key = str(request.query_params["key"])
    if not key.replace("-", "").replace("_", "").isalnum() or not key.isascii():
        raise ValueError("no key")
    return key
