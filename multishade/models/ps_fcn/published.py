# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the public code of PS-FCN or IGA-PSN (`.pth.tar`) -> the model's name, settings and weights.

Both are torch files with the entries "state_dict" and "model". The names of their layers are listed here and nowhere
else. IGA-PSN's code applies its second head to the third stage, too, and leaves the third head as it was initialised:
the second head's weights are taken for both, which gives what the code gives.
"""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from multishade.errors import ModelError

Weights = dict[str, Tensor]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]

_HOURGLASS = {
    "mconv1": "down_half",
    "mconv2": "at_half",
    "mconv3": "down_quarter",
    "mconv4": "at_quarter",
    "mconv5": "up_half",
    "mconv6": "up_full",
    "red1": "skip_full",
    "red2": "skip_half",
}

# Names of the public code -> ours. Of their "deconv" only deconv3 is transposed, and so are "mconv5" and "mconv6".
_PS_FCN: tuple[Rule, ...] = (
    (r"extractor\.conv(\d)\.0\.", lambda found: f"extractor.{int(found[1]) - 1}.0."),
    (r"regressor\.deconv(\d)\.0\.", lambda found: f"regressor.{int(found[1]) - 1}.0."),
    (r"regressor\.est_normal\.0\.", "regressor.3."),
)
_IGA_PSN: tuple[Rule, ...] = (
    (r"extractor\.conv(\d)\.0\.", lambda found: f"images.{int(found[1]) - 1}.0."),
    (r"high_extractor\.conv(\d)\.0\.", lambda found: f"gradients.{int(found[1]) - 1}.0."),
    (r"attentionfusion\.ChannelGate\.mlp\.1\.", "attention.channel.0."),
    (r"attentionfusion\.ChannelGate\.mlp\.3\.", "attention.channel.2."),
    (r"attentionfusion\.SpatialGate\.spatial\.conv\.", "attention.spatial."),
    (r"regressor\.deconv(\d)\.0\.", lambda found: f"regressor.preprocessing.{found[1]}.0."),
    (r"regressor\.est_normal\.0\.", "regressor.heads.0."),
    (r"regressor\.est_normal(\d)\.0\.", lambda found: f"regressor.heads.{int(found[1]) - 1}."),
    (
        r"regressor\.multi_reg(\d)\.(mconv\d|red\d)\.0\.",
        lambda found: f"regressor.hourglasses.{int(found[1]) - 2}.{_HOURGLASS[found[2]]}.0.",
    ),
)


def published_weights(path: Path) -> tuple[str, dict[str, Any], Weights]:
    """Read a published checkpoint.

    Args:
        path: The file. PS-FCN's two differ in their name only: one with "normalize" in it is of normalised images.

    Returns:
        "ps-fcn" or "iga-psn", settings, and weights under the names of our network.

    Raises:
        ModelError: If it is no such file, or of a variant that takes no lights or has batch normalisation.
    """
    state = _state(path)
    first = state.get("extractor.conv1.0.weight")
    if first is None or first.ndim != 4 or not len(first):
        raise ModelError(f"{path}: no extractor.conv1 in it; expected a checkpoint of PS-FCN or IGA-PSN")
    if any(key.endswith("running_mean") for key in state):
        raise ModelError(f"{path}: has batch normalisation, which the published models do not have")
    if first.shape[1] != 6:
        raise ModelError(
            f"{path}: its network takes {first.shape[1]} channels, not an image and its light: UPS-FCN, which takes no "
            "lights, is not supported"
        )
    width = len(first)
    if "attentionfusion.SpatialGate.spatial.conv.weight" in state:
        weights = _renamed(path, state, _IGA_PSN)
        if "regressor.heads.1.weight" not in weights:
            raise ModelError(f"{path}: no regressor.est_normal2 in it, the second head")
        weights["regressor.heads.2.weight"] = weights["regressor.heads.1.weight"].clone()
        return "iga-psn", {"width": width, "gradient": "squared"}, weights
    return "ps-fcn", {"width": width, "normalise": "normalize" in path.name}, _renamed(path, state, _PS_FCN)


def _state(path: Path) -> Weights:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own text advises to load it without its guard, which would run what the file says.
        raise ModelError(
            f"{path}: no torch checkpoint, or one with more in it than weights, which is not loaded"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: cannot be read as a torch checkpoint ({error})") from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise ModelError(
            f"{path}: has no state_dict with weights; expected a checkpoint of PS-FCN or IGA-PSN"
        )
    return dict(state)


def _renamed(path: Path, state: Weights, rules: tuple[Rule, ...]) -> Weights:
    renamed = {}
    for key, value in state.items():
        for pattern, name in rules:
            ours, count = re.subn(f"^{pattern}", name, key)
            if count:
                renamed[ours] = value
                break
        else:
            raise ModelError(f"{path}: unknown weights {key}")
    return renamed
