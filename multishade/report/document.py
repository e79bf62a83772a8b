# SPDX-License-Identifier: Apache-2.0
"""A report as a list of blocks (headings, paragraphs, tables, figures) -> Markdown and HTML with the same content."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


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


Block = Heading | Paragraph | Caution | Bullets | Table | Figure

STYLE = """
:root { color-scheme: light dark; --ink: #20242a; --faint: #6b7280; --line: #dfe3e8; --page: #ffffff;
  --mark: #fff4e5; --edge: #d9822b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --faint: #9aa3ad; --line: #343a42; --page: #16191d; --mark: #33260f;
    --edge: #e0a24e; }
}
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink); background: var(--page);
  max-width: 75rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--faint); font-weight: 600; } .text { text-align: left; } tr.sum td { font-weight: 600; }
table.wrap td { white-space: normal; vertical-align: top; }
.warning { background: var(--mark); border-left: 4px solid var(--edge); padding: .6rem .9rem; margin: 1rem 0; }
figure { margin: 1.25rem 0; }
figure img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); }
figcaption { color: var(--faint); font-size: .85rem; }
"""


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """The document as Markdown, one blank line between blocks."""
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
            case Table(header, rows, text_columns, last_bold, _):
                parts.append(_markdown_table(header, rows, text_columns, last_bold))
            case Figure(path, caption):
                parts.append(f"![{caption}]({path.replace(' ', '%20')})")
    return "\n\n".join(parts) + "\n"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """The document as one HTML page; pictures stay files beside it."""
    parts = []
    for block in blocks:
        match block:
            case Heading(text, level):
                parts.append(f"<h{level}>{escape(text)}</h{level}>")
            case Paragraph(text):
                parts.append(f"<p>{escape(text)}</p>")
            case Caution(text):
                parts.append(f'<p class="warning" role="alert"><strong>Warning.</strong> {escape(text)}</p>')
            case Bullets(items):
                parts.append("<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>")
            case Table(header, rows, text_columns, last_bold, wrap):
                parts.append(_html_table(header, rows, text_columns, last_bold, wrap))
            case Figure(path, caption):
                parts.append(
                    f'<figure><img src="{escape(path)}" alt="{escape(caption)}" loading="lazy">'
                    f"<figcaption>{escape(caption)}</figcaption></figure>"
                )
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _markdown_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int, last_bold: int
) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---" if place < text_columns else "---:" for place in range(len(header))]
    first_bold = len(rows) - last_bold
    body = [
        line([f"**{cell}**" if cell and place >= first_bold else cell for cell in row])
        for place, row in enumerate(rows)
    ]
    return "\n".join([line(header), line(rule), *body])


def _html_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int, last_bold: int, wrap: bool
) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="text"' if place < text_columns else "" for place in range(len(row))]
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    first_bold = len(rows) - last_bold
    body = "".join(
        f"<tr{' class=' + chr(34) + 'sum' + chr(34) if place >= first_bold else ''}>{cells('td', row)}</tr>\n"
        for place, row in enumerate(rows)
    )
    return (
        f'<div class="scroll"><table{" class=wrap" if wrap else ""}>\n<thead><tr>{cells("th", header)}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table></div>"
    )
