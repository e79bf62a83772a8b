# SPDX-License-Identifier: Apache-2.0
"""The address of a server -> whether it has answered this process before, and why it cannot be reached now.

Without a network, every server is tried twice and no more: waiting is for servers that answered before.
"""

import socket
import urllib.request
from urllib.parse import urlsplit

_answered: set[str] = set()
_PORTS = {"http": 80, "https": 443}


def note_answer(url: str) -> None:
    """Remember that the server of a URL answered, whatever it said."""
    _answered.add(urlsplit(url).netloc)


def has_answered(url: str) -> bool:
    """Whether the server of a URL has answered this process before."""
    return urlsplit(url).netloc in _answered


def unreachable(url: str, seconds: float = 5.0) -> str | None:
    """Try to connect to a server that has not answered yet.

    Args:
        url: Any address of the server, http or https.
        seconds: How long to wait.

    Returns:
        Why it cannot be reached, such as "Name or service not known"; None if it can be, or if a proxy would connect.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        return "it is no address that begins with http:// or https://"
    host = parts.hostname or ""
    proxied = parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)
    if proxied or has_answered(url):
        return None
    try:
        socket.create_connection((host, parts.port or _PORTS[parts.scheme]), seconds).close()
    except (OSError, ValueError) as error:  # ValueError: a name or port that no server can have
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    return None
