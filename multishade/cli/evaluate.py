# SPDX-License-Identifier: Apache-2.0
"""`multishade evaluate METHOD --on READER:PATH`: a method and a benchmark -> a table, maps and a report."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multishade.cli.options import add_grey, add_integrate, add_option, add_output, add_threads
from multishade.cli.places import default_output, name_of
from multishade.cli.program import program

if TYPE_CHECKING:
    from multishade.evaluation.run import Evaluation
    from multishade.evaluation.table import ResultRow

EPILOG = """METHOD is a solver (ols, relu, ...), a baseline (constant, sphere), a model that sees one photo (rose
or wild, the bundled ones, or rose:FOLDER, wild:FOLDER), a photometric-stereo network (iga-psn, iga-psn:FOLDER,
ps-fcn:FOLDER) or a folder of normal maps:
<object>.png|.exr|.npy, or <object>/<image>.png for one map an image, in the axes that --convention declares.
Several, with commas between, or `solvers` for all of them, make a table of methods (summary.md) too.

examples:
  multishade evaluate relu --on diligent:data/DiLiGenT -o out/relu
  multishade evaluate solvers --on shards:data/test -o out/solvers
  multishade evaluate rose:out/train/rose-tiny/model --on shards:data/test
  multishade evaluate maps/ --on luces:data/LUCES --convention x,-y,-z --name theirs -o out/theirs

