# SPDX-License-Identifier: Apache-2.0
"""Pages of docs/ that are partly written by a benchmark: the text between two markers is replaced."""

from pathlib import Path

END = "<!-- end -->"


def replace_measured(page: Path, target: str, text: str) -> None:
    """Replace what `make TARGET` measured on a page, between `<!-- measured by make TARGET -->` and `<!-- end -->`.

    Raises ValueError if the page has no such markers.
    """
    begin = f"<!-- measured by make {target} -->"
    content = page.read_text(encoding="utf-8")
    before, found, rest = content.partition(begin)
    _, end, after = rest.partition(END)
    if not (found and end):
        raise ValueError(f"{page}: has no section from {begin} to {END}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{END}{after}", encoding="utf-8")
