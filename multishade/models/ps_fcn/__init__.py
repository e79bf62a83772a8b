# SPDX-License-Identifier: Apache-2.0
"""PS-FCN: images under known lights -> normals, by features that are max-fused over the images (Chen et al. 2018).

    shared over images: image + light -> `layers.Extractor` -> features; max over images -> regressor -> normals

`network.StereoNetwork` and `model.StereoModel` are the base of IGA-PSN, too.
"""

from multishade.extras import require

require("torch", "safetensors", extra="train")
