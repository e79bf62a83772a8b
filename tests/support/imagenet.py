# SPDX-License-Identifier: Apache-2.0
"""ImageNet's classes of scikit-image's sample photos, by EfficientNet-Lite's features and its own classifier."""

import numpy as np
import skimage.data
import torch
from skimage.transform import resize
from torch import Tensor
from torch.nn import functional

from multishade.models.rose.efficientnet import EPSILON, Encoder, normalised
from multishade.models.rose.imagenet import load_imagenet, read_state

SIZES = {"lite0": 224, "lite2": 256}  # lite2 was trained at 260, which is no multiple of 32


def sample_photo(name: str, size: int) -> Tensor:
    """(1, 3, size, size) in -1..1: the square in the photo's middle."""
    photo = getattr(skimage.data, name)()
    side = min(photo.shape[:2])
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    square = resize(photo[top : top + side, left : left + side], (size, size), anti_aliasing=True)
    return torch.from_numpy(np.moveaxis(square, 2, 0)).float()[None] * 2 - 1


def best_classes(variant: str, photo: Tensor, count: int = 5) -> list[int]:
    """The numbers of the likeliest classes, likeliest first."""
    encoder = Encoder(variant)
    load_imagenet(encoder, variant)
    state = read_state(variant)
    with torch.no_grad():
        hidden = functional.conv2d(encoder.eval()(normalised(photo))[-1], state["_conv_head.weight"])
        mean, variance = state["_bn1.running_mean"], state["_bn1.running_var"]
        hidden = functional.batch_norm(
            hidden, mean, variance, state["_bn1.weight"], state["_bn1.bias"], eps=EPSILON
        )
        pooled = functional.relu6(hidden).mean((2, 3))
        classes = functional.linear(pooled, state["_fc.weight"], state["_fc.bias"])
    return [int(number) for number in classes[0].topk(count).indices]
