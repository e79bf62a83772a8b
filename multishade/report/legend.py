# SPDX-License-Identifier: Apache-2.0
"""What the captions and colours of a contact sheet mean -> a band for its end, as wide as the sheet."""

from PIL import Image, ImageColor, ImageDraw

from multishade.imaging import panels
from multishade.imaging.text import Font, font
from multishade.report.block import PAGE, QUIET, TEXT, draw_light

LINE, GUTTER, HEADING = 19, 36, 28
# Heading -> paragraphs. Frames, units and signs are those of docs/data-format.md.
NOTES = {
    "Pictures": (
        "Cropped to a square about the object, which may reach beyond the image. Images are exposed as stored, "
        "sRGB-encoded, and over grey.",
        "Shading of the modes lambert and cast is shown as stored, without encoding: white is 1.",
        "Names of views (the end of the key): v0, v1, ... in the order of the recipe.",
    ),
    "Lights": (
        "az: azimuth of the direction to the light, in degrees clockwise from up in the image (90: from the right). "
        "el: elevation above the image plane, in degrees (90: from the camera).",
        "The yellow dot is the same direction seen from the camera: in the centre of the disc the light is behind the "
        "camera, on its rim beside the object.",
        "at x, y, z: a point light's position in the camera frame, in scene units: +x right, +y up, +z from the scene "
        "toward the camera, which is the origin. The object's bounding sphere has radius 0.5.",
        "NAME 30°: an environment map, turned about the world's vertical, counter-clockwise from above.",
    ),
    "Maps": (
        "normal: in the camera frame, n / 2 + 1/2: red right, green up, blue toward the viewer, as on the ball above.",
        "depth: along the view axis, in scene units; near is light. The caption has the range.",
        "mask: where the pixel's centre hits the object, and its share of the whole image.",
        "albedo: base colour, sRGB-encoded; roughness and metallic: 0 is black, 1 white; position: x, y, z over the "
        "object as red, green, blue; object index: a colour for each mesh object of the file.",
        "least squares: angle between the true normal and that of least squares on the shading below it, from black "
        "(0) to the value at the right end of the scale; blue where fewer than three lights reach the pixel.",
    ),
}


def draw_legend(width: int) -> Image.Image:
    """Draw the legend.

    Args:
        width: Of the sheet without its margins, in pixels.

    Returns:
        An image of that width.
    """
    small = font(14)
    column = (width - GUTTER * (len(NOTES) - 1)) // len(NOTES)
    texts = {
        heading: [line for note in notes for line in wrapped(note, column, small)]
        for heading, notes in NOTES.items()
    }
    height = HEADING + LINE * max(len(lines) for lines in texts.values())
    band = Image.new("RGB", (width, height), PAGE)
    draw = ImageDraw.Draw(band)
    for number, (heading, lines) in enumerate(texts.items()):
        left = number * (column + GUTTER)
        draw.text((left, 0), heading, fill=TEXT, font=font(16))
        for row, line in enumerate(lines):
            draw.text((left, HEADING + LINE * row), line, fill=QUIET, font=small)
        if heading == "Lights":
            draw_light(draw, left + 72, 10, (0.5, 0.6))
    return band


def wrapped(text: str, width: float, font: Font) -> list[str]:
    """Break a text into lines of at most `width` pixels, at spaces."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def normal_ball(side: int) -> Image.Image:
    """Draw a ball in the colours of its normals, on the page's colour."""
    red, green, blue = ImageColor.getrgb(PAGE)[:3]
    return Image.fromarray(panels.normal_ball(side, (red, green, blue)))
