# SPDX-License-Identifier: Apache-2.0
"""Configurations and rows of manifests that attack their readers: `make test-hostile-configs`.

    python -m tests.hostile.config_suite [--page docs/reliability.md]

Each has to end in a short error that names the file, and a row's the line. The figures are printed, and written into
the page.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.pages import replace_measured
from multishade.assets.builtin import builtin_objects
from multishade.assets.manifest import read_objects
from multishade.assets.schema import row_as_json
from multishade.config import load_config
from multishade.errors import ConfigError, ManifestError, MultiShadeError
from tests.support.hostile_configs import hostile_rows, hostile_texts

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 12_000  # characters of a message


@dataclass
class Figures:
    """What was tried, what was not handled as it has to be, and what it took."""

    texts: int = 0
    rows: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    slowest: tuple[float, str] = (0.0, "")

    def lines(self) -> list[str]:
        """The figures as rows of a table."""
        rows = {
            "hostile configurations, of which each is refused by name": f"{self.texts}",
            "hostile rows of manifests, of which each is refused with its line": f"{self.rows}",
            "seconds": f"{self.seconds:.1f}",
            "the slowest": f"{self.slowest[1]}, {self.slowest[0]:.2f} s",
            "peak memory of the process": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB",
        }
        return ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]


def attack(
    name: str, read: Callable[[], object], kind: type[MultiShadeError], place: str, figures: Figures
) -> None:
    """Read one file that has to be refused. place: what the message has to name."""
    started = time.perf_counter()
    try:
        read()
        figures.wrong.append(f"{name}: is read without an error")
    except kind as error:
        message = str(error)
        if place not in message or len(message) > LONGEST or "\0" in message:
            figures.wrong.append(f"{name}: the error is no short one that names {place}: {message[:200]!r}")
    except Exception as error:  # a traceback is what the suite looks for
        figures.wrong.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
    figures.slowest = max(figures.slowest, (time.perf_counter() - started, name))


def run(folder: Path) -> Figures:
    """Write and read every hostile configuration and row in an empty folder."""
    figures, started = Figures(), time.perf_counter()
    for name, text in hostile_texts(ROOT / "configs/demo.yaml").items():
        path = folder / "o.yaml"
        path.write_bytes(text)
        attack(name, partial(load_config, path), ConfigError, "o.yaml", figures)
        figures.texts += 1
    good = row_as_json(builtin_objects(1)[0])
    for name, row in hostile_rows(good).items():
        path = folder / "m.jsonl"
        path.write_text(f"{json.dumps(good)}\n{row}\n")
        attack(name, partial(read_objects, path), ManifestError, "m.jsonl:2: ", figures)
        figures.rows += 1
    figures.seconds = time.perf_counter() - started
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; returns 1 if something was not handled as it has to be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--page", type=Path, default=ROOT / "docs/reliability.md", help="the page that gets the figures"
    )
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        figures = run(Path(place))
    print("\n".join([*figures.lines(), *figures.wrong]))
    if not figures.wrong:
        replace_measured(args.page, "test-hostile-configs", "\n".join(figures.lines()))
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
