# SPDX-License-Identifier: Apache-2.0
"""A survey -> all its checks, and whether the manifests could be read for those that compare with them."""

from multishade.errors import MultiShadeError
from multishade.render.plan import Assets
from multishade.render.replay import plan_of
from multishade.stats.check import Check
from multishade.stats.contents import check_materials, check_objects
from multishade.stats.exposures import check_exposure
from multishade.stats.gather import Survey
from multishade.stats.lights import check_lights
from multishade.stats.quality import check_converged
from multishade.stats.surfaces import check_normals, check_shading
from multishade.stats.views import check_cameras, check_framing


def check_all(survey: Survey, assets: Assets | None) -> list[Check]:
    """In the order of the page. assets: what could be drawn from; None leaves out what needs to know it."""
    skies = tuple(row.id for row in assets.environments) if assets else None
    return [
        *check_objects(survey, assets),
        *check_materials(survey, assets),
        *check_cameras(survey),
        *check_framing(survey),
        *check_normals(survey),
        *check_lights(survey, skies),
        *check_exposure(survey),
        *check_converged(survey),
        *check_shading(survey),
    ]


def assets_of(survey: Survey) -> tuple[Assets | None, str]:
    """What the folder's manifests offer, or None and why they cannot be read."""
    try:
        return plan_of(survey.folder).assets, ""
    except MultiShadeError as error:
        return None, str(error)
