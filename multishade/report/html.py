# SPDX-License-Identifier: Apache-2.0
"""Templates and static files of this package -> HTML, every value escaped; pages that need no other file."""

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

_LEFT_OUT = re.compile(r"(?m)^(?:import .*;\n|// SPDX.*\n|export )")


def render_template(name: str, **values: Any) -> str:
    """Fill in a template of this package.

    Args:
        name: Its file name, such as "document.html".
        **values: Its variables; text is escaped. A missing one is a bug and raises jinja2.UndefinedError.
    """
    return _environment().get_template(name).render(values)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("multishade.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def inline_modules(*names: str) -> str:
    """Join ES modules of `report/static/` into one script for a page that stands alone.

    Args:
        *names: Files, each after those that it imports from. They must not define a name twice.
    """
    return _LEFT_OUT.sub("", "\n".join(static_text(name) for name in names))


def static_text(name: str) -> str:
    """Return a file of `report/static/`."""
    return (files("multishade.report") / "static" / name).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """Return what a content security policy calls an inline script or style by: sha256-..."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def script_data(value: object) -> str:
    """Return JSON that cannot end the script element which it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def data_url(data: bytes, kind: str) -> str:
    """Return data as an address that needs no file: data:image/png;base64,..."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
