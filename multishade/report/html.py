# SPDX-License-Identifier: Apache-2.0
"""A template of `report/templates/` and values -> HTML, every value escaped."""

from functools import cache
from typing import Any

import jinja2


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
