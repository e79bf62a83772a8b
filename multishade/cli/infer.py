# SPDX-License-Identifier: Apache-2.0
"""`multishade infer PHOTO...`: photos -> normal maps, shading, confidence, meshes and pictures."""

import argparse
import inspect
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multishade.cli.options import add_integrate, add_method, add_output, add_threads, add_video
from multishade.cli.places import default_output

if TYPE_CHECKING:
    from multishade.inference.photo import Photo
    from multishade.models.base import Model

EPILOG = """examples:
  multishade infer photo.jpg --mask object.png -o out/photo
  multishade infer photos/ --masks masks/ --batch 4 --device cuda --half
  multishade infer photo.jpg --model Xinhua694/RoSE --device cuda --half

Each photo's files go into out/infer/PHOTO. With -o FOLDER: those of one photo into FOLDER, of several into
FOLDER/PHOTO."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "infer",
        help="normals of a photo, by a trained model",
        description="A photo of any size -> normal map (PNG, EXR), shading frames, confidence, mesh (PLY, GLB) and one "
        "picture that shows it all.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="files, folders or patterns")
    add_output(parser, "default: out/infer/PHOTO")
    parser.add_argument(
        "--model", metavar="MODEL", help="a model's folder or Hub name (default: the bundled one)"
    )
    parser.add_argument(
        "--base", metavar="MODEL", help="where VAE and CLIP are, for a model that has only a UNet"
    )
    parser.add_argument("--mask", type=Path, metavar="FILE", help="the object is white in it; for one photo")
    parser.add_argument(
        "--masks", type=Path, metavar="FOLDER", help="masks with the photos' names; without one, alpha serves"
    )
    parser.add_argument(
        "--no-crop", action="store_true", help="show the network the whole photo, mask or not"
    )
    add_method(parser, "relu", old=("--solver",))
    parser.add_argument("--steps", type=int, help="of a sampled model (default: the model's own)")
    parser.add_argument("--guidance", choices=("triangle", "constant"), help="default: the model's own")
    parser.add_argument("--scale", type=float, metavar="G", help="largest guidance scale; 1 is none")
    parser.add_argument("--seed", type=int, default=0, help="of a sampled model's noise (default: 0)")
    parser.add_argument("--batch", type=int, default=1, help="photos at once (default: 1)")
    parser.add_argument("--device", help="cpu, cuda, mps (default: cpu)")
    parser.add_argument("--half", action="store_true", help="run the network in half precision (GPU)")
    add_video(parser)
    add_integrate(parser, ", of the mesh")
    parser.add_argument("--max-megapixels", type=float, default=40.0, metavar="N", help="default: 40")
    add_threads(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.errors import ImageFileError, ModelError, SolveError
    from multishade.extras import require

    require("torch", extra="train")
    import torch

    from multishade import threads
    from multishade.inference.framing import refuse_thin
    from multishade.inference.measures import measure
    from multishade.inference.photo import find_photos, read_photo
    from multishade.inference.predict import infer_all
    from multishade.inference.write import write_prediction
    from multishade.models.registry import load_model
    from multishade.photometry.solvers import methods
    from multishade.storage.writable import require_writable_folder

    if args.method not in methods.METHODS:
        raise SolveError(f"--method {args.method}: expected one of {', '.join(methods.METHODS)}")
    if args.batch < 1:
        raise ModelError(f"--batch {args.batch}: expected 1 or more")
    root = args.output or default_output("infer", "")
    require_writable_folder(root)
    paths = find_photos(
        args.photos, lambda path, reason: print(f"left out: {path}: {reason}", file=sys.stderr)
    )
    if args.mask is not None and len(paths) > 1:
        raise ImageFileError(
            f"--mask is for one photo, not {len(paths)}; give a folder of masks with --masks"
        )
    threads.limit_torch()
    model = load_model(
        args.model,
        device=args.device,
        dtype=torch.float16 if args.half else None,
        **({} if args.base is None else {"base": args.base}),
    )
    options = _model_options(model, args)
    failures: list[str] = []
    folders: deque[Path] = deque()  # of the photos that were read and have no result yet, in their order

    def photos() -> "Iterator[Photo]":
        for path, name in zip(paths, _folders(paths), strict=True):
            try:
                photo = read_photo(path, args.mask or _mask_of(path, args.masks), args.max_megapixels)
                refuse_thin(photo, model.settings.size, not args.no_crop)
            except ImageFileError as error:
                if len(paths) == 1:
                    raise
                print(f"skipped: {error}", file=sys.stderr)
                failures.append(str(path))
                continue
            for note in photo.notes:
                print(f"note: {path}: {note}", file=sys.stderr)
            folders.append(args.output if args.output and len(paths) == 1 else root / name)
            yield photo

    predictions = infer_all(
        photos(),
        model,
        args.batch,
        seed=args.seed,
        crop=not args.no_crop,
        **options,
    )
    video = None if args.video == "none" else args.video
    integrator = None if args.integrate == "none" else args.integrate
    for prediction in predictions:
        written = write_prediction(folders.popleft(), prediction, video, integrator)
        measures, _ = measure(prediction.normal, prediction.confidence, (prediction.normal != 0).any(axis=2))
        print(
            f"{prediction.photo.name}: {prediction.mask.mean():.0%} of the photo, {measures.summary()}; {written[-1]}"
        )
    if failures:
        print(f"{len(failures)} of {len(paths)} photos could not be read", file=sys.stderr)
    return 1 if failures else 0


def _model_options(model: "Model", args: argparse.Namespace) -> dict[str, Any]:
    """The options of `predict` that this model has. Raises ModelError for one that is given and that it lacks."""
    from multishade.errors import ModelError

    known = inspect.signature(model.predict).parameters
    options: dict[str, Any] = {"solver": args.method} if "solver" in known else {}
    given = {"steps": args.steps, "guidance": args.guidance, "max_guidance": args.scale}
    changes = {name: value for name, value in given.items() if value is not None}
    if "sampling" in known:
        options["sampling"] = model.settings.sampling.replaced(**changes)  # type: ignore[attr-defined]
    elif changes:
        raise ModelError(f"--steps, --guidance and --scale are of sampled models, and {model.name} is none")
    return options


def _mask_of(photo: Path, masks: Path | None) -> Path | None:
    """The file of `masks` with the photo's name, whatever its format; None if there is none."""
    if masks is None:
        return None
    stem = photo.stem.lower()
    found = (path for path in sorted(masks.iterdir()) if path.stem.lower() == stem and path.is_file())
    return next((path for path in found if not path.name.startswith(".")), None)


def _folders(paths: list[Path]) -> list[str]:
    """A folder name for each photo: its stem, with its suffix and a number if stems repeat."""
    names: list[str] = []
    for path in paths:
        candidates = [path.stem, path.name.replace(".", "-")]
        name = next((each for each in candidates if each not in names), None)
        number = 2
        while name is None or name in names:
            name = f"{candidates[1]}-{number}"
            number += 1
        names.append(name)
    return names
