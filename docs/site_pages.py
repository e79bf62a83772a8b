# SPDX-License-Identifier: Apache-2.0
"""Pages of the site that live at the top of the repository: a hook of MkDocs (mkdocs.yml).

ARCHITECTURE.md, CONTRIBUTING.md and CHANGELOG.md become pages beside those of docs/, with links turned accordingly:
each text exists once.
"""

import re
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
# File at the top of the repository -> page of the site.
PAGES = {
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages to the files that MkDocs found in docs/."""
    from mkdocs.structure.files import File

    for name, page in PAGES.items():
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=site_links(text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn links of pages in docs/ to the files at the top of the repository."""
    return site_links(markdown)


def site_links(text: str) -> str:
    """Return a text whose links to files of the repository lead to pages of the site.

    Args:
        text: Markdown of a file at the top of the repository or in docs/.
    """

    def turned(match: re.Match[str]) -> str:
        target = match["target"].removeprefix("../").removeprefix("docs/")
        name, mark, anchor = target.partition("#")
        return f"]({PAGES.get(name, name)}{mark}{anchor})"

    return _LINK.sub(turned, text)
