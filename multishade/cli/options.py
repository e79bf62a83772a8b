# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands have in common, each declared once: one name and one meaning in all commands.

Places of shards, keys of samples and default outputs are in `multishade.cli.places`.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multishade.errors import ConfigError

if TYPE_CHECKING:
    from multishade.config import Config
    from multishade.inference.write import Output


class _Renamed(argparse.Action):
    """An option by its old name: does what the new one does, and prints the new one."""

    def __init__(self, *args: Any, new: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._new = new

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        print(f"note: {option} is now {self._new}; the old name ends with the next version", file=sys.stderr)
        setattr(namespace, self.dest, values)


def add_option(parser: argparse.ArgumentParser, *names: str, old: Sequence[str] = (), **options: Any) -> None:
    """Add an option that takes a value, and its old names, which the help does not show.

    Args:
        parser: Of a command.
        names: Of the option, the longest last.
        old: What it was called in the version before.
        options: As for `add_argument`.
    """
    action = parser.add_argument(*names, **options)
    kept = {name: options[name] for name in ("type", "choices") if name in options}
    for name in old:
        parser.add_argument(
            name,
            dest=action.dest,
            action=_Renamed,
            new=names[-1],
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
            **kept,
        )


def add_output(
    parser: argparse.ArgumentParser,
    text: str,
    metavar: str = "DIR",
    *,
    required: bool = False,
    old: Sequence[str] = (),
    type: type[Path] | type[str] = Path,
) -> None:
    """Add -o/--output. `text` is the help: the default, or what is written. type: str if it may be a URL."""
    add_option(parser, "-o", "--output", old=old, type=type, required=required, metavar=metavar, help=text)


def add_method(
    parser: argparse.ArgumentParser, default: str, old: Sequence[str] = (), networks: bool = False
) -> None:
    """Add --method, the solver of a sequence of images or shading under known lights. networks: they serve, too."""
    text = f"solver: ols, ols_masked, thresholded, relu or robust (default: {default})"
    if networks:
        text += "; or a network: iga-psn (the bundled one), iga-psn:FOLDER, ps-fcn:FOLDER, or a published checkpoint"
    add_option(parser, "--method", old=old, default=default, metavar="METHOD", help=text)


def add_grey(parser: argparse.ArgumentParser, text: str, rgb: bool = False) -> None:
    """Add --grey, how colour becomes one number. rgb: whether solvers may get the colours as they are."""
    add_option(
        parser,
        "--grey",
        old=("--gray",),
        choices=("luminance", "mean", "rgb") if rgb else ("luminance", "mean"),
        default="luminance",
        help=f"{text} (default: luminance)",
    )


def add_integrate(parser: argparse.ArgumentParser, text: str = "", default: str = "bilateral") -> None:
    """Add --integrate, how normals become a surface. `text` is what the surface is for."""
    parser.add_argument(
        "--integrate",
        choices=("bilateral", "poisson", "none"),
        default=default,
        help=f"surface that keeps steps, smooth surface, or no surface{text} (default: {default})",
    )


def add_video(parser: argparse.ArgumentParser) -> None:
    """Add --video, the format of the shading sequence as a video."""
    parser.add_argument(
        "--video",
        choices=("gif", "mp4", "none"),
        default="gif",
        help="the shading sequence as a video (default: gif)",
    )


def add_config(
    parser: argparse.ArgumentParser, recipe: str = "demo", override: str = "views.count=2"
) -> None:
    """Add the argument CONFIG and the option --set; `recipe` and `override` are examples in the help."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help=f"a YAML file, or the name of a shipped recipe such as {recipe} (`multishade configs` lists them)",
    )
    add_overrides(parser, override)


def add_overrides(parser: argparse.ArgumentParser, override: str = "views.count=2") -> None:
    """Add the option --set."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help=f"override a setting, e.g. --set {override}; may be repeated",
    )


def add_threads(
    parser: argparse.ArgumentParser, default: int | None = None, shared_by: str | None = None
) -> None:
    """Add the option --threads; `multishade.cli.call` replaces its value by a `multishade.threads.Threads`.

    Args:
        parser: Of a command that computes.
        default: None: as many as there are free cores.
        shared_by: Name of the option that is the number of processes among which the free cores are shared.
    """
    chosen = "OMP_NUM_THREADS, else one for each core that is free" if default is None else str(default)
    parser.add_argument(
        "--threads", type=positive, default=default, metavar="N", help=f"threads (default: {chosen})"
    )
    parser.set_defaults(threads_shared_by=shared_by)


def add_share_read(parser: argparse.ArgumentParser) -> None:
    """Add --samples, --images, --workers and --threads of commands that take statistics of a data set."""
    parser.add_argument(
        "--samples",
        type=positive,
        default=10_000,
        metavar="N",
        help="samples that the statistics are of, in whole shards (default 10000)",
    )
    parser.add_argument(
        "--images",
        type=positive,
        default=400,
        metavar="N",
        help="samples whose images are decoded for them (default 400)",
    )
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="shards read at a time (default 1)"
    )
    add_threads(parser, shared_by="workers")


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options on the files that commands write which make normals; `files_of` reads them."""
    parser.add_argument(
        "--formats",
        metavar="A,B,C",
        help="write only these: normal_gl, normal_dx, normal_exr, mask, confidence, albedo, height, depth, glb, ply, "
        "shading, overview, page, ptm, rti (default: all but ptm and rti)",
    )
    parser.add_argument(
        "--frame",
        choices=("opengl", "opencv", "directx"),
        default="opengl",
        help="axes of normal.exr and surface.ply: y up and z to the camera, y down and z into the scene, or y down "
        "alone (default: opengl)",
    )
    parser.add_argument(
        "--maps",
        choices=("camera", "tangent"),
        default="camera",
        help="tangent: refuse an object that is no plane facing the camera, whose maps are no tangent-space maps",
    )
    parser.add_argument(
        "--fov-x",
        type=float,
        metavar="DEGREES",
        help="angle of view across the photo's width; default: by the focal length in EXIF, else orthographic",
    )


def files_of(args: argparse.Namespace) -> "Output":
    """Read the options of `add_files`. Raises SolveError for an unknown format."""
    from multishade.inference.write import Output, parse_formats

    return Output(
        formats=None if args.formats is None else parse_formats(args.formats),
        frame=args.frame,
        video=None if args.video == "none" else args.video,
        tangent=args.maps == "tangent",
    )


def positive(text: str) -> int:
    """Parse a whole number above 0, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def add_subset(parser: argparse.ArgumentParser) -> None:
    """Add --subset, a share of a data set; `multishade.config.subset` turns it into settings."""
    parser.add_argument(
        "--subset",
        type=share,
        metavar="SHARE",
        help="only a share of the data set, such as 1%%, with the same distribution (to data/NAME-subset)",
    )


def share(text: str) -> float:
    """Parse a share such as 1% or 0.01, for argparse."""
    number = text.removesuffix("%")
    try:
        value = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a share such as 1% or 0.01")
    return value


def parse_shards(text: str, config: "Config") -> list[int]:
    """Parse "0-3,7" into [0, 1, 2, 3, 7]; a range includes both ends. Raises ConfigError."""
    shards: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise ConfigError(f"--shards {text}: write numbers and ranges such as 0-3 or 0-3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ConfigError(f"--shards {text}: {first}-{last} runs backwards")
        if last >= config.shards.count:
            raise ConfigError(
                f"--shards {text}: the data set has {config.shards.count} shards, 0 to {config.shards.count - 1} "
                "(shards.count)"
            )
        shards |= set(range(first, last + 1))
    return sorted(shards)
