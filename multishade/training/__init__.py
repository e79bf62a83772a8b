# SPDX-License-Identifier: Apache-2.0
"""Shards in, a RoSE model out: settings, objectives, and a loop that can be read in one sitting."""

from multishade.extras import require

require("torch", "accelerate", "huggingface_hub", "peft", "safetensors", "tensorboard", extra="train")