Exit code 1: the numbers are written, but the declared convention does not fit the truth."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="measure a method on a benchmark",
        description="Measure predicted normals against a benchmark's truth: a CSV with one row a "
        "prediction, normal and error maps, a "
        "Markdown and an HTML report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "named", nargs="?", metavar="METHOD", help="a solver, a baseline, a model, or a folder of normal maps"
    )
    add_option(parser, "--method", metavar="METHOD", help="the same as METHOD")
    parser.add_argument(
        "--on",
        required=True,
        action="append",
        metavar="READER:PATH",
        help="diligent, diligent96 (with the damaged images of bear), diligent102, diligentpi, luces, cyclesps, nyu, "
        "ibims, shards or folder, and its path; shards: a tar, a folder, a pattern or a URL, and --on may be repeated",
    )
    add_output(parser, "default: out/evaluate/METHOD-READER-NAME")
    parser.add_argument(
        "--truth", type=Path, metavar="FOLDER", help="true normals kept apart from the images"
    )
    parser.add_argument("--objects", metavar="NAME,...", help="only these objects")
    add_grey(parser, "what solvers get of a colour image", rgb=True)
    parser.add_argument(
        "--convention",
        default="x,y,z",
        metavar="X,Y,Z",
        help="axes of a folder's normals: what our x (right), y (up), z (to the camera) are in its "
        "numbers (default: x,y,z)",
    )
    parser.add_argument("--name", help="the method's name in tables (default: METHOD, or the folder's name)")
    add_integrate(parser, ", compared with a true depth, if there is one")
    parser.add_argument("--no-maps", action="store_true", help="write no pictures")
    add_threads(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from multishade.errors import EvaluationError
    from multishade.evaluation.report import write_summary
    from multishade.photometry.solvers import methods as solvers
    from multishade.storage.writable import require_writable_folder

    if (args.named is None) == (args.method is None):
        raise EvaluationError(
            "name one METHOD: a solver such as relu, a model such as rose, a folder of normal maps"
        )
    method = args.named or args.method
    names = [
        name for part in method.split(",") for name in (solvers.METHODS if part == "solvers" else (part,))
    ]
    out = args.output or default_output("evaluate", _name_of(args.name or method, args.on))
    require_writable_folder(out)
    if len(names) == 1:
        return 0 if _evaluate(args, names[0], out).mismatch is None else 1
    evaluations = [_evaluate(args, name, out / name) for name in names]
    print(write_summary(out, evaluations), end="")
    print(f"written: {out / 'summary.html'}; compare them with: {program()} compare {out}")
    return 0 if all(one.mismatch is None for one in evaluations) else 1


def _name_of(method: str, on: Sequence[str]) -> str:
    """relu, diligent:data/DiLiGenT -> relu-diligent-DiLiGenT; a run's folder model/ is named after the run."""
    kind, _, place = method.rpartition(":")
    folder = Path(place).parent if Path(place).name == "model" else Path(place)
    reader, _, path = on[0].partition(":")
    parts = (kind, folder.name, reader, name_of([path, *(one.partition(":")[2] for one in on[1:])]).name)
    return "-".join(part for part in parts if part)


def _evaluate(args: argparse.Namespace, method: str, out: Path) -> "Evaluation":
    """One method: rows are printed as they come, everything is written into `out`."""
    from multishade.cli.progress import CountBar
    from multishade.evaluation.evaluate import evaluate
    from multishade.evaluation.methods.named import is_model, names
    from multishade.evaluation.readers.benchmark import open_benchmark

    if method not in names() and is_model(method):
        from multishade.extras import require
        from multishade.threads import limit_torch

        require("torch", extra="train")
        importlib.import_module("torch")
        limit_torch()
    surfaces = "" if args.integrate == "none" else f", surfaces ({args.integrate}) if depth is known"
    maps = "" if args.no_maps else ", a picture of each"
    count = _count_samples(args.on)
    only = tuple(part.strip() for part in args.objects.split(",")) if args.objects else ()
    print(
        f"{args.name or method} on {', '.join(args.on)}{f', {count} samples' if count else ''}: "
        f"normals, angles{surfaces}{maps}; "
        f"into {out}",
        flush=True,
    )
    seen: set[tuple[str, str]] = set()
    with CountBar(count, "sample" if count else "object", args.name or method) as bar:

        def show(row: "ResultRow", seconds: float) -> None:
            bar.write(_line_of(row, seconds))
            # A method of single images has several rows for one sample.
            seen.add((row.object, row.image.partition("/")[0] if count else ""))
            bar.reach(len(seen))

        evaluation = evaluate(
            method,
            open_benchmark(args.on, args.truth, only),
            grey=args.grey,
            axes=args.convention,
            name=args.name,
            integrator=None if args.integrate == "none" else args.integrate,
            pictures=not args.no_maps,
            output=out,
            on_row=show,
        )
    _print_summary(evaluation, out)
    if evaluation.mismatch is not None:
        print(f"error: {evaluation.mismatch}", file=sys.stderr)
    return evaluation


def _count_samples(on: Sequence[str]) -> int | None:
    """How many samples the shards hold; None for other benchmarks, which are found while they are read."""
    from multishade.errors import MultiShadeError
    from multishade.shards.locate import open_shards

    if any(not one.startswith("shards:") for one in on):
        return None
    try:
        return sum(shard.samples for shard in open_shards(one.partition(":")[2] for one in on))
    except MultiShadeError:
        return None  # the reader raises the error that names what is wrong


def _line_of(row: "ResultRow", seconds: float) -> str:
    label = row.object if row.image == "all" else f"{row.object} {row.image}"
    return (
        f"{label:32s} mean {row.metrics['mean']:6.2f}  median {row.metrics['median']:6.2f}  "
        f"coverage {row.metrics['coverage']:5.1f} %  {seconds:6.2f} s"
    )


def _print_summary(evaluation: "Evaluation", out: Path) -> None:
    for note in evaluation.notes[:20]:
        print(f"note: {note}")
    if len(evaluation.notes) > 20:
        print(f"note: {len(evaluation.notes) - 20} more notes are in the report")
    print(
        f"average over {_count(len(evaluation.rows))}: mean {evaluation.averaged['mean']:.2f} degrees, median "
        f"{evaluation.averaged['median']:.2f}; pooled over pixels: mean {evaluation.pooled['mean']:.2f}, median "
        f"{evaluation.pooled['median']:.2f}"
    )
    print(f"written: {out / 'results.csv'}, {out / 'report.md'}, {out / 'report.html'}")


def _count(predictions: int) -> str:
    return f"{predictions} prediction{'' if predictions == 1 else 's'}"
