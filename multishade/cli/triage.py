# SPDX-License-Identifier: Apache-2.0
"""Options of `multishade assets scan` and `fetch` -> the rules of a single solid object worth rendering."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multishade.assets.scanning.triage import TriageRules


def add_triage(parser: Any) -> None:
    """Add the limits of triage to a parser or a group."""
    parser.add_argument("--max-mb", type=float, metavar="MB", help="largest file in megabytes (default 100)")
    parser.add_argument("--min-faces", type=int, metavar="N", help="fewest triangles (default 100)")
    parser.add_argument("--max-faces", type=int, metavar="N", help="most triangles (default 2000000)")


def triage_rules(args: argparse.Namespace) -> "TriageRules":
    """Return the rules with the limits that are given."""
    from dataclasses import replace

    from multishade.assets.scanning.triage import TriageRules

    return replace(TriageRules(), **_given(args))


def limits_given(args: argparse.Namespace) -> bool:
    """Whether a limit is given."""
    return bool(_given(args))


def _given(args: argparse.Namespace) -> dict[str, Any]:
    values = {"max_megabytes": args.max_mb, "min_faces": args.min_faces, "max_faces": args.max_faces}
    return {name: value for name, value in values.items() if value is not None}
