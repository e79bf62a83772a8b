# SPDX-License-Identifier: Apache-2.0
"""A report as a list of blocks (headings, paragraphs, tables, figures) -> Markdown and HTML with the same content."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from multishade.report.html import render_template


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Caution:
    """What must not be missed: a box in HTML, a quote in Markdown."""

    text: str


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells as text, the first `text_columns` aligned left, others right. `last_bold`: rows at the end that sum up.
    `wrap`: cells may take several lines."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: int = 1
    last_bold: int = 0
    wrap: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture by its path relative to the document."""

    path: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Text that is shown as it is. language: of the text, for colours in Markdown."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Links:
    """Files by their text and their path relative to the document."""

    items: Sequence[tuple[str, str]]


Block = Heading | Paragraph | Caution | Bullets | Table | Figure | Code | Links


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """Return the document as Markdown, one blank line between blocks."""
    parts = [f"# {title}"]
    for block in blocks:
        match block:
            case Heading(text, level):
                parts.append(f"{'#' * level} {text}")
            case Paragraph(text):
                parts.append(text)
            case Caution(text):
                parts.append(f"> **Warning.** {text}")
            case Bullets(items):
                parts.append("\n".join(f"- {item}" for item in items))
            case Code(text, language):
                fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
                parts.append(f"{fence}{language}\n{text.rstrip()}\n{fence}")
            case Links(items):
                parts.append(" · ".join(f"[{text}]({path.replace(' ', '%20')})" for text, path in items))
            case Table(header, rows, text_columns, last_bold, _):
                parts.append(_markdown_table(header, rows, text_columns, last_bold))
            case Figure(path, caption):
                parts.append(f"![{caption}]({path.replace(' ', '%20')})")
    return "\n\n".join(parts) + "\n"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """Return the document as one HTML page; pictures stay files beside it."""
    return render_template(
        "document.html", title=title, blocks=[(type(block).__name__, block) for block in blocks]
    )


def _markdown_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int, last_bold: int
) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---" if column < text_columns else "---:" for column in range(len(header))]
    first_bold = len(rows) - last_bold
    body = [
        line([f"**{cell}**" if cell and number >= first_bold else cell for cell in row])
        for number, row in enumerate(rows)
    ]
    return "\n".join([line(header), line(rule), *body])
