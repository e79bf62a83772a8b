# SPDX-License-Identifier: Apache-2.0
"""A folder or a Hub name in diffusers' layout <-> the parts of a RoSE model.

    rose.json                                   the settings; published checkpoints have none
    unet/  vae/  scheduler/                     diffusers' own formats
    image_encoder/  feature_extractor/          CLIP, if the network is conditioned on it

The published RoSE has its UNet in one repository and the rest in another, `base`.
"""

from multishade.extras import require

require("torch", extra="train")

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from multishade.errors import ModelError
from multishade.models import hub
from multishade.models.rose.backbone import BackboneNetwork
from multishade.models.rose.codec import VAE, Codec, PixelUnshuffle
from multishade.models.rose.conditioning import ClipEncoder
from multishade.models.rose.schedule import NoiseSchedule
from multishade.models.rose.settings import FILE_NAME, RoseSettings
from multishade.models.rose.unet import RoseUNet

PUBLISHED_BASE = "chenguolin/sv3d-diffusers"


@dataclass(frozen=True)
class Parts:
    settings: RoseSettings
    # RoseUNet, BackboneNetwork or UNet2DModel: typed loosely, since diffusers' own types come late.
    unet: Any
    codec: Codec
    clip: ClipEncoder | None
    schedule: NoiseSchedule


def load_parts(source: str | Path, base: str | Path | None = None) -> Parts:
    """Load everything that a model is made of.

    source: a folder, or a name on the Hugging Face Hub. base: where what `source` lacks is found; default: the base in
    rose.json, or SV3D's for a published checkpoint. Raises ModelError, naming the part.
    """
    settings = saved_settings(source) or RoseSettings()
    unet = load_unet(source)
    rest = frozen_source(source, base)
    if str(rest) != str(source):
        settings = settings.model_copy(update={"base": str(rest)})
    return Parts(settings, unet, load_codec(rest), load_clip(rest), load_schedule(rest))


def saved_settings(source: str | Path) -> RoseSettings | None:
    """Read rose.json; None for a published checkpoint, which has none."""
    content = hub.read_json(source, FILE_NAME)
    return None if content is None else RoseSettings.from_json(content, f"{source}/{FILE_NAME}")


def frozen_source(source: str | Path, base: str | Path | None = None) -> str | Path:
    """Return the folder or Hub name of VAE, CLIP and scheduler of the model at `source`: the same, or its base."""
    if hub.read_json(source, "vae/config.json") is not None:
        return source
    settings = saved_settings(source)
    return base or (settings and settings.base) or PUBLISHED_BASE


def load_unet(source: str | Path) -> Any:
    """Load the network in float32. Raises ModelError unless the file's weights are exactly the network's."""
    require("diffusers", extra="train")
    from diffusers import UNet2DModel

    config = hub.read_json(source, "unet/config.json")
    if config is None:
        raise ModelError(f"{source}: no unet/config.json in it; is this the folder of a model?")
    ours = {kind.__name__: kind for kind in (UNet2DModel, BackboneNetwork)}
    kind: Any = ours.get(config.get("_class_name", ""), RoseUNet)
    unet, report = hub.load_part(
        source,
        "unet",
        lambda place: kind.from_pretrained(
            place, subfolder="unet", torch_dtype=torch.float32, output_loading_info=True
        ),
    )
    wrong = [f"{what} {', '.join(map(str, report[what][:3]))}" for what in report if report[what]]
    if wrong:
        raise ModelError(f"{source}: the UNet's weights do not fit its config.json: {'; '.join(wrong)}")
    return unet


def load_codec(source: str | Path) -> Codec:
    """Load the VAE, or the pixel codec that replaces it."""
    config = hub.read_json(source, "vae/config.json")
    if config is None:
        raise ModelError(f"{source}: no vae/config.json in it")
    name = config.get("_class_name")
    if name == PixelUnshuffle.CLASS_NAME:
        return PixelUnshuffle(int(config["factor"]))
    require("diffusers", extra="train")
    from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder

    kinds = {kind.__name__: kind for kind in (AutoencoderKL, AutoencoderKLTemporalDecoder)}
    if name not in kinds:
        raise ModelError(
            f"{source}/vae/config.json: _class_name {name!r}; expected one of {', '.join(kinds)}"
        )
    return VAE(
        hub.load_part(source, "vae", lambda place: kinds[name].from_pretrained(place, subfolder="vae"))
    )


def load_clip(source: str | Path) -> ClipEncoder | None:
    """Load CLIP's image encoder with the mean and deviation that normalise its photos, or None."""
    if hub.read_json(source, "image_encoder/config.json") is None:
        return None
    require("transformers", extra="train")
    from transformers import CLIPVisionModelWithProjection

    processor = hub.read_json(source, "feature_extractor/preprocessor_config.json")
    if processor is None:
        raise ModelError(f"{source}: an image_encoder, but no feature_extractor/preprocessor_config.json")
    encoder = hub.load_part(
        source,
        "image_encoder",
        lambda place: CLIPVisionModelWithProjection.from_pretrained(
            place, subfolder="image_encoder", dtype=torch.float32
        ),
    )
    return ClipEncoder(encoder, processor["image_mean"], processor["image_std"])


def load_schedule(source: str | Path) -> NoiseSchedule:
    """Load the noise levels of scheduler/. Raises ModelError for a process that is not EDM's with v-prediction."""
    place = f"{source}/scheduler/scheduler_config.json"
    config = hub.read_json(source, "scheduler/scheduler_config.json")
    if config is None:
        raise ModelError(f"{place}: not found")
    needed = {"prediction_type": "v_prediction", "timestep_type": "continuous", "use_karras_sigmas": True}
    for name, value in needed.items():
        if config.get(name) != value:
            raise ModelError(f"{place}: {name} is {config.get(name)!r}; this model needs {value!r}")
    if not (config.get("sigma_min") and config.get("sigma_max")):
        raise ModelError(f"{place}: sigma_min and sigma_max must be given")
    return NoiseSchedule(float(config["sigma_min"]), float(config["sigma_max"]))


def save_parts(folder: Path, parts: Parts) -> None:
    """Write what `load_parts` reads. Of a model with a `base` only the settings and the UNet."""
    require("diffusers", extra="train")
    from diffusers import EulerDiscreteScheduler

    folder.mkdir(parents=True, exist_ok=True)
    parts.unet.save_pretrained(folder / "unet")
    if parts.settings.base is None:
        parts.codec.save_pretrained(folder / "vae")
        EulerDiscreteScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            prediction_type="v_prediction",
            timestep_type="continuous",
            timestep_spacing="leading",
            steps_offset=1,
            use_karras_sigmas=True,
            sigma_min=parts.schedule.sigma_min,
            sigma_max=parts.schedule.sigma_max,
        ).save_pretrained(folder / "scheduler")  # type: ignore[attr-defined]
        if parts.clip is not None:
            parts.clip.save_pretrained(folder)
    (folder / FILE_NAME).write_text(json.dumps(parts.settings.as_json(), indent=2) + "\n")
