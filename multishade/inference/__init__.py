# SPDX-License-Identifier: Apache-2.0
"""Photos, by a trained model, or images under known lights, by a solver -> normals, surface, pictures and files.

from multishade.inference import infer, read_photo
"""

from multishade.extras import require

require("torch", extra="train")

from multishade.inference.photo import Photo, read_photo
from multishade.inference.predict import PhotoPrediction, infer, infer_all

__all__ = ["Photo", "PhotoPrediction", "infer", "infer_all", "read_photo"]
