# SPDX-License-Identifier: Apache-2.0
"""A configuration -> the model that training starts from: random weights of a preset, or pretrained ones."""

from dataclasses import replace
from pathlib import Path

from multishade.errors import ModelError
from multishade.models.rose import pretrained
from multishade.models.rose.model import RoSE
from multishade.models.rose.presets import build
from multishade.models.rose.settings import RoseSettings
from multishade.training.config import TrainConfig

COMMON = ("lights", "elevation_degrees", "process", "target", "photo", "light_angles")


def build_model(config: TrainConfig) -> RoSE:
    """Random weights come from torch's global generator. Raises ModelError.

    A folder of ours says what it was trained to do, and must agree with the configuration: K, target, photo and the
    like. A published base (SVD, SV3D) takes what the configuration says.
    """
    settings = config.model.settings().model_copy(update={"base": None})
    if config.model.preset is not None:
        return RoSE(build(config.model.preset, settings))
    source = config.model.pretrained
    assert source is not None
    parts = pretrained.load_parts(source, config.model.base)
    _require_agreement(source, settings)
    # What is frozen and large stays where it is: checkpoints hold the network only.
    base = None
    if parts.clip is not None or any(True for _ in parts.codec.parameters()):
        place = Path(pretrained.frozen_source(source, config.model.base))
        base = str(place.resolve() if place.is_dir() else place)
    return RoSE(replace(parts, settings=settings.model_copy(update={"base": base})))


def _require_agreement(source: str, settings: RoseSettings) -> None:
    known = pretrained.saved_settings(source)
    for name in COMMON if known is not None else ():
        theirs, ours = getattr(known, name), getattr(settings, name)
        if theirs != ours:
            raise ModelError(
                f"{source}: was trained with {name} = {theirs}, the configuration says {ours}: set "
                f"model.{name} to {theirs}, or start from another model"
            )
