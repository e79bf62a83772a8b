# SPDX-License-Identifier: Apache-2.0
"""Normals of a photo by model.onnx alone: python normals.py MODEL_FOLDER photo.jpg normal.png

Needs onnxruntime, NumPy and Pillow. The object fills the photo, which is made square.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

folder, source, target = sys.argv[1:]
settings = json.load(open(f"{folder}/rose.json"))
side = settings["size"]
photo = np.asarray(Image.open(source).convert("RGB").resize((side, side), Image.Resampling.BOX)) / 255

session = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
(found,) = session.run(["frames"], {"photo": photo.transpose(2, 0, 1)[None].astype(np.float32)})
normal = found[0]  # (3, side, side), or one shading frame for each light (K, side, side)
if settings["target"] == "shading":
    # The first light of the ring is above, the next follow clockwise; frames = max(0, lights @ normal).
    angle, up = 2 * np.pi * np.arange(len(normal)) / len(normal), np.radians(settings["elevation_degrees"])
    lights = [np.cos(up) * np.sin(angle), np.cos(up) * np.cos(angle), np.full(len(normal), np.sin(up))]
    normal = np.tensordot(np.linalg.pinv(np.stack(lights, axis=1)), normal, axes=1)
normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-6)
Image.fromarray(np.rint((normal.transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)).save(target)
