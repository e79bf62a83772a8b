# SPDX-License-Identifier: Apache-2.0
"""IronDepth: a photo, its normals and the camera -> depth that is refined by propagation along the normals."""

from multishade.extras import require

require("torch", "safetensors", extra="train")
