# SPDX-License-Identifier: Apache-2.0
"""IGA-PSN: images under known lights and their gradient images -> normals (Wang et al., PRICAI 2024).

    image + light, gradient image + light -> an extractor each -> each gates the other by attention
    -> four streams, max-fused over the images -> preprocessing and two stacked hourglasses -> three normal maps

The base is PS-FCN's (`multishade.models.ps_fcn`). All rows of the paper's ablation are settings of the two.
"""

from multishade.extras import require

require("torch", "safetensors", extra="train")
