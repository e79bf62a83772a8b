# SPDX-License-Identifier: Apache-2.0
"""Contact sheets explain themselves: a legend as wide as the sheet, wrapped text, one sample large."""

from pathlib import Path

import pytest

from multishade.cli import main
from multishade.imaging import codecs
from multishade.imaging.text import font
from multishade.report.block import MIN_COLUMNS, draw_block
from multishade.report.legend import NOTES, draw_legend, wrapped
from tests.support.synthetic import make_sample, write_synthetic_shard


def test_text_is_broken_at_spaces_and_no_word_is_lost() -> None:
    text = NOTES["Lights"][0]
    lines = wrapped(text, 200, font(14))
    assert " ".join(lines) == text
    assert all(font(14).getlength(line) <= 200 for line in lines) and len(lines) > 3


def test_the_legend_explains_what_the_captions_contain() -> None:
    text = " ".join(note for notes in NOTES.values() for note in notes)
    for word in ("az:", "el:", "clockwise from up", "camera frame", "Cropped", "least squares:", "mask:"):
        assert word in text


@pytest.mark.parametrize("width", [900, 1702, 3110])
def test_the_legend_fills_the_width_and_grows_where_it_is_narrow(width: int) -> None:
    legend = draw_legend(width)
    assert legend.width == width
    assert legend.height >= draw_legend(width + 600).height


def test_show_draws_one_sample_larger_than_the_sheet_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = make_sample(size=48)
    write_synthetic_shard(tmp_path / "multishade-000000.tar", [sample])
    out = tmp_path / "sample.png"
    assert main(["show", str(tmp_path), sample.key, "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert codecs.read_png(out).shape[1] > 1.5 * draw_block(sample).width
    assert draw_block(sample).width > MIN_COLUMNS * 200
