# SPDX-License-Identifier: Apache-2.0
"""What `multishade plan` estimates against what `multishade render` then takes: `make bench-estimate`.

Three recipes are rendered small, two shards each. The first line of a recipe is the estimate of the first shard by the
model alone, the second that of the second shard by the first. Seconds are CPU seconds, which other work on the machine
changes little. The model has average materials: a few groups may differ from it by a factor, which the interval that
`plan` prints allows for.
"""

import argparse
import tempfile
from pathlib import Path

from multishade.config import load_config
from multishade.render.estimate import Estimate, estimate, seconds_of
from multishade.render.plan import make_plan
from multishade.render.run import render
from multishade.shards.layout import shard_file
from multishade.shards.marker import committed

SMALL = ("camera={width: 128, height: 128}", "views={count: 1, canonical: [front]}")
RECIPES = {
    "demo": SMALL,
    "photometric": (*SMALL, "shading.count=8"),
    "multishade": (*SMALL, "materials.variants=1", "render.importance_map=1024"),
    "multishade-fine": (*SMALL, "materials.variants=1", "render.importance_map=1024"),
}
WANTED = 0.3  # relative error


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", type=int, default=8, help="groups of each shard (default 8)")
    parser.add_argument("--recipes", nargs="+", default=[*RECIPES], choices=[*RECIPES])
    parser.add_argument("--seed", type=int, help="of the recipes: other objects, materials and lights")
    args = parser.parse_args()
    print(
        f"{'recipe':<12} {'estimated by':<12} {'s a sample':>10} {'took':>7} {'error':>7}  {'MiB':>6} {'took':>6}"
    )
    missed = 0
    for name in args.recipes:
        overrides = [*RECIPES[name], f"shards={{groups: {args.groups}, count: 2}}"]
        overrides += [] if args.seed is None else [f"seed={args.seed}"]
        plan = make_plan(load_config(name, overrides))
        with tempfile.TemporaryDirectory() as folder:
            for shard, basis in ((0, "model"), (1, "shard 0")):
                # Of this folder the model alone knows nothing; shard 0 is complete when shard 1 is estimated.
                expected = estimate(plan, folder if shard else None)
                render(plan, folder, [shard])
                missed += not _compare(name, basis, expected, Path(folder), shard)
    return 1 if missed else 0


def _compare(name: str, basis: str, expected: Estimate, folder: Path, shard: int) -> bool:
    """Print one line; returns whether the estimate is as good as is wanted."""
    marker = committed(shard_file(folder, shard))
    assert marker is not None
    took, each = seconds_of(marker) / marker.samples, expected.seconds / expected.samples
    error = each / took - 1
    size = expected.bytes / expected.samples * marker.samples
    print(
        f"{name:<12} {basis:<12} {each:10.2f} {took:7.2f} {error:+7.0%}  {size / 2**20:6.1f} "
        f"{marker.bytes / 2**20:6.1f}",
        flush=True,
    )
    return abs(error) <= WANTED


if __name__ == "__main__":
    raise SystemExit(main())
