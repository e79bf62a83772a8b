# SPDX-License-Identifier: Apache-2.0
"""`multishade plan CONFIG`: print what would be rendered, its size, and the time it takes at the measured speed."""

import argparse
from pathlib import Path

from multishade.cli.options import add_config, add_subset


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "plan", help="show what a configuration would render, and what it would cost"
    )
    add_config(parser)
    add_subset(parser)
    parser.add_argument(
        "--speed-from",
        metavar="DIR",
        help="folder or URL of rendered shards whose speed and size are taken (default data/NAME)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.config import load_config
    from multishade.config.subset import subset_overrides
    from multishade.render.estimate import estimate
    from multishade.render.plan import make_plan

    config = load_config(args.config, args.overrides)
    if args.subset:
        config = load_config(args.config, [*args.overrides, *subset_overrides(config, args.subset)])
    plan = make_plan(config)
    groups = config.shards.count * config.shards.groups
    samples = groups * config.views.count
    shading = config.shading
    print(f"data set     {config.name}, split {config.split}, seed {config.seed}")
    print(f"fingerprint  {plan.record().fingerprint}")
    print(
        f"assets       {len(plan.assets.objects)} objects, {len(plan.assets.materials)} materials, "
        f"{len(plan.assets.environments)} environments"
    )
    print(
        f"shards       {config.shards.count:,} of {config.shards.groups} groups of {config.views.count} views"
    )
    print(f"samples      {samples:,} of {config.camera.width} x {config.camera.height} pixels")
    print(
        f"images       {samples * plan.images_per_view():,}; shading: {shading.count} x {shading.mode}, {shading.path}"
    )
    if config.light_basis:
        print(f"light basis  {config.light_basis.count} x parallel, {config.light_basis.path}")
    print(estimate(plan, args.speed_from or Path("data") / config.name).text())
    return 0
