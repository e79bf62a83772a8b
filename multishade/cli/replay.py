# SPDX-License-Identifier: Apache-2.0
"""`multishade replay SHARD... KEY`: render a sample again and compare its bytes with the shard's; or save it."""

import argparse
from pathlib import Path

from multishade.cli.options import add_overrides, add_threads
from multishade.cli.places import add_places, dataset_of, read_places


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "replay",
        help="render one sample again and compare it with its shard",
        description="Render one sample again, alone, and compare every file of it with the shard's. "
        "Exit code 0: the same bytes; 1: they differ. "
        "With --key and the key of a group, such as s000000-g0001, the group is rendered to see why it fails.",
    )
    add_places(parser, "key of the sample, e.g. s000000-g0001-v0")
    parser.add_argument(
        "--blend",
        type=Path,
        metavar="FILE",
        help="save the scene to open in Blender, set up so that F12 gives the sample's image; no rendering",
    )
    parser.add_argument("--light", metavar="FIELD", help="with --blend: the image whose light the scene has")
    add_threads(parser, default=1)
    add_overrides(parser, "runtime.blender=/opt/blender/blender")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.errors import ShardError
    from multishade.render.replay import compare, is_group_key, render_group_again, save_scene
    from multishade.storage.writable import require_writable_file

    if args.blend is not None:
        require_writable_file(args.blend, remedy="choose another path with --blend")
    places, keys = read_places(args, at_most=1)
    if not keys:
        raise ShardError(f"{places[-1]}: name the sample to render again, such as s000000-g0001-v0")
    folder, key = dataset_of(places), keys[0]
    if is_group_key(key):
        if args.blend is not None:
            raise ShardError(
                f"{key}: is the key of a group; --blend saves the scene of a sample, such as {key}-v0"
            )
        samples = render_group_again(folder, key, args.threads.count, args.overrides)
        print(f"{key}: rendered without failure, {samples} samples")
        return 0
    if args.blend is not None:
        save_scene(folder, key, args.blend, args.light, args.overrides)
        print(f"saved {args.blend}")
        return 0
    differences = compare(folder, key, args.threads.count, args.overrides)
    for line in differences:
        print(line)
    print(f"{key}: {'differs' if differences else 'the same bytes'}")
    return 1 if differences else 0
