# SPDX-License-Identifier: Apache-2.0
"""PS-FCN: images under known lights -> normals. The base is `multishade.training.stereo`."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from multishade.models.ps_fcn.model import PSFCN, StereoModel
from multishade.models.ps_fcn.settings import PsFcnSettings
from multishade.training.stereo import StereoTask
from multishade.training.stereo_config import StereoConfig, StereoOrigin


class PsFcnModel(PsFcnSettings, StereoOrigin):
    """PS-FCN's settings and the origin of its weights."""


class PsFcnConfig(StereoConfig):
    """A training run of PS-FCN: the network, its data, the losses, the optimiser, and what is written."""

    task: Literal["ps-fcn"] = Field("ps-fcn", description="what is trained")
    model: PsFcnModel


class PsFcnTask(StereoTask[PsFcnConfig, PSFCN]):
    settings_type = PsFcnConfig
    model_type: ClassVar[type[StereoModel[Any]]] = PSFCN
