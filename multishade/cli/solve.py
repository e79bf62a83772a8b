# SPDX-License-Identifier: Apache-2.0
"""`multishade solve FOLDER`: photographs under known lights -> normals, albedo, surface, pictures."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multishade.cli.options import (
    add_files,
    add_grey,
    add_integrate,
    add_method,
    add_output,
    add_threads,
    add_video,
    files_of,
)
from multishade.cli.places import default_output

if TYPE_CHECKING:
    from multishade.evaluation.objects import BenchmarkObject

EPILOG = """FOLDER holds images of one thing seen by one camera, each under its own distant light, and beside them
light_directions.txt (x right, y up, z to the camera; one line an image, in natural order of the images: 2 before 10;
also .lp with the images' names, a table with a header, .npy, .mat), light_intensities.txt (RGB, optional),
mask.png (any format; optional), K.txt (camera matrix, optional), Normal_gt.mat or normal.png (the truth, optional).
Folders of DiLiGenT and LUCES are recognised by their files. A photometric sample of a shard is FOLDER#KEY or TAR#KEY.

example:
  multishade solve diligent/ballPNG --method relu -o out/ball
  multishade solve diligent/ballPNG --method iga-psn:FOLDER       # a trained network: materials that are not matt
  multishade solve luces/Bell --method near                       # its LEDs as they are, not as far lights
  multishade solve data/photometric/multishade-000000.tar --key s000000-g0000-v0"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "solve",
        help="normals and surface from images under known lights",
        description="Photometric stereo: a folder of images and lights -> normal map (PNG, EXR), albedo, confidence, "
        "mesh (PLY, GLB), shading video, a record (JSON) and one picture that shows it all.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--key", metavar="KEY", help="where FOLDER is a shard: the sample that is solved")
    add_method(parser, "robust", networks=True)
    add_output(parser, "default: out/solve/NAME")
    parser.add_argument(
        "--lights", type=Path, metavar="FILE", help="light directions, in place of the folder's"
    )
    parser.add_argument(
        "--ball",
        choices=("chrome", "matte"),
        help="light directions by a ball in the photographs: the highlight of a chrome one, the shading of a matt one, "
        "which tells intensities, too",
    )
    parser.add_argument(
        "--ball-mask", type=Path, metavar="FILE", help="the ball is white in it (default: it is searched)"
    )
    parser.add_argument(
        "--light-positions",
        type=Path,
        metavar="FILE",
        help="lights near the object, x y z a line in place of directions, from the camera, or without one from the "
        "middle of the picture in the object's plane; with --distance or --pixel-size in the same unit",
    )
    parser.add_argument("--distance", type=float, metavar="D", help="of the object from the camera, mean")
    parser.add_argument(
        "--pixel-size", type=float, metavar="S", help="of a pixel on the object, without a camera"
    )
    parser.add_argument(
        "--ambient", type=Path, metavar="FILE", help="photograph without the lights, subtracted from all"
    )
    parser.add_argument("--mask", type=Path, metavar="FILE", help="in place of the folder's mask.png")
    parser.add_argument(
        "--srgb", action="store_true", help="the images are sRGB-coded (photos): make them linear first"
    )
    add_grey(parser, "how colour becomes one number for the normals; albedo keeps its colour")
    add_integrate(parser)
    add_video(parser)
    add_files(parser)
    add_threads(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from multishade.errors import SolveError
    from multishade.evaluation.solve import NEAR, SolveOptions, solve_target
    from multishade.inference.learned_stereo import is_learned
    from multishade.inference.photometric import NearPlace
    from multishade.inference.write import write_results
    from multishade.photometry.solvers import methods as solvers
    from multishade.storage.writable import require_writable_folder

    if args.method not in (*solvers.METHODS, NEAR) and not is_learned(args.method):
        raise SolveError(
            f"--method {args.method}: expected one of {', '.join(solvers.METHODS)}, {NEAR}, iga-psn, iga-psn:FOLDER, "
            "ps-fcn:FOLDER"
        )
    _require_consistent(args)
    if is_learned(args.method):
        from multishade.threads import limit_torch

        limit_torch()
    if args.key is not None:
        args.folder = args.folder.with_name(f"{args.folder.name}#{args.key}")
    target = _read(args)
    output = files_of(args)
    out = args.output or default_output("solve", target.name)
    require_writable_folder(out)
    options = SolveOptions(
        method=args.method,
        grey=args.grey,
        integrator=None if args.integrate == "none" else args.integrate,
        fov_x=args.fov_x,
        ball=args.ball,
        ball_mask=args.ball_mask,
        place=NearPlace(args.distance, args.pixel_size),
        facts={
            "folder": str(args.folder),
            "srgb": args.srgb,
            "ambient": None if args.ambient is None else str(args.ambient),
        },
    )
    steps = len(target.image_names) + 1 + (args.integrate != "none")
    with tqdm(total=steps, desc="photographs", unit=" steps", disable=None) as bar:

        def on_step(step: str) -> None:
            bar.set_description(step)
            bar.update()

        found = solve_target(target, options, bar.update, on_step)
    for note in found.results.notes:
        print(f"note: {note}")
    solved, mask = found.solved, found.target.mask
    assert solved.measures is not None
    print(
        f"{target.name}: {len(target.image_names)} images, {int(mask.sum())} pixels, "
        f"{100 * float(solved.determined[mask].mean()):.1f} % determined by "
        f"{'near lights' if args.light_positions else args.method}; "
        f"{solved.measures.summary()}"
    )
    if found.error is not None:
        print(f"mean angular error {found.error[0]:.2f} degrees, median {found.error[1]:.2f}")
    for path in write_results(out, found.results, output):
        print(path)
    return 0


def _require_consistent(args: argparse.Namespace) -> None:
    """Raise SolveError if an option would be passed over in silence."""
    from multishade.errors import SolveError

    near = args.light_positions is not None
    if args.ball is not None and near:
        raise SolveError(
            "--ball and --light-positions: a ball gives directions of far lights; give one of them"
        )
    if args.ball_mask is not None and args.ball is None:
        raise SolveError("--ball-mask: say what the ball is like, too: --ball chrome or --ball matte")
    if near and args.method not in ("robust", "near"):
        raise SolveError(
            f"--method {args.method} and --light-positions: near lights have a solver of their own; leave --method out"
        )
    if not near and args.method != "near" and (args.distance is not None or args.pixel_size is not None):
        raise SolveError("--distance and --pixel-size place near lights: give these by --light-positions")


def _read(args: argparse.Namespace) -> "BenchmarkObject":
    """The photographs with the lights that are known. Raises SolveError if there are none."""
    from multishade.errors import SolveError
    from multishade.evaluation.readers import benchmark

    target = benchmark.read_folder(
        args.folder,
        args.lights,
        args.mask,
        args.srgb,
        args.ambient,
        args.light_positions,
        () if args.ball_mask is None else (args.ball_mask,),
    )
    if target.directions is None and target.near_lights is None and args.ball is None:
        raise SolveError(
            f"{args.folder}: no light_directions.txt; name the file of light directions with --lights, or let a ball "
            "in the photographs tell them with --ball"
        )
    return target
