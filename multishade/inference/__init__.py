# SPDX-License-Identifier: Apache-2.0
"""A photo of any size -> normals, shading, confidence and mesh, by a trained model.

from multishade.inference import infer, read_photo
"""

from multishade.extras import require

require("torch", extra="train")

from multishade.inference.photo import Photo, read_photo
from multishade.inference.predict import Inference, infer, infer_all

__all__ = ["Inference", "Photo", "infer", "infer_all", "read_photo"]
