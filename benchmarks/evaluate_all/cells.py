# SPDX-License-Identifier: Apache-2.0
"""Methods x benchmarks -> a folder of results, a CSV a cell; a finished cell is used again while nothing has changed.

A cell belongs to the content of the benchmark, to the weights, and to the code that computes it: a change of any of
them makes it again.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from benchmarks.evaluate_all.contenders import PHOTO, Benchmark, Contender, digest, fingerprint_of, weights_of
from multishade.errors import MultiShadeError
from multishade.evaluation.methods.named import named_method
from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers.benchmark import open_benchmark
from multishade.evaluation.run import MeasureSettings, run_method
from multishade.evaluation.table import ResultRow, read_csv, to_csv
from multishade.storage.local import write_text

ROOT = Path(__file__).resolve().parents[2]
ANGLES_ONLY = MeasureSettings(integrator=None, shading=False, pictures=False)
# What all results depend on, and what those of solvers and of learned models depend on besides.
CODE = (
    *(
        "evaluation/run.py",
        "evaluation/metrics.py",
        "evaluation/objects.py",
        "evaluation/readers",
        "imaging/read.py",
    ),
    *("evaluation/methods/baselines.py", "evaluation/methods/stereo.py", "evaluation/methods/learned.py"),
    "photometry/solvers",
)
LEARNED_CODE = (
    "inference/photo.py",
    "inference/predict.py",
    "inference/framing.py",
    "inference/learned_stereo.py",
)
PHOTOS = 4  # of a sequence in shards, that methods for one photo see: photos of one view are much alike
DEPTH_CODE = ("inference/depth.py", "evaluation/methods/depth.py", "geometry/depth.py")


@dataclass(frozen=True)
class Cell:
    """The rows of one method on one benchmark, or why there are none. seconds: that measuring them took."""

    contender: Contender
    benchmark: Benchmark
    rows: tuple[ResultRow, ...] = ()
    seconds: float = 0.0
    missing: str = ""


def cells(
    contenders: Sequence[Contender],
    benchmarks: Sequence[Benchmark],
    out: Path,
    again: bool = False,
    report: Callable[[str], None] = print,
) -> list[Cell]:
    """Measure what is not there yet.

    Args:
        contenders: Methods.
        benchmarks: What they are measured on.
        out: Folder of the results.
        again: Whether all cells are made anew.
        report: Called with a line for each cell that is made.

    Returns:
        One cell for each method that a benchmark has something to see for, in their order.
    """
    found = []
    for benchmark in benchmarks:
        for contender in contenders:
            if benchmark.missing or contender.sees not in benchmark.sees:
                continue
            if contender.missing:
                found.append(Cell(contender, benchmark, missing=contender.missing))
                continue
            found.append(_cell(contender, benchmark, out, again, report))
    return found


def _cell(
    contender: Contender, benchmark: Benchmark, out: Path, again: bool, report: Callable[[str], None]
) -> Cell:
    path = out / f"{benchmark.name}.{contender.name}.csv"
    facts_path = path.with_suffix(".json")
    terms = [_fingerprint(benchmark), contender.name, weights_of(contender), code_of(contender)]
    if benchmark.sequences and contender.sees == PHOTO:
        terms.append(PHOTOS)
    asked = digest([*terms, ANGLES_ONLY.__dict__])
    if not again and path.is_file() and facts_path.is_file():
        facts = json.loads(facts_path.read_text())
        if facts["asked"] == asked:
            return Cell(contender, benchmark, tuple(read_csv(path)), facts["seconds"])
    since = time.perf_counter()
    try:
        evaluation = run_method(
            named_method(contender.method),
            _objects(contender, benchmark),
            contender.name,
            settings=ANGLES_ONLY,
        )
    except MultiShadeError as error:
        report(f"{contender.name} on {benchmark.name}: {error}")
        return Cell(contender, benchmark, missing=str(error).replace(str(benchmark.place), benchmark.name))
    seconds = time.perf_counter() - since
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, to_csv(evaluation.rows), MultiShadeError)
    write_text(facts_path, json.dumps({"asked": asked, "seconds": seconds}) + "\n", MultiShadeError)
    report(
        f"{contender.name} on {benchmark.name}: {evaluation.averaged['mean']:.2f} degrees, {seconds:.0f} s"
    )
    # As stored, so that the page does not depend on which cells were there.
    return Cell(contender, benchmark, tuple(read_csv(path)), seconds)


def _objects(contender: Contender, benchmark: Benchmark) -> Iterator[BenchmarkObject]:
    for target in open_benchmark(benchmark.spec):
        yield fewer_photos(target) if benchmark.sequences and contender.sees == PHOTO else target


def fewer_photos(target: BenchmarkObject) -> BenchmarkObject:
    """Leave `PHOTOS` of an object's photos for methods that see one, evenly spaced."""
    names = target.inputs
    if len(names) <= PHOTOS:
        return target
    chosen = [number * len(names) // PHOTOS for number in range(PHOTOS)]
    return replace(
        target,
        input_names=tuple(names[index] for index in chosen),
        load_input=lambda number: target.input(chosen[number]),
    )


@cache
def _fingerprint(benchmark: Benchmark) -> str:
    return fingerprint_of(benchmark)


def code_of(contender: Contender) -> str:
    """Digest of the sources that a contender's results depend on."""
    names = [*CODE]
    if contender.weights is not None:
        names += [
            *LEARNED_CODE,
            *(DEPTH_CODE if contender.name == "irondepth" else ()),
            f"models/{contender.name.replace('-', '_')}",
        ]
    return _digest_of_sources(tuple(names))


@cache
def _digest_of_sources(names: tuple[str, ...]) -> str:
    files: list[Path] = []
    for name in names:
        place = ROOT / "multishade" / name
        files += [place] if place.is_file() else sorted(place.rglob("*.py"))
    return digest([(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in files])
