# SPDX-License-Identifier: Apache-2.0
"""`multishade infer PHOTO...`: photos -> normal maps, shading, confidence, meshes and pictures."""

import argparse
import inspect
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multishade.cli.options import (
    add_files,
    add_integrate,
    add_method,
    add_output,
    add_threads,
    add_video,
    files_of,
)
from multishade.cli.places import default_output
from multishade.version import __version__

if TYPE_CHECKING:
    from multishade.imaging.display import Picture
    from multishade.inference.jobs import Job
    from multishade.inference.photo import Photo
    from multishade.models.base import Model

EPILOG = """examples:
  multishade infer photo.jpg --mask object.png -o out/photo
  multishade infer photos/ --masks masks/ --batch 4 --device cuda --half
  multishade infer photo.jpg --model Xinhua694/RoSE --device cuda --half

Each photo's files go into out/infer/PHOTO. With -o FOLDER: those of one photo into FOLDER, of several into
FOLDER/PHOTO. A folder is searched with the folders in it, and its tree is kept; what is done is skipped, a photo that
cannot be used does not stop the rest, and contact_sheet.png shows all."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "infer",
        help="normals of a photo, by a trained model",
        description="A photo of any size -> normal maps, shading frames, confidence, height, surface and one picture "
        "that shows it all; docs/photos.md says what each file is.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="files, folders or patterns")
    add_output(parser, "default: out/infer/PHOTO")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="a model's folder or Hub name, or a bundled one, such as wild (default: the bundled rose)",
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
    parser.add_argument(
        "--runtime",
        choices=("auto", "onnx", "torch"),
        default="auto",
        help="what runs the network (default: onnxruntime if the model has model.onnx and neither --device, --half nor "
        "--base is given; else torch)",
    )
    parser.add_argument("--half", action="store_true", help="run the network in half precision (GPU)")
    add_video(parser)
    # Predicted normals are soft: what bilateral integration adds is not worth the seconds that it takes.
    add_integrate(parser, default="poisson")
    parser.add_argument("--max-megapixels", type=float, default=40.0, metavar="N", help="default: 40")
    parser.add_argument(
        "--overwrite", action="store_true", help="of several photos, make those again that are done"
    )
    add_files(parser)
    add_threads(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.errors import ImageFileError, ModelError, SolveError
    from multishade.inference.jobs import list_jobs
    from multishade.models.bundled import resolve_model
    from multishade.photometry.solvers import methods
    from multishade.storage.writable import require_writable_folder

    if args.model is not None:
        args.model = str(resolve_model(args.model))
    if args.method not in methods.METHODS:
        raise SolveError(f"--method {args.method}: expected one of {', '.join(methods.METHODS)}")
    if args.batch < 1:
        raise ModelError(f"--batch {args.batch}: expected 1 or more")
    files_of(args)
    root = args.output or default_output("infer", "")
    require_writable_folder(root)
    jobs = list_jobs(
        args.photos,
        root,
        args.masks,
        lambda path, reason: print(f"left out: {path}: {reason}", file=sys.stderr),
    )
    several = len(jobs) > 1 or any(Path(pattern).is_dir() for pattern in args.photos)
    if args.mask is not None and len(jobs) > 1:
        raise ImageFileError(f"--mask is for one photo, not {len(jobs)}; give a folder of masks with --masks")
    if args.mask is not None:
        jobs = [replace(job, mask=args.mask) for job in jobs]
    elif args.masks is not None and (bare := sum(job.mask is None for job in jobs)):
        print(f"note: {args.masks} has no mask for {bare} of {len(jobs)} photos", file=sys.stderr)
    return _infer_jobs(args, jobs, root, several)


def _infer_jobs(args: argparse.Namespace, jobs: "list[Job]", root: Path, several: bool) -> int:
    """several: each photo's files go into a folder, what is done is skipped, and a bad photo does not stop the rest."""
    from multishade.cli.progress import CountBar
    from multishade.errors import ImageFileError, MultiShadeError
    from multishade.inference import contact_sheet
    from multishade.inference.framing import refuse_thin
    from multishade.inference.jobs import is_done, job_key, stamp_files
    from multishade.inference.photo import read_photo
    from multishade.inference.predict import infer_all
    from multishade.inference.results import results_of_prediction
    from multishade.inference.write import write_results
    from multishade.models.card import model_card

    output, integrator = files_of(args), None if args.integrate == "none" else args.integrate
    card = model_card(args.model)
    settings = {
        name: value
        for name, value in {**vars(args), **card, "version": __version__}.items()
        if name
        not in ("photos", "output", "run", "threads", "threads_shared_by", "batch", "masks", "overwrite")
    }
    if args.model is not None:
        settings["model_files"] = stamp_files(Path(args.model))
    keys = {job: job_key(job, settings) for job in jobs}
    done = {job for job in jobs if several and not args.overwrite and is_done(root / job.place, keys[job])}
    left = [job for job in jobs if job not in done]
    failures: list[str] = []
    pending: deque[Job] = deque()  # photos that were read and have no result yet, in their order
    cells: dict[Job, Picture] = {}

    with CountBar(len(jobs) if several else None, "photo", "infer") as bar:

        def failed(job: "Job", error: Exception) -> None:
            if not several:
                raise error
            bar.write_error(f"skipped: {error}")
            failures.append(str(job.photo))

        def photos() -> "Iterator[Photo]":
            for job in left:
                try:
                    photo = read_photo(job.photo, job.mask, args.max_megapixels, args.fov_x)
                    refuse_thin(photo, model.settings.size, not args.no_crop)
                except ImageFileError as error:
                    failed(job, error)
                    continue
                pending.append(job)
                yield photo

        if done:
            bar.write(f"{len(done)} of {len(jobs)} photos are done; --overwrite makes them again")
            bar.reach(len(done))
        if left:
            model = _load(args)
            options = _model_options(model, args)
            predictions = infer_all(
                photos(), model, args.batch, seed=args.seed, crop=not args.no_crop, **options
            )
            for prediction in predictions:
                job = pending.popleft()
                for note in prediction.photo.notes:
                    bar.write_error(f"note: {job.photo}: {note}")
                folder = args.output if args.output and not several else root / job.place
                facts = {"file": str(job.photo), "key": keys[job]}
                try:
                    results = results_of_prediction(prediction, integrator, card, facts)
                    written = write_results(folder, results, output)
                except MultiShadeError as error:
                    failed(job, error)
                    continue
                if several:
                    cells[job] = contact_sheet.thumbnail(prediction.photo.pixels, prediction.normal)
                bar.reach(len(done) + len(cells) + len(failures))
                assert results.measures is not None
                bar.write(
                    f"{job.photo.name}: {prediction.mask.mean():.0%} of the photo, {results.measures.summary()}; "
                    f"{written[-1].parent}"
                )
    if several:
        again = {job: contact_sheet.read_thumbnail(job.photo, root / job.place) for job in done}
        cells |= {job: cell for job, cell in again.items() if cell is not None}
        if cells:
            ordered = [(str(job.place), cells[job]) for job in jobs if job in cells]
            contact_sheet.draw_contact_sheet(root / contact_sheet.NAME, ordered)
            print(root / contact_sheet.NAME)
    if failures:
        print(f"{len(failures)} of {len(jobs)} photos have no result", file=sys.stderr)
    return 1 if failures else 0


def _load(args: argparse.Namespace) -> "Model":
    """The model that the options name; prints what runs it."""
    from multishade import threads
    from multishade.extras import require
    from multishade.models.registry import load_model

    dtype = None
    if args.half:
        require("torch", extra="train")
        import torch

        dtype = torch.float16
    model = load_model(
        args.model,
        device=args.device,
        dtype=dtype,
        runtime=args.runtime,
        **({} if args.base is None else {"base": args.base}),
    )
    version = getattr(model, "version", None)  # of onnxruntime
    if version is None:
        threads.limit_torch()
    runs = "torch" if version is None else f"onnxruntime {version}"
    side = model.settings.size
    print(f"model: {args.model or 'the bundled one'}, {side} x {side} pixels, run by {runs}")
    return model


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
