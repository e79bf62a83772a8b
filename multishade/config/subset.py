# SPDX-License-Identifier: Apache-2.0
"""A share of a data set -> the settings of a smaller one with the same distribution.

Every group is sampled for its place alone, and objects come in shuffled rounds, so the first groups of a data set are a
random sample of it: the subset has the whole set's own samples, and its shards are the first shards of the whole set if
it has at least one.
"""

import math

from multishade.config.models import Config


def subset_overrides(config: Config, share: float) -> list[str]:
    """Return the overrides that reduce a data set to a share of its groups.

    Args:
        config: Of the whole data set.
        share: Above 0, at most 1.

    Returns:
        As for --set: fewer shards; if the share is less than a shard, one shard of fewer groups, whole variants of an
        object together.
    """
    groups = max(1, math.ceil(share * config.shards.count * config.shards.groups - 1e-9))
    if groups >= config.shards.groups:
        return [f"shards.count={math.ceil(groups / config.shards.groups)}"]
    variants = config.materials.variants
    together = min(config.shards.groups, math.ceil(groups / variants) * variants)
    return ["shards.count=1", f"shards.groups={together}"]
