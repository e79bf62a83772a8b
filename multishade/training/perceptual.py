# SPDX-License-Identifier: Apache-2.0
"""The frozen network whose features a perceptual loss compares: VGG16, EfficientNet-Lite0, or none.

VGG16's weights are a checkpoint of torchvision that the user has; none is downloaded. What is taken is decided when a
run begins, stated in its log and in the model's record, and must be the same when it goes on.
"""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from multishade.errors import ModelError, TrainingError
from multishade.extras import is_installed
from multishade.models.rose.efficientnet import Encoder, normalised
from multishade.models.rose.imagenet import WEIGHTS, load_imagenet

Choice = Literal["auto", "vgg16", "lite0", "none"]
VGG16_FILE = "vgg16-397923af.pth"  # of torchvision; the name has the first digits of its SHA-256
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, for values 0 to 1
# Channels of the 3 x 3 convolutions in front of each halving; the features are those before it (Johnson et al. 2016).
VGG16_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))
LITE0_FEATURES = 4  # the finest: at 1/2 to 1/16 of the size


class Vgg16(nn.Module):
    """VGG16 up to relu4_3: features of relu1_2, relu2_2, relu3_3 and relu4_3, at 1, 1/2, 1/4 and 1/8 of the size."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self._ends = []
        before = 3
        for place, stage in enumerate(VGG16_STAGES):
            if place:
                layers.append(nn.MaxPool2d(2, 2))
            for width in stage:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            self._ends.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)  # numbered as in torchvision
        self.register_buffer("mean", torch.tensor(MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(3, 1, 1), persistent=False)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in -1..1 -> four features (B, C, h, w)."""
        hidden = ((picture + 1) / 2 - self.get_buffer("mean")) / self.get_buffer("deviation")
        found = []
        for place, layer in enumerate(self.features):
            hidden = layer(hidden)
            if place in self._ends:
                found.append(hidden)
        return found


class Lite0(nn.Module):
    """EfficientNet-Lite0: features at 1/2, 1/4, 1/8 and 1/16 of the size, which is a multiple of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder("lite0")

    def forward(self, picture: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in -1..1 -> four features (B, C, h, w)."""
        found: list[Tensor] = self.encoder(normalised(picture))
        return found[:LITE0_FEATURES]


@dataclass(frozen=True)
class Perceptual:
    """The features of a run.

    Attributes:
        network: Frozen, in evaluation; (B, 3, H, W) in -1..1 -> a list of features. None: there is no such loss.
        record: "features", and the origin of the weights: what a model states and a continuation must find again.
        remark: A line for the log.
    """

    network: nn.Module | None
    remark: str
    record: Mapping[str, Any] = field(default_factory=dict)


def choose_features(choice: Choice, weight: float, checkpoint: Path | None = None) -> Perceptual:
    """Find the features of a perceptual loss.

    Args:
        choice: auto: VGG16 if its checkpoint is there, else EfficientNet-Lite0 if its package is installed, else none.
        weight: Of the loss; 0: none, whatever the choice.
        checkpoint: VGG16's; None is torchvision's own file in torch's folder of downloads (`TORCH_HOME`).

    Raises:
        TrainingError: If the checkpoint of VGG16 is asked for and missing.
        ModelError: If weights are damaged or of another network.
        MissingPackageError: If lite0 is asked for and its package not installed.
    """
    if weight == 0 or choice == "none":
        reason = "objective.features is none" if choice == "none" else "objective.perceptual is 0"
        return _none(reason)
    path = checkpoint or Path(torch.hub.get_dir()) / "checkpoints" / VGG16_FILE
    if choice == "vgg16" or (choice == "auto" and (checkpoint is not None or path.is_file())):
        if not path.is_file():
            raise TrainingError(
                f"{path}: no such file; put torchvision's {VGG16_FILE} there, name its place in objective.vgg16, or "
                "set objective.features to lite0, auto or none"
            )
        return _vgg16(path)
    without = "" if choice == "lite0" else f"; there is no {path}"
    package = WEIGHTS["lite0"]
    if choice == "lite0" or is_installed(package.package):
        network = Lite0()
        origin = load_imagenet(network.encoder, "lite0")
        return Perceptual(
            _frozen(network),
            f"perceptual loss: features of EfficientNet-Lite0 ({origin['package']} {origin['version']}){without}",
            {"features": "lite0", **origin},
        )
    return _none(f"{package.distribution} is not installed{without}")


def _vgg16(path: Path) -> Perceptual:
    network = Vgg16()
    wanted = network.state_dict()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        # The checkpoint goes on with the fifth stage and the classifier.
        network.load_state_dict({name: state[name] for name in wanted})
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path}: no torch checkpoint, or one with more in it than weights") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not torchvision's weights of VGG16 ({error})") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Perceptual(
        _frozen(network),
        f"perceptual loss: features of VGG16 ({path}, SHA-256 {digest[:8]}...)",
        {"features": "vgg16", "file": path.name, "sha256": digest},
    )


def _none(reason: str) -> Perceptual:
    return Perceptual(
        None, f"perceptual loss: none, weight 0: {reason}", {"features": "none", "reason": reason}
    )


def _frozen(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False)
