# SPDX-License-Identifier: Apache-2.0
"""The headers of a sample's pictures -> a refusal of pictures that are far larger than the camera in its meta.json.

A file of a few bytes may state 40,000 x 40,000 pixels, and a decoder reserves memory for what a header states. So sizes
are read before pixels are decoded: memory follows from the camera, whose size is limited too.
"""

from collections.abc import Mapping
from typing import Any

from multishade.errors import ShardError
from multishade.imaging.codecs import EXR_MAGIC, PNG_SIGNATURE, exr_sizes, png_size
from multishade.imaging.decode import MOST_PIXELS

LEAST_PIXELS = (
    1 << 20
)  # read whatever the camera: an image of the wrong size is a finding that states both sizes
MOST_LIGHTS = 1024  # of a sequence or a light basis; recipes end at 256
META_BYTES = 16 << 20


def require_bounded(key: str, files: Mapping[str, bytes], meta: Mapping[str, Any]) -> None:
    """Refuse pictures that state many more pixels or channels than the camera and the lights of the sample have.

    Args:
        key: The sample's key, for messages.
        files: Files by name after the key.
        meta: Content of meta.json; what is missing in it counts as the least.

    Raises:
        ShardError: Naming the file and both sizes.
        ImageFileError: If an EXR's header cannot be read.
    """
    pixels, channels = allowed_pixels(meta), allowed_channels(meta)
    for name, data in files.items():
        if name.endswith(".png") and data[:8] == PNG_SIGNATURE and len(data) >= 24:
            sizes = [(*png_size(data), 4)]
        elif name.endswith(".exr") and data[:4] == EXR_MAGIC:
            sizes = exr_sizes(data, f"{key}.{name}")
        else:
            continue
        for width, height, _ in sizes:
            if width * height > pixels:
                raise ShardError(
                    f"{key}.{name}: is {width} x {height}; the camera of this sample allows {pixels:,} pixels"
                )
        if sum(count for *_, count in sizes) > channels:
            total = sum(count for *_, count in sizes)
            raise ShardError(
                f"{key}.{name}: has {total} channels; the lights of this sample allow {channels}"
            )


def allowed_pixels(meta: Mapping[str, Any]) -> int:
    """Pixels that a picture of this sample may state: four times its camera's, at least `LEAST_PIXELS`."""
    camera = meta.get("camera")
    sides = [camera.get(name) for name in ("width", "height")] if isinstance(camera, Mapping) else []
    whole = [side for side in sides if isinstance(side, int) and 0 < side <= MOST_PIXELS]
    stated = whole[0] * whole[1] if len(whole) == 2 else 0
    return min(max(4 * stated, LEAST_PIXELS), MOST_PIXELS)


def allowed_channels(meta: Mapping[str, Any]) -> int:
    """Channels that a picture of this sample may have: three for each light, and some to spare."""
    lights = 16
    for name in ("shading", "light_basis"):
        section = meta.get(name)
        directions = section.get("directions") if isinstance(section, Mapping) else None
        lights = max(lights, len(directions) if isinstance(directions, list | tuple) else 0)
    return 3 * min(lights, MOST_LIGHTS) + 16
