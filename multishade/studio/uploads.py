# SPDX-License-Identifier: Apache-2.0
"""What a browser sends -> files in a folder: safe names, known kinds, bounded sizes."""

import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from multishade.errors import MultiShadeError
from multishade.evaluation.readers.folder_files import LIGHT_SUFFIXES
from multishade.inference.photo import readable_suffixes, unread_suffixes

LONGEST_NAME = 120  # bytes; file systems take 255
MEGABYTE = 1_000_000


class UploadRefused(MultiShadeError):
    """What was sent is not taken.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """What is taken.

    Attributes:
        megabytes: Of one file.
        megapixels: Of one photo.
        set_megabytes: Of all files of one set.
        set_files: Their number.
        waiting: Tasks that wait at most.
        kept: Photos and sets that are kept; the oldest that is done makes room.
    """

    megabytes: float = 200.0
    megapixels: float = 40.0
    set_megabytes: float = 4000.0
    set_files: int = 400
    waiting: int = 20
    kept: int = 12


def safe_name(given: str) -> str:
    """Return the last part of a name that a browser sent, as a file's name: not hidden, without control characters.

    Raises:
        UploadRefused: If nothing is left of it.
    """
    name = PureWindowsPath(given).name.strip()  # takes both kinds of slash
    name = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C")
    stem, dot, suffix = name.lstrip(".").rpartition(".")
    if not dot:
        stem, suffix = suffix, ""
    room = LONGEST_NAME - len(suffix.encode()) - 1
    short = stem.encode()[: max(room, 1)].decode(errors="ignore")
    if not short.strip() or room < 1:
        raise UploadRefused(f"{given[:80]!r} is no name of a file", 400)
    return f"{short}{dot}{suffix}"


def require_photo(name: str) -> None:
    """Raise UploadRefused if a file is, by its suffix, no photo that is read here."""
    suffix = Path(name).suffix.lower()
    if suffix in readable_suffixes():
        return
    reason = unread_suffixes().get(suffix)
    if reason is None:
        reason = f"{suffix or 'a file without a suffix'} is no picture; send a JPEG, PNG, TIFF or WebP"
    raise UploadRefused(f"{name}: {reason}", 415)


def require_photo_or_lights(name: str) -> None:
    """Raise UploadRefused if a file is, by its suffix, neither a photo nor a file of lights."""
    if Path(name).suffix.lower() not in LIGHT_SUFFIXES:
        require_photo(name)


async def receive(stream: AsyncIterator[bytes], target: Path, most: float, declared: str | None) -> int:
    """Write what is sent into a file.

    Args:
        stream: The body in parts.
        target: The file; removed if the body is refused.
        most: Megabytes at most.
        declared: The header Content-Length.

    Returns:
        Bytes.

    Raises:
        UploadRefused: If it is empty or larger.
    """
    refusal = UploadRefused(
        f"{target.name}: more than {most:g} megabytes; shrink it, or start the studio with --max-megabytes",
        413,
    )
    if declared is not None and declared.isdigit() and int(declared) > most * MEGABYTE:
        raise refusal
    size = 0
    try:
        with target.open("wb") as file:
            async for part in stream:
                size += len(part)
                if size > most * MEGABYTE:
                    raise refusal
                file.write(part)
        if not size:
            raise UploadRefused(f"{target.name}: is empty", 400)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return size
