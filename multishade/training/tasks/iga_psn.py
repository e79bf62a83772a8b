# SPDX-License-Identifier: Apache-2.0
"""IGA-PSN: images under known lights -> normals. The base is `multishade.training.stereo`."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from multishade.models.iga_psn.model import IGAPSN
from multishade.models.iga_psn.settings import IgaPsnSettings
from multishade.models.ps_fcn.model import StereoModel
from multishade.training.stereo import StereoTask
from multishade.training.stereo_config import StereoConfig, StereoOrigin


class IgaPsnModel(IgaPsnSettings, StereoOrigin):
    """IGA-PSN's settings and the origin of its weights."""


class IgaPsnConfig(StereoConfig):
    """A training run of IGA-PSN: the network, its data, the losses, the optimiser, and what is written."""

    task: Literal["iga-psn"] = Field("iga-psn", description="what is trained")
    model: IgaPsnModel


class IgaPsnTask(StereoTask[IgaPsnConfig, IGAPSN]):
    settings_type = IgaPsnConfig
    model_type: ClassVar[type[StereoModel[Any]]] = IGAPSN
