# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set -> all checks; some need the manifests that the data set was rendered from."""

from multishade.errors import MultiShadeError
from multishade.render.plan import read_plan
from multishade.render.sources import Assets
from multishade.stats.check import Check
from multishade.stats.contents import check_materials, check_objects
from multishade.stats.exposures import check_exposure
from multishade.stats.gather import Statistics
from multishade.stats.lights import check_lights
from multishade.stats.quality import check_converged
from multishade.stats.surfaces import check_normals, check_shading
from multishade.stats.views import check_cameras, check_framing


def check_all(statistics: Statistics, assets: Assets | None) -> list[Check]:
    """Make all checks.

    Args:
        statistics: The data set.
        assets: The rows that its objects, materials and environments were sampled from; None leaves out the checks that
            need them.

    Returns:
        The checks in the order of the page.
    """
    environments = tuple(row.id for row in assets.environments) if assets else None
    return [
        *check_objects(statistics, assets),
        *check_materials(statistics, assets),
        *check_cameras(statistics),
        *check_framing(statistics),
        *check_normals(statistics),
        *check_lights(statistics, environments),
        *check_exposure(statistics),
        *check_converged(statistics),
        *check_shading(statistics),
    ]


def assets_of(statistics: Statistics) -> tuple[Assets | None, str]:
    """Return the rows of the data set's manifests, or None and the reason why they cannot be read."""
    try:
        return read_plan(statistics.folder).assets, ""
    except MultiShadeError as error:
        return None, str(error)
