# SPDX-License-Identifier: Apache-2.0
"""A node for ComfyUI: image -> normal map and confidence. Copy this file into ComfyUI's `custom_nodes` folder.

Needs `pip install multishade[train]` in ComfyUI's environment. ComfyUI's images are (B, H, W, 3) sRGB, 0 to 1; its
masks are (B, H, W), 1 where something is selected: here the object. The mask of "Load Image" is 1 where the picture is
transparent, so invert it; of pictures without alpha it is an empty one of 64 x 64, which counts as none.
"""

import numpy as np
import torch

from multishade import load_model
from multishade.inference.photo import Photo
from multishade.inference.predict import infer_all


class MultiShadeNormals:
    """Normals in the camera's frame: red right, green up (OpenGL) or down (DirectX), blue toward the camera."""

    CATEGORY = "image/normals"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("normals", "confidence")

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {
            "required": {
                "image": ("IMAGE",),
                "green": (["up (OpenGL)", "down (DirectX)"],),
                "model": ("STRING", {"default": "", "tooltip": "a model's folder; empty: the bundled one"}),
            },
            "optional": {"mask": ("MASK",)},
        }

    def run(
        self, image: torch.Tensor, green: str, model: str, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        photos = []
        for number, pixels in enumerate(image.cpu().numpy().astype(np.float32)):
            chosen = None if mask is None else mask[min(number, len(mask) - 1)].cpu().numpy() > 0.5
            if chosen is not None and not chosen.any():
                chosen = None
            if chosen is not None and chosen.shape != pixels.shape[:2]:
                raise ValueError(
                    f"a mask of {chosen.shape} for an image of {pixels.shape[:2]} (rows, columns)"
                )
            photos.append(Photo(np.clip(pixels[..., :3], 0, 1), chosen))
        normals, trust = [], []
        for found in infer_all(photos, load_model(model or None)):
            facing = np.where(found.mask[..., None], found.normal, np.array([0, 0, 1], np.float32))
            sign = np.array([1, -1 if green.startswith("down") else 1, 1], np.float32)
            normals.append(torch.from_numpy(facing * sign * 0.5 + 0.5))
            trust.append(torch.from_numpy(found.confidence))
        return torch.stack(normals).float(), torch.stack(trust).float()


NODE_CLASS_MAPPINGS = {"MultiShadeNormals": MultiShadeNormals}
NODE_DISPLAY_NAME_MAPPINGS = {"MultiShadeNormals": "MultiShade normals"}
