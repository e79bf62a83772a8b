# SPDX-License-Identifier: Apache-2.0
"""What is measured, and on what: methods with their weights, benchmarks with their places; what is missing says so."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from multishade.errors import ModelError
from multishade.evaluation.methods.baselines import BASELINES
from multishade.models.bundled import bundled_model
from multishade.photometry.solvers import methods as solvers
from multishade.shards.locate import find_shards
from multishade.shards.marker import committed

LIGHTS, PHOTO, MASK = "lights", "photo", "mask"  # what a method sees
SEES = {LIGHTS: "images under known lights", PHOTO: "one photo and the mask", MASK: "the mask alone"}
LEARNED = {"iga-psn": LIGHTS, "ps-fcn": LIGHTS, "rose": PHOTO, "wild": PHOTO, "irondepth": PHOTO}
REFERENCES = {
    LIGHTS: "robust",
    PHOTO: "rose",
}  # what others are compared with; chosen before any result was seen
SHARDS = ("data/bundled-test", "data/bundled-test-points", "data/photometric-bundled-test")
RECORD = "made.json"


@dataclass(frozen=True)
class Contender:
    """A method.

    Attributes:
        name: As `multishade evaluate` takes it, without a place.
        sees: LIGHTS, PHOTO or MASK.
        weights: The model's folder or file; None if it has none.
        missing: Why it cannot be measured; "" if it can.
    """

    name: str
    sees: str
    weights: Path | None = None
    missing: str = ""

    @property
    def method(self) -> str:
        return self.name if self.weights is None else f"{self.name}:{self.weights}"


@dataclass(frozen=True)
class Benchmark:
    """Objects with true normals.

    Attributes:
        name: Of its cells.
        title: Of its table.
        spec: As `multishade evaluate --on` takes it.
        sees: What its objects offer, of LIGHTS, PHOTO and MASK.
        note: What a reader must know about it.
        missing: Why it cannot be measured; "" if it can.
        computed: Whether its images under known lights are computed from the true normals, so that solvers are exact.
        sequences: Whether its photos are images of sequences under known lights.
    """

    name: str
    title: str
    spec: str
    sees: tuple[str, ...]
    note: str
    missing: str = ""
    computed: bool = False
    sequences: bool = False

    @property
    def place(self) -> Path:
        return Path(self.spec.partition(":")[2])


def contenders(weights: Mapping[str, Path]) -> list[Contender]:
    """List all methods. weights: of learned ones, in place of the bundled."""
    found = [Contender(name, LIGHTS) for name in solvers.METHODS]
    found += [Contender(name, MASK) for name in BASELINES]
    for name, sees in LEARNED.items():
        if name in weights:
            there = weights[name].exists()
            found.append(
                Contender(name, sees, weights[name], "" if there else "the given weights are not there")
            )
            continue
        try:
            found.append(Contender(name, sees, bundled_model(name)))
        except ModelError:
            published = "; a published checkpoint can be given" if name == "ps-fcn" else ""
            found.append(Contender(name, sees, None, f"no weights are bundled{published}"))
    return found


def benchmarks(shards: Sequence[Path], real: Path | None) -> list[Benchmark]:
    """List all benchmarks. real: folder of sets of real images, with diligent/ and cleargrasp/."""
    found = [_shards(path) for path in shards]
    for name, title, reader, sees, note in REAL:
        place = (real or Path("(none)")) / name
        missing = "" if real is not None and place.is_dir() else "not at hand: set MULTISHADE_BENCHMARKS"
        found.append(Benchmark(name, title, f"{reader}:{place}", sees, note, missing))
    return found


REAL = (
    (
        "diligent",
        "DiLiGenT",
        "diligent",
        (LIGHTS, PHOTO, MASK),
        "Real photographs under 96 known lights (Shi et al., CVPR 2016). Methods that see one photo get photographs 21 "
        "to 30, as in the paper of RoSE; the others get all.",
    ),
    (
        "cleargrasp",
        "ClearGrasp's real image",
        "nyu",
        (PHOTO, MASK),
        "Real transparent objects in one photo (Sajjan et al., ICRA 2020). There is one image, so no test is possible.",
    ),
)
MODES = {
    "lambert": "The sequences under known lights are computed from the true normals, so a solver's error on them is "
    "rounding. The photos are rendered.",
    "cast": "The sequences have cast shadows, and neither albedo nor highlights. The photos are rendered.",
    "photometric": "The sequences are rendered in the objects' materials, with highlights, cast shadows and "
    "interreflection. Methods that see one photo get four images of each sequence.",
}


def _shards(path: Path) -> Benchmark:
    title = f"Test shards `{path.name}`"
    spec = f"shards:{path}"
    if not path.is_dir():
        return Benchmark(path.name, title, spec, (), "", "these shards are not rendered here (Makefile)")
    record = json.loads((path / "dataset.json").read_text())
    mode = record["config"]["shading"]["mode"]
    note = f"Unseen objects and materials. {MODES[mode]}"
    return Benchmark(
        path.name,
        title,
        spec,
        (LIGHTS, PHOTO, MASK),
        note,
        computed=mode == "lambert",
        sequences=mode == "photometric",
    )


def fingerprint_of(benchmark: Benchmark) -> str:
    """Of the content of a benchmark's files."""
    if benchmark.spec.startswith("shards:"):
        markers = [(Path(tar.name).name, committed(tar)) for tar in find_shards([benchmark.place])]
        return digest([(name, marker.sha256) for name, marker in markers if marker is not None])
    return digest(_hashes(benchmark.place))


def weights_of(contender: Contender) -> list[tuple[str, str]]:
    """Hashes of a model's files, its record left out."""
    if contender.weights is None:
        return []
    return [pair for pair in _hashes(contender.weights) if not pair[0].endswith((RECORD, ".md"))]


def trained_on(contender: Contender) -> str:
    """What a model's record says that it was trained on."""
    if contender.weights is None:
        return "nothing"
    path = contender.weights / RECORD
    if not path.is_file():
        return "not stated in its files"
    runs = json.loads(path.read_text())["runs"]
    sets = {each["fingerprint"]: each for run in runs for each in run["data"]["train"]}
    parts = [f"`{each['config']['name']}` ({each['samples']:,} views)" for each in sets.values()]
    steps = sum(run["steps"] for run in runs)
    return f"{' and '.join(parts)} of MultiShade, {steps:,} steps"


def digest(content: object) -> str:
    """16 hex digits of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _hashes(place: Path) -> list[tuple[str, str]]:
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    return [
        (path.relative_to(place).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files
    ]
