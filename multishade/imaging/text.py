# SPDX-License-Identifier: Apache-2.0
"""The font of captions, and texts cut to the room that they have."""

from PIL import ImageFont

Font = ImageFont.FreeTypeFont


def font(size: int) -> Font:
    """Return Pillow's own font at `size` pixels: no file of the system is needed."""
    return ImageFont.load_default(size)  # type: ignore[return-value]


def fit_text(text: str, width: float, font: Font) -> str:
    """Shorten `text` with an ellipsis until it is at most `width` pixels wide; "" if not one letter fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…" if text else ""
