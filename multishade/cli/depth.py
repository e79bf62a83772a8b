# SPDX-License-Identifier: Apache-2.0
"""`multishade depth PHOTO`: a photo, its normals and the camera -> depth; or a depth map -> a better one."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multishade.cli.options import add_files, add_option, add_output, add_threads, add_video, files_of
from multishade.cli.places import default_output

if TYPE_CHECKING:
    from multishade.inference.photo import Photo
    from multishade.inference.prediction import PhotoPrediction

EPILOG = """examples:
  multishade depth photo.jpg --fov-x 40 --method irondepth:out/train/irondepth-tiny/model
  multishade depth photo.jpg --refine depth.exr --normals normal.exr --mask object.png
  multishade depth photo.jpg --anchors points.csv

points.csv has a line u,v,depth for each point: pixels to the right and down from the photo's top left corner, and the
distance along the view axis. The files are those of `multishade infer`, among them depth.exr (with a camera)."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "depth",
        help="depth of a photo from its normals; refine a depth map",
        description="Normals of a photo, of a trained model or a file, and the camera -> depth, refined along the "
        "normals (docs/depth.md).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="the photo")
    add_output(parser, "default: out/depth/PHOTO")
    add_option(
        parser,
        "--method",
        default="irondepth",
        metavar="METHOD",
        help="irondepth (the bundled model), or irondepth:FOLDER",
    )
    parser.add_argument("--mask", type=Path, metavar="FILE", help="the object is white in it")
    parser.add_argument(
        "--model", metavar="MODEL", help="of the normals: a folder or Hub name (default: the bundled one)"
    )
    parser.add_argument(
        "--normals", type=Path, metavar="FILE", help="a normal map instead, OpenGL axes, of the photo's size"
    )
    parser.add_argument(
        "--refine", type=Path, metavar="FILE", help="a depth map of the photo's size to start from"
    )
    parser.add_argument("--anchors", type=Path, metavar="FILE.csv", help="points whose depth is known")
    parser.add_argument(
        "--iterations", type=int, metavar="N", help="of the refinement (default: the model's own)"
    )
    parser.add_argument("--device", help="cpu, cuda, mps (default: cpu)")
    add_video(parser)
    add_files(parser)
    add_threads(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade import threads
    from multishade.errors import ModelError
    from multishade.inference.depth import DepthInput, depth_of_prediction, load_depth_model
    from multishade.inference.depth_input import read_anchors, read_depth
    from multishade.inference.overview import prediction_overview
    from multishade.inference.photo import read_photo
    from multishade.inference.results import results_of_prediction
    from multishade.inference.write import write_results
    from multishade.storage.writable import require_writable_folder

    if args.iterations is not None and args.iterations < 0:
        raise ModelError(f"--iterations {args.iterations}: expected 0 or more")
    output = files_of(args)
    folder = args.output or default_output("depth", args.photo.stem)
    require_writable_folder(folder)
    photo = read_photo(args.photo, args.mask, fov_x=args.fov_x)
    shape = (photo.pixels.shape[0], photo.pixels.shape[1])
    known = DepthInput(
        None if args.refine is None else read_depth(args.refine, shape),
        None if args.anchors is None else read_anchors(args.anchors, shape),
    )
    model = load_depth_model(args.method, args.device)
    threads.limit_torch()
    prediction, normals = _normals(args, photo)
    surface = depth_of_prediction(prediction, model, known, args.iterations)
    record = {
        "file": str(args.photo),
        "method": args.method,
        "normals": normals,
        "iterations": model.settings.iterations if args.iterations is None else args.iterations,
        "refined": None if args.refine is None else str(args.refine),
        "anchors": None if known.anchors is None else len(known.anchors),
    }
    results = replace(
        results_of_prediction(prediction, None, _card(args), record),
        command="depth",
        surface=surface,
        overview=lambda: prediction_overview(prediction, surface),
    )
    written = write_results(folder, results, output)
    for note in results.notes:
        print(f"note: {note}")
    print(f"{args.photo.name}: depth in units of: {surface.unit}; {written[-1].parent}")
    return 0


def _card(args: argparse.Namespace) -> dict[str, Any]:
    """Name, licence and training data of the model of depth and, if there is one, of that of the normals."""
    from multishade.models.bundled import FOLDERS
    from multishade.models.card import model_card

    name, _, place = args.method.partition(":")
    card = model_card(place or FOLDERS[name])
    if args.normals is not None:
        return card
    normals = model_card(args.model)
    return {
        key: f"depth: {card[key]}; normals: {normals[key]}" for key in ("name", "licence", "training_data")
    }


def _normals(args: argparse.Namespace, photo: "Photo") -> "tuple[PhotoPrediction, str]":
    """The photo with its normals, and where they are from."""
    import numpy as np

    from multishade.errors import ImageFileError
    from multishade.imaging.normal_maps import read_normal_map
    from multishade.inference.framing import window_of
    from multishade.inference.predict import infer
    from multishade.inference.prediction import PhotoPrediction

    if args.normals is None:
        return infer(photo, args.model), args.model or "the bundled model"
    if args.model is not None:
        raise ImageFileError("--normals and --model exclude each other: normals come from one of them")
    normal = read_normal_map(args.normals, (photo.pixels.shape[0], photo.pixels.shape[1]))
    given = (normal != 0).any(axis=2)
    mask = given if photo.mask is None else given & photo.mask
    normal = np.where(mask[..., None], normal, 0).astype(np.float32)
    return PhotoPrediction(photo, normal, mask.astype(np.float32), mask, None, window_of(photo)), str(
        args.normals
    )
