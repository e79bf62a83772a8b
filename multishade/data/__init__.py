# SPDX-License-Identifier: Apache-2.0
"""Shards -> training batches, independent of Blender and Ray.

places -> `shards.locate` -> `schedule` (which rank reads which samples, and when) -> `reader` (bytes) -> `view`
(arrays) -> `geometric`, `photometric` -> `batches`. `loader` runs all of it in worker processes, `torch_dataset` works
without batches.
"""

from multishade.extras import require

require("torch", extra="train")
