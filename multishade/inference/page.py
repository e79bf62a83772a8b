# SPDX-License-Identifier: Apache-2.0
"""`Results` -> what the component that moves a light over an object needs, and page.html around it."""

from collections.abc import Sequence
from typing import Any

from multishade.geometry.boxes import bounding_window
from multishade.inference.results import Results
from multishade.report import relight


def pack_results(results: Results) -> dict[str, Any]:
    """Pack the part of the photo around the object for `mountRelight`.

    Args:
        results: With one normal at least.

    Returns:
        JSON-like data.
    """
    height, width = results.mask.shape
    rows, columns = bounding_window(results.given, margin=max(4, max(height, width) // 16))
    surface, relief = results.surface, None
    if surface is not None:
        left, top = surface.left - columns.start, surface.top - rows.start
        perspective = surface.projection == "perspective"
        relief = relight.Relief(surface.depth, surface.camera, perspective, left, top, surface.scale)
    painted = results.texture_is != "photo"
    return relight.pack_object(
        results.normal[rows, columns],
        results.given[rows, columns],
        results.picture[rows, columns],
        results.texture[rows, columns] if painted else None,
        relief,
    )


def facts_of(results: Results) -> list[str]:
    """Say in a few words what results are of: size, camera, model and its licence."""
    height, width = results.mask.shape
    facts = [f"{width} x {height} pixels", "orthographic" if results.view.camera is None else "perspective"]
    if results.model is not None:
        facts += [f"model {results.model['name']}", f"licence {results.model['licence']}"]
    return facts


def write_page(results: Results, files: Sequence[str]) -> str:
    """Write page.html.

    Args:
        results: With one normal at least.
        files: Names of files beside the page, which are linked.

    Returns:
        HTML.
    """
    facts = ", ".join(facts_of(results))
    data = pack_results(results)
    return relight.render_page(
        results.name, facts, data, results.texture_is.capitalize(), files, results.notes
    )
