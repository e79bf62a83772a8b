# SPDX-License-Identifier: Apache-2.0
"""A command and a box -> a command that confines itself and then becomes that command.

Run as `python -P -m multishade.confine.launch BOX COMMAND...`; BOX is a file of JSON, which is removed. So a program
that knows nothing of this package, such as Blender, is confined from its first instruction on.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from multishade.confine.apply import confine
from multishade.confine.box import Box
from multishade.protocol.codec import from_json


def confined(command: Sequence[str], box: Box) -> list[str]:
    """Write a box into its scratch folder and return the command that starts `command` in it.

    Args:
        command: A program, by its path, and its arguments.
        box: What it may do; it may run the program in addition.

    Returns:
        Program and arguments for `subprocess`.
    """
    file = Path(box.scratch) / "box.json"
    whole = dataclasses.replace(box, run=(*box.run, command[0]))
    file.write_text(json.dumps(dataclasses.asdict(whole)))
    return [sys.executable, "-P", "-m", "multishade.confine.launch", str(file), *command]


def main() -> None:
    """Confine this process and replace it by the command that its arguments name."""
    file, command = Path(sys.argv[1]), sys.argv[2:]
    box = from_json(Box, json.loads(file.read_text()))
    file.unlink()
    confine(box)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
