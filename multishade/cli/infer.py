# SPDX-License-Identifier: Apache-2.0
"""`multishade infer PHOTO...`: photos -> normal maps, shading, confidence, meshes and pictures."""

import argparse
import sys
from pathlib import Path

EPILOG = """examples:
  multishade infer photo.jpg --mask object.png -o out/
  multishade infer photos/ --masks masks/ -o out/ --batch 4 --device cuda --half
  multishade infer photo.jpg --model Xinhua694/RoSE --device cuda --half

One photo's files go into the output folder, those of several into a folder each."""


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
    parser.add_argument("-o", "--output", type=Path, default=Path("out/infer"), metavar="FOLDER")
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
    parser.add_argument(
        "--solver", default="relu", help="ols, ols_masked, thresholded, relu or robust (default: relu)"
    )
    parser.add_argument("--steps", type=int, help="of a sampled model (default: the model's own)")
    parser.add_argument("--guidance", choices=("triangle", "constant"), help="default: the model's own")
    parser.add_argument("--scale", type=float, metavar="G", help="largest guidance scale; 1 is none")
    parser.add_argument("--seed", type=int, default=0, help="of a sampled model's noise (default: 0)")
    parser.add_argument("--batch", type=int, default=1, help="photos at once (default: 1)")
    parser.add_argument("--device", help="cpu, cuda, mps (default: cpu)")
    parser.add_argument("--half", action="store_true", help="run the network in half precision (GPU)")
    parser.add_argument("--video", choices=("gif", "mp4", "none"), default="gif", help="default: gif")
    parser.add_argument(
        "--integrate", choices=("bilateral", "poisson", "none"), default="bilateral", help="the mesh"
    )
    parser.add_argument("--max-megapixels", type=float, default=40.0, metavar="N", help="default: 40")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.errors import ImageFileError, ModelError, SolveError
    from multishade.inference import infer_all, read_photo
    from multishade.inference.photo import find_photos
    from multishade.inference.write import write
    from multishade.photometry.solvers import methods

    if args.solver not in methods.METHODS:
        raise SolveError(f"--solver {args.solver}: expected one of {', '.join(methods.METHODS)}")
    if args.batch < 1:
        raise ModelError(f"--batch {args.batch}: expected 1 or more")
    paths = find_photos(args.photos)
    if args.mask is not None and len(paths) > 1:
        raise ImageFileError(
            f"--mask is for one photo, not {len(paths)}; give a folder of masks with --masks"
        )
    model = _load(args)
    given = {"steps": args.steps, "guidance": args.guidance, "max_guidance": args.scale}
    sampling = model.settings.sampling.replaced(
        **{name: value for name, value in given.items() if value is not None}
    )
    failures: list[str] = []
    places: dict[int, Path] = {}

    def photos():  # type: ignore[no-untyped-def]
        for path, name in zip(paths, _folders(paths), strict=True):
            try:
                photo = read_photo(path, args.mask or _mask_of(path, args.masks), args.max_megapixels)
            except ImageFileError as error:
                if len(paths) == 1:
                    raise
                print(f"skipped: {error}", file=sys.stderr)
                failures.append(str(path))
                continue
            places[id(photo)] = args.output if len(paths) == 1 else args.output / name
            yield photo

    for found in infer_all(model, photos(), args.batch, args.solver, sampling, args.seed, not args.no_crop):
        out = places.pop(id(found.photo))
        written = write(out, found, args.video, args.integrate != "none", args.integrate)
        print(f"{found.photo.name}: {found.mask.mean():.0%} of the photo, {written[-1]}")
    if failures:
        print(f"{len(failures)} of {len(paths)} photos could not be read", file=sys.stderr)
    return 1 if failures else 0


def _load(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    from multishade.errors import ModelError
    from multishade.extras import require

    require("torch", extra="train")
    import torch

    from multishade.models.bundled import bundled_model
    from multishade.models.rose import RoSE

    if args.device is not None and args.device.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(f"--device {args.device}: this machine has no CUDA device that torch can use")
    return RoSE.from_pretrained(
        args.model or bundled_model(),
        base=args.base,
        device=args.device,
        dtype=torch.float16 if args.half else None,
    )


def _mask_of(photo: Path, masks: Path | None) -> Path | None:
    """The file of `masks` with the photo's name, whatever its kind; None where there is none."""
    if masks is None:
        return None
    return next((path for path in sorted(masks.glob(f"{photo.stem}.*")) if path.is_file()), None)


def _folders(paths: list[Path]) -> list[str]:
    """A folder name for each photo: its stem, with its suffix and a number where stems repeat."""
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
