# SPDX-License-Identifier: Apache-2.0
"""Shards -> a trained model. `trainer` is the loop of every model; `tasks/` defines what is trained on what."""

from multishade.extras import require

require("torch", "accelerate", "huggingface_hub", "peft", "safetensors", "tensorboard", extra="train")
