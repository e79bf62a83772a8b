# SPDX-License-Identifier: Apache-2.0
"""An application -> a server on the loopback, with the headers that all local pages have.

Requests must name the loopback as their host, so that no page of another site reads what is served.
"""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from multishade.errors import OutputError

HOSTS = ["127.0.0.1", "localhost"]
ONLY_LOOPBACK = Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def respond(content: bytes, kind: str, status: int = 200, extra: dict[str, str] | None = None) -> Response:
    """Answer with the headers of a local page.

    Args:
        content: The body.
        kind: Media type.
        status: Of HTTP.
        extra: Further headers, which count more.
    """
    headers = {**HEADERS, "Cache-Control": "no-store", **(extra or {})}
    return Response(content, status, headers, media_type=kind)


def serve(application: ASGIApp, port: int, ready: Callable[[str], object]) -> None:
    """Answer until interrupted.

    Args:
        application: What answers.
        port: On the loopback; 0 takes a free one.
        ready: Called with the page's address when it can be opened.

    Raises:
        OutputError: If the port is taken, or is none.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a port is a number up to 65535"
        raise OutputError(f"port {port}: {reason}; choose another with --port, 0 takes a free one") from error
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False))

    async def run() -> None:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        ready(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        await task

    asyncio.run(run())
