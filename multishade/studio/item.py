# SPDX-License-Identifier: Apache-2.0
"""One photo, or one set of photographs, on the page: its files, how far it is, and what the page is told of it."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from multishade.inference.write import CONVENTIONS

Kind = Literal["photo", "set"]
State = Literal["empty", "waiting", "working", "shown", "done", "failed"]
MASK_FILE = "painted.png"


@dataclass
class Item:
    """A photo or a set.

    Attributes:
        id: A random word, by which the page asks for it.
        kind: What it is.
        name: As the browser called it.
        folder: Of all its files; nothing else is in it.
        state: "empty": files are still sent; "shown": normals can be looked at while the files are written.
        step: What is done now.
        error: Why it failed.
        version: Counts results, so that the page knows that there are new ones.
        facts: A few words about the results.
        notes: Plain sentences.
        colours: Name of the surface's own colours.
        options: Of a set: ball, coding.
        sent: Bytes and number of the files of a set.
        lock: Held while the files of `shown` are read or written.
    """

    id: str
    kind: Kind
    name: str
    folder: Path
    state: State = "empty"
    step: str = ""
    error: str | None = None
    version: int = 0
    facts: Sequence[str] = ()
    notes: Sequence[str] = ()
    colours: str = "Photo"
    options: Mapping[str, Any] = field(default_factory=dict)
    sent: tuple[int, int] = (0, 0)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def source(self) -> Path:
        """The folder of what was sent."""
        return self.folder / "source"

    @property
    def shown(self) -> Path:
        """The folder of what the page shows: object.json, picture.jpg, mask.png."""
        return self.folder / "shown"

    @property
    def results(self) -> Path:
        """The folder of the files that are written."""
        return self.folder / "results"

    @property
    def painted(self) -> Path:
        """The mask that was painted, if it was."""
        return self.folder / MASK_FILE

    def files(self) -> list[dict[str, Any]]:
        """What can be downloaded, with size and meaning; nothing until all is written."""
        if self.state != "done":
            return []
        described = json.loads((self.results / CONVENTIONS).read_text(encoding="utf-8"))["files"]
        names = [*described, CONVENTIONS]
        return [
            {
                "name": name,
                "bytes": (self.results / name).stat().st_size,
                "what": described.get(name, {}).get(
                    "what", "what each file is: frames, signs, encodings, units"
                ),
            }
            for name in names
            if (self.results / name).is_file()
        ]

    def told(self, before: int | None) -> dict[str, Any]:
        """What the page shows of it.

        Args:
            before: Tasks before the one that waits for it; None if none waits.
        """
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "state": self.state if before is None else "waiting",
            "step": self.step,
            "before": before,
            "error": self.error,
            "version": self.version,
            "facts": list(self.facts),
            "notes": list(self.notes),
            "colours": self.colours,
            "painted": self.painted.is_file(),
            "files": self.files() if before is None else [],
        }
