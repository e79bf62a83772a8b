# SPDX-License-Identifier: Apache-2.0
"""One photo -> normals, relief, or both, by one small network: what `make study-supervision` compares."""

from multishade.extras import require

require("torch", "safetensors", extra="train")
