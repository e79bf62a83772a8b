# SPDX-License-Identifier: Apache-2.0
"""`multishade solve FOLDER`: photographs under known lights -> normals, albedo, surface, pictures."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    import numpy as np
    from tqdm import tqdm

    from multishade.errors import SolveError
    from multishade.evaluation.readers.ball import with_ball_lights
    from multishade.geometry.boxes import bounding_window
    from multishade.geometry.lights import require_in_front
    from multishade.inference.learned_stereo import is_learned
    from multishade.inference.photometric import NearPlace, solve_near_object, solve_object
    from multishade.inference.results import results_of_solved
    from multishade.inference.view import view_of_object
    from multishade.inference.write import write_results
    from multishade.photometry.near_light import PointLights
    from multishade.photometry.solvers import methods as solvers
    from multishade.storage.writable import require_writable_folder

    if args.method not in solvers.METHODS and not is_learned(args.method):
        raise SolveError(
            f"--method {args.method}: expected one of {', '.join(solvers.METHODS)}, iga-psn, iga-psn:FOLDER, "
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
    height, width = target.mask.shape
    view = view_of_object(width, height, None if target.orthographic else target.camera, args.fov_x)
    target = replace(target, camera=view.camera, orthographic=view.camera is None)
    if args.ball is not None:
        target = with_ball_lights(target, args.ball, args.ball_mask)
    out = args.output or default_output("solve", target.name)
    require_writable_folder(out)
    window = bounding_window(target.mask, margin=1)
    near = args.light_positions is not None
    try:
        if target.directions is not None:
            require_in_front(target.directions, "light directions")
        steps = len(target.image_names) + 1 + (args.integrate != "none")
        with tqdm(total=steps, desc="photographs", unit=" steps", disable=None) as bar:
            images, measured = target.measurements(window=window, on_image=bar.update)

            def on_step(step: str) -> None:
                bar.set_description(step)
                bar.update()

            common: dict[str, Any] = {
                "camera": target.camera_of(window),
                "grey": args.grey,
                "integrator": None if args.integrate == "none" else args.integrate,
                "measured": measured,
                "on_step": on_step,
            }
            if near:
                assert target.near_lights is not None
                place = NearPlace(args.distance, args.pixel_size)
                lights = PointLights(target.near_lights.positions)
                solved, directions = solve_near_object(images, lights, place, target.mask, window, **common)
            else:
                assert target.directions is not None
                directions = target.directions
                solved = solve_object(images, directions, target.mask, window, method=args.method, **common)
    except SolveError as error:
        raise SolveError(f"{args.folder}: {error}") from error
    notes = (*target.notes, *solved.notes)
    for note in notes:
        print(f"note: {note}")
    assert solved.measures is not None
    print(
        f"{target.name}: {len(target.image_names)} images, {int(target.mask.sum())} pixels, "
        f"{100 * float(solved.determined[target.mask].mean()):.1f} % determined by "
        f"{'near lights' if near else args.method}; "
        f"{solved.measures.summary()}"
    )
    record = {
        "name": target.name,
        "folder": str(args.folder),
        "method": "near" if near else args.method,
        "grey": args.grey,
        "srgb": args.srgb,
        "integrator": args.integrate,
        "images": list(target.image_names),
        "directions": np.round(directions, 6).tolist(),
        "pixels": int(target.mask.sum()),
        "ball": args.ball,
        "ambient": None if args.ambient is None else str(args.ambient),
        "positions": target.near_lights.positions.tolist() if near and target.near_lights else None,
        "notes": list(target.notes),
    }
    if target.normal is not None:
        degrees = solved.error(target.normal)
        print(f"mean angular error {np.nanmean(degrees):.2f} degrees, median {np.nanmedian(degrees):.2f}")
        record["mean_error_degrees"] = round(float(np.nanmean(degrees)), 4)
    frontal = int(np.argmax(directions[:, 2]))
    photograph = (target.image_names[frontal], target.image(frontal))
    sequence = None if near else (images, directions)
    results = results_of_solved(solved, photograph, view, target.normal, record, sequence)
    for path in write_results(out, results, output):
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
    if near and args.method != "robust":
        raise SolveError(
            f"--method {args.method} and --light-positions: near lights have a solver of their own; leave --method out"
        )
    if not near and (args.distance is not None or args.pixel_size is not None):
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
