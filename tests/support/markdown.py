# SPDX-License-Identifier: Apache-2.0
"""A Markdown page -> its code blocks that are marked to be run.

The mark is a comment before the fence, which the rendered page does not show: `<!-- run -->`; for minutes of work
`<!-- run slow -->`. A block of Python continues the page's blocks before it; any other is a shell's.
"""

import re
from dataclasses import dataclass

_BLOCK = re.compile(
    r"^<!-- run(?P<slow> slow)? -->\n```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_MARK = re.compile(r"^<!-- *run\b.*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block: python or a shell's, its text, the line of its fence, and whether it takes minutes."""

    language: str
    text: str
    line: int
    slow: bool


def marked_blocks(page: str) -> list[Block]:
    """Return the marked blocks of a page. Raises ValueError for a mark that stands before no block."""
    found = [
        Block(match["language"], match["text"], page.count("\n", 0, match.start()) + 2, bool(match["slow"]))
        for match in _BLOCK.finditer(page)
    ]
    marks = len(_MARK.findall(page))
    if marks != len(found):
        raise ValueError(f"{marks} marks, but {len(found)} blocks with a mark on the line before them")
    return found
