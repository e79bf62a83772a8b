# SPDX-License-Identifier: Apache-2.0
"""Shards -> training batches. Knows nothing of Blender and of Ray.

places -> `shards` -> `schedule` (who reads what, when) -> `reader` (bytes) -> `view` (arrays) -> `geometric`,
`photometric` -> `batches`; `loader` runs it in worker processes, `torch_dataset` without batches.
"""

from multishade.extras import require

require("torch", extra="train")
