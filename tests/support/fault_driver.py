# SPDX-License-Identifier: Apache-2.0
"""A run in a process of its own, to be killed.

`python -m tests.support.fault_driver FOLDER OUTPUT BACKEND [OVERRIDE ...]`: FOLDER holds the recipe
(`fault_runs.recipe`); backend local renders in this process and its Blender, ray as the command does, with two workers.
The exit code is that of `multishade render`.
"""

import sys
from pathlib import Path

from multishade.cli import main as command
from multishade.errors import MultiShadeError
from multishade.render.interrupt import ending_at_once
from multishade.render.run import render
from tests.support.fault_runs import DEMO, plan_of, recipe


def main(folder: Path, output: Path, backend: str, *more: str) -> int:
    if backend == "ray":
        sets = [f"--set={override}" for override in recipe(folder, *more)]
        return command(["render", str(DEMO), *sets, "-o", str(output), "--shards", "0-1", "--workers", "2"])
    try:
        with ending_at_once():
            return 0 if render(plan_of(folder, *more), output).complete else 1
    except MultiShadeError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
