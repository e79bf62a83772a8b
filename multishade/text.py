# SPDX-License-Identifier: Apache-2.0
"""Text files of any editor -> str: UTF-8 with or without byte order mark, UTF-16 and UTF-32 by their mark; JSON.

The one reader of lists, manifests, light files and configurations that people write. Another encoding is an error that
names the place: an encoding that is guessed would put wrong letters into names without a word.
"""

import codecs
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from multishade.errors import MultiShadeError

# UTF-32's mark begins with that of UTF-16, so it comes first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_REMEDY = "save it as UTF-8"


def read_text(path: str | Path, error: type[MultiShadeError]) -> str:
    """Read a text file, line ends as "\\n".

    Args:
        path: The file.
        error: The exception to raise.

    Returns:
        The text, without byte order mark.

    Raises:
        MultiShadeError: `error`, if the file cannot be read or is not text; it names the file, and line and column.
    """
    try:
        data = read_regular(path)
    except (FileNotFoundError, NotADirectoryError) as failure:
        raise error(f"{path}: cannot be read (no such file)") from failure
    except OSError as failure:
        raise error(f"{path}: cannot be read ({failure.strerror})") from failure
    return decode_text(data, str(path), error)


def read_regular(path: str | Path, largest: int | None = None) -> bytes:
    """Read a whole file that is a file: a device never ends, and a pipe waits for who may never write.

    Args:
        path: The file, links followed.
        largest: Bytes; None: no limit.

    Returns:
        Its content.

    Raises:
        OSError: If it cannot be read, is no regular file, or is larger; `strerror` says so.
    """
    with open(path, "rb", opener=_open_now) as file:
        status = os.fstat(file.fileno())
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, and no file", str(path))
        if largest is not None and status.st_size > largest:
            raise OSError(errno.EFBIG, f"it is larger than {largest >> 20} MiB", str(path))
        return file.read()


def _open_now(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_lines(path: str | Path, error: type[MultiShadeError]) -> list[str]:
    """Read the lines of a text file without their ends; arguments and errors as for `read_text`."""
    return read_text(path, error).split("\n")


def decode_text(data: bytes, source: str, error: type[MultiShadeError]) -> str:
    """Decode the bytes of a text file.

    Args:
        data: The whole file.
        source: How messages name it.
        error: The exception to raise.

    Returns:
        The text, without byte order mark, line ends as "\\n".

    Raises:
        MultiShadeError: `error`, if the bytes are not text; it names line and column.
    """
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as failure:
        before = data[len(mark) :][: failure.start].decode(encoding, "replace")
        byte = f"byte 0x{failure.object[failure.start]:02X}"
        raise error(f"{source}:{_place(before)}: {byte} is not {encoding.upper()}; {_REMEDY}") from failure
    if "\0" in text:
        place = _place(text[: text.index("\0")])
        raise error(
            f"{source}:{place}: a zero byte, which no text has; if it is UTF-16 without mark, {_REMEDY}"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_json(data: str | bytes) -> Any:
    """Parse JSON of strangers.

    Args:
        data: The whole text.

    Returns:
        Its content.

    Raises:
        ValueError: If it is not JSON, or is nested without end.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def marked_encoding(path: str | Path) -> str:
    """Return the encoding that a file's byte order mark states, one that passes over the mark; "" without a mark."""
    with Path(path).open("rb") as stream:
        head = stream.read(4)
    name = next((name for mark, name in _MARKS if head.startswith(mark)), "")
    return {"utf-8": "utf-8-sig"}.get(name, name.removesuffix("-le").removesuffix("-be"))


def _place(before: str) -> str:
    """The place after a text: line:column, both from 1."""
    return f"{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"


def printable(text: str) -> str:
    """Return a text with escapes in place of what acts on a terminal, ends a line or cannot be encoded.

    Names of files and texts in them come from strangers: "\\x1b[2J" would clear the screen of who reads a message.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
