# SPDX-License-Identifier: Apache-2.0
"""The bytes of a texture in, an image file of at most a given size out, at the same bit depth."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.errors import AssetError

_MAGIC = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"II*\0": ".tif", b"MM\0*": ".tif", b"RIFF": ".webp"}


def write_map(data: bytes, folder: Path, column: str, max_size: int | None) -> str:
    """Store an image as it was uploaded, or as PNG of the same depth if it has to be shrunk.

    Args:
        data: The image file's bytes.
        folder: Where the file goes.
        column: Its stem, and the image's name in messages; "normal" is normalised after shrinking.
        max_size: Longest side in pixels, None for any.

    Returns:
        The file's name.

    Raises:
        AssetError: If the image cannot be decoded or stored.
    """
    import cv2

    suffix = next((suffix for magic, suffix in _MAGIC.items() if data.startswith(magic)), None)
    if suffix is None:
        raise AssetError(f"its {column} is not in a supported image format")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:  # such as a side of more than a million pixels
        raise AssetError(f"its {column} cannot be decoded ({' '.join(str(error).split())})") from error
    if image is None:
        raise AssetError(f"its {column} cannot be decoded")
    longest = max(image.shape[:2])
    if max_size is None or longest <= max_size:
        (folder / f"{column}{suffix}").write_bytes(data)
        return f"{column}{suffix}"
    if image.dtype not in (np.uint8, np.uint16):
        raise AssetError(f"its {column} holds {image.dtype}, which PNG does not")
    height, width = (max(1, round(side * max_size / longest)) for side in image.shape[:2])
    small: NDArray[Any] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    if column == "normal" and small.ndim == 3:
        small = _unit_normals(small)
    done, buffer = cv2.imencode(".png", small)
    if not done:
        raise AssetError(f"its {column} cannot be stored as PNG")
    (folder / f"{column}.png").write_bytes(buffer.tobytes())
    return f"{column}.png"


def _unit_normals(image: NDArray[Any]) -> NDArray[Any]:
    """Normals that were averaged by shrinking, (H, W, 3 or 4) as stored, scaled to unit length."""
    top = float(np.iinfo(image.dtype).max)
    vectors = image[..., :3].astype(np.float32) / top * 2 - 1
    vectors /= np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-6)
    return np.round((vectors + 1) / 2 * top).astype(image.dtype)
