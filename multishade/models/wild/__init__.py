# SPDX-License-Identifier: Apache-2.0
"""`wild`: one colour photo -> normals, predicted directly ("Normal Map Estimation in the Wild").

    photo -> `network.PaperNetwork` or `network.LiteNetwork` -> tanh -> unit length

The discriminator that judges normals in training is here, too; the model's folder does not hold it.
"""

from multishade.extras import require

require("torch", "safetensors", extra="train")
