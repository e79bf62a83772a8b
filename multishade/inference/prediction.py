# SPDX-License-Identifier: Apache-2.0
"""`PhotoPrediction`: normals, confidence and mask of one photo at its own size, its shading on demand."""

from dataclasses import dataclass

import numpy as np

from multishade.inference.framing import Window, unframe
from multishade.inference.photo import Bool, Float32, Photo


@dataclass(frozen=True)
class PhotoPrediction:
    """What a model makes of one photo, at the photo's size.

    Attributes:
        photo: The photo.
        normal: (H, W, 3) float32 unit vectors, camera frame (+x right, +y up, +z to the camera); 0 off the object.
        confidence: (H, W) float32, 0 to 1.
        mask: (H, W) bool, the object: as given with the photo, or where the model detects one.
        frames: (K, S, S) float32, the shading of the square that the network saw; None for a model that predicts
            normals directly.
        window: The square.
    """

    photo: Photo
    normal: Float32
    confidence: Float32
    mask: Bool
    frames: Float32 | None
    window: Window

    @property
    def shading(self) -> Float32 | None:
        """(K, H, W) at the photo's size, 0 off the object; large for large photos, so computed on demand."""
        if self.frames is None:
            return None
        return np.stack([np.where(self.mask, self.frame(k), 0) for k in range(len(self.frames))])

    def frame(self, index: int) -> Float32:
        """(H, W) shading under light `index`, as the network made it."""
        assert self.frames is not None
        return np.clip(unframe(self.frames[index], self.window), 0, 1)
