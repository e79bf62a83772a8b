# SPDX-License-Identifier: Apache-2.0
"""A report says the same in Markdown and HTML, and no text of it can become markup."""

from html.parser import HTMLParser

import jinja2
import pytest

from multishade.report.document import (
    Bullets,
    Caution,
    Figure,
    Heading,
    Paragraph,
    Table,
    to_html,
    to_markdown,
)
from multishade.report.html import render_template

NASTY = "a < b & <script>alert('\"')</script>"
BLOCKS = [
    Heading(NASTY, level=3),
    Paragraph(NASTY),
    Caution(NASTY),
    Bullets([NASTY, "second"]),
    Table((NASTY, "value"), [["one", NASTY], ["sum", "2"]], last_bold=1),
    Figure('maps/"a".png', NASTY),
]


class Page(HTMLParser):
    """Texts, and elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def test_texts_are_escaped_wherever_they_stand() -> None:
    page = Page(to_html(NASTY, BLOCKS))
    assert "script" not in [tag for tag, _ in page.elements]
    assert page.texts.count(NASTY) == 9  # title twice, each text block once, a bullet, two cells, a caption
    picture = next(attributes for tag, attributes in page.elements if tag == "img")
    assert (picture["src"], picture["alt"]) == ('maps/"a".png', NASTY)


def test_a_table_is_the_same_in_both_forms() -> None:
    table = Table(("name", "mean", "n"), [["a|b", "1.5", "2"], ["all", "", "4"]], last_bold=1)
    assert to_markdown("t", [table]).splitlines()[2:] == [
        "| name | mean | n |",
        "| --- | ---: | ---: |",
        "| a\\|b | 1.5 | 2 |",
        "| **all** |  | **4** |",
    ]
    page = Page(to_html("t", [table]))
    assert page.texts[-8:] == ["name", "mean", "n", "a|b", "1.5", "2", "all", "4"]
    rows = [attributes for tag, attributes in page.elements if tag == "tr"]
    assert rows == [{}, {}, {"class": "sum"}]
    aligned_left = [attributes for tag, attributes in page.elements if tag == "td" and attributes]
    assert aligned_left == [{"class": "text"}] * 2


def test_a_page_needs_no_other_file_for_its_style() -> None:
    page = Page(to_html("t", []))
    assert [tag for tag, _ in page.elements if tag in ("link", "script")] == []
    assert any("prefers-color-scheme: dark" in text for text in page.texts)


def test_a_missing_value_is_an_error_and_not_an_empty_place() -> None:
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render_template("document.html", blocks=[])
