# SPDX-License-Identifier: Apache-2.0
"""`multishade export SHARD... [KEY...]`: samples -> plain files in a folder each; with --onnx, a model -> ONNX."""

import argparse
import sys
from pathlib import Path

from multishade.cli.options import add_output
from multishade.cli.places import add_places, default_output, name_of, read_places

EPILOG = """kinds:
  png     pictures: images with coverage (sRGB), normals (16 bit), depth, shading
  exr     exact values: linear images, normals, depth and shading in 32-bit EXR
  folder  the shading sequence as photographs under known lights, in DiLiGenT's names (16-bit linear PNG,
          light_directions.txt, light_intensities.txt, mask.png, Normal_gt.mat), which `multishade solve` reads

With --onnx, the argument is a model: its network becomes one file that runs without this package
(examples/onnx/normals.py), and rose.json beside it says what goes in and out. Models of one step only.

examples:
  multishade export data/demo s000000-g0001-v0 --as exr
  multishade export data/photometric/multishade-000000.tar --as folder -o out/photometric
  multishade solve out/photometric/s000000-g0000-v0
  multishade export out/mine/model --onnx -o out/mine/model/model.onnx      # then infer runs it by onnxruntime"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "export",
        help="write samples as plain images and text, or a model as ONNX",
        description="Write the samples of shards as plain files: DIR/KEY/... for each sample. Or write a model's "
        "network as ONNX.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_places(parser, "keys of the samples to write (default: all)")
    parser.add_argument(
        "--as", dest="kind", choices=("png", "exr", "folder"), help="of samples (default: png)"
    )
    parser.add_argument("--onnx", action="store_true", help="export the model in this folder (or on the Hub)")
    add_output(
        parser, "default: out/export/DATASET; with --onnx the file, default: out/export/MODEL/model.onnx"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return _export_model(args) if args.onnx else _export_samples(args)


def _export_model(args: argparse.Namespace) -> int:
    from multishade.errors import ModelError
    from multishade.models.registry import load_model
    from multishade.storage.writable import require_writable_folder

    if len(args.places) != 1 or args.keys or args.kind is not None:
        raise ModelError("--onnx exports one model: its folder or Hub name, without keys and without --as")
    (source,) = args.places
    path = args.output or default_output("export", Path(source).name) / "model.onnx"
    if path.is_dir() or path.suffix.lower() != ".onnx":
        raise ModelError(f"-o {path}: with --onnx it is the file, such as {path / 'model.onnx'}")
    require_writable_folder(path.parent)
    model = load_model(source)
    if model.name != "rose":
        raise ModelError(
            f"{source}: a model of {model.name}; only one-step models of rose become ONNX so far"
        )

    from multishade.models.rose.export import export_folder

    difference = export_folder(model, path)  # type: ignore[arg-type]
    told = "not compared with torch, since onnxruntime is not installed"
    if difference is not None:
        told = f"frames differ from torch's by at most {difference:.1e} of 1"
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; {told}")
    return 0


def _export_samples(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from multishade.report.export import export_sample
    from multishade.shards.dataset import Dataset
    from multishade.storage.writable import require_writable_folder

    places, keys = read_places(args)
    output = args.output or default_output("export", name_of(places))
    require_writable_folder(output)
    data = Dataset(places)
    keys = keys or list(data)
    for key in tqdm(keys, unit=" samples", leave=False, disable=not sys.stderr.isatty()):
        paths = export_sample(data[key], output / key, args.kind or "png")
        print(f"{output / key}: {len(paths)} files")
    return 0
