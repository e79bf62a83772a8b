# SPDX-License-Identifier: Apache-2.0
"""Names of optional packages and the extra that installs them -> an error with the command to run, if they are missing.

pyproject.toml lists the packages of each extra. Call `require` before the import; if all modules of a package of ours
need an optional package, call it in that package's `__init__`.
"""

import importlib.util
import sys

from multishade.errors import MultiShadeError


class MissingPackageError(MultiShadeError, ImportError):
    """A package that is not part of the base installation is needed and not installed."""


def require(*packages: str, extra: str | None) -> None:
    """Check that packages are installed, without importing them.

    Args:
        packages: Names as in an import statement.
        extra: The extra of MultiShade that installs them, or None if none does.

    Raises:
        MissingPackageError: A package is not installed; the message contains the command that installs it.
    """
    missing = [name for name in packages if not is_installed(name)]
    if missing:
        command = f"'multishade[{extra}]'" if extra else " ".join(missing)
        verb = "is" if len(missing) == 1 else "are"
        raise MissingPackageError(f"{' and '.join(missing)} {verb} not installed: pip install {command}")


def is_installed(name: str) -> bool:
    """Look whether a package can be imported, without importing it.

    Args:
        name: As in an import statement.

    Returns:
        True if it is installed.
    """
    if name in sys.modules:
        return sys.modules[name] is not None  # None: its import is blocked
    return importlib.util.find_spec(name) is not None
