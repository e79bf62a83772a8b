# SPDX-License-Identifier: Apache-2.0
"""A method and a benchmark, both by name -> an `Evaluation`, and its table, maps and report."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from multishade.evaluation import report
from multishade.evaluation.methods.base import Method
from multishade.evaluation.methods.folder import from_folder
from multishade.evaluation.methods.named import named_method, names
from multishade.evaluation.objects import BenchmarkObject
from multishade.evaluation.readers.benchmark import open_benchmark
from multishade.evaluation.run import Evaluation, MeasureSettings, run_method
from multishade.evaluation.table import ResultRow
from multishade.geometry.conventions import CAMERA_AXES
from multishade.photometry.solvers import methods as solvers


def evaluate(
    method: str | Path | Method,
    on: str | Iterable[BenchmarkObject],
    *,
    truth: Path | None = None,
    objects: Sequence[str] = (),
    grey: str = "luminance",
    axes: str = CAMERA_AXES,
    name: str | None = None,
    integrator: str | None = "bilateral",
    pictures: bool = True,
    output: Path | None = None,
    on_row: Callable[[ResultRow, float], None] = lambda row, seconds: None,
) -> Evaluation:
    """Measure predicted normals against a benchmark's truth.

    Args:
        method: A solver ("relu"), a baseline ("constant", "sphere"), a trained model ("rose", "wild",
            "iga-psn", "iga-psn:FOLDER"), a folder of normal maps, or a function from an object to `PredictedNormals`.
        on: "READER:PATH" (readers: see `multishade.evaluation.readers.benchmark.READERS`), or objects.
        truth: Folder of true normals that are kept apart from the images.
        objects: Names of the objects to take; all by default.
        grey: What solvers get of a colour image: "luminance", "mean" or "rgb".
        axes: What x (right), y (up), z (to the camera) are in the numbers of a folder's normals.
        name: Of the method in tables; by default its own, or the folder's.
        integrator: How normals become the surface that is compared with a true depth, if there is one.
        pictures: Whether a picture of each prediction is written.
        output: Folder for results.csv, report.md, report.html, normals and maps; None writes nothing.
        on_row: Called after each prediction with its row and the seconds that it took.

    Returns:
        One row a prediction, averages, and `mismatch` if the declared axes contradict the truth.

    Raises:
        EvaluationError: If the method or the reader is unknown, or a file of the benchmark cannot be used.
    """
    run, default_name, description = _resolved(method, grey, axes)
    evaluation = run_method(
        run,
        open_benchmark(on, truth, tuple(objects)) if isinstance(on, str) else on,
        name or default_name,
        description,
        MeasureSettings(
            integrator=integrator,
            pictures=pictures,
            axes=axes if _is_folder(method) else CAMERA_AXES,
        ),
        output,
        on_row,
    )
    if output is not None:
        report.write_evaluation(output, evaluation)
    return evaluation


def _resolved(method: str | Path | Method, grey: str, axes: str) -> tuple[Method, str, str]:
    """The method, its name, and its settings as text for tables."""
    if not isinstance(method, str | Path):
        return method, getattr(method, "__name__", "method"), ""
    if _is_folder(method):
        return from_folder(Path(method), axes), Path(method).resolve().name, f"convention {axes}"
    text = str(method)
    return named_method(text, grey), text, f"grey {grey}" if text in solvers.METHODS else ""


def _is_folder(method: str | Path | Method) -> bool:
    return isinstance(method, str | Path) and str(method) not in names() and Path(method).is_dir()
