# SPDX-License-Identifier: Apache-2.0
"""All photos and sets of one page: sent, queued, made, painted again, downloaded, forgotten."""

import io
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from multishade.errors import ImageFileError, SolveError
from multishade.storage.scratch import remove_scratch, scratch_prefix, sweep_scratch
from multishade.studio import uploads
from multishade.studio.item import Item, Kind
from multishade.studio.uploads import Limits, UploadRefused
from multishade.studio.work import BALLS, Maker, paint
from multishade.studio.worker import Worker

MASK_MEGABYTES = 8.0  # of what the page sends: a picture of 1280 pixels at most


class Studio:
    """What the server answers from.

    Attributes:
        limits: What is taken.
        worker: The queue.
        items: By their ids, oldest first.
    """

    def __init__(self, maker: Maker, limits: Limits | None = None) -> None:
        """Make a temporary folder, which `stop` removes.

        Args:
            maker: Makes the results.
            limits: What is taken.
        """
        self.limits, self.worker = limits or Limits(megapixels=maker.megapixels), Worker()
        self.items: dict[str, Item] = {}
        self._maker = maker
        sweep_scratch()
        # On disk: sets of photographs are larger than what may lie in memory.
        self._folder = Path(tempfile.mkdtemp(prefix=scratch_prefix()))

    def start(self) -> None:
        """Begin to work."""
        self.worker.start()

    def stop(self) -> None:
        """End, and remove everything that was sent and made."""
        self.worker.stop()
        remove_scratch(self._folder)

    def overview(self) -> dict[str, Any]:
        """What the page asks for again and again."""
        limits = self.limits
        return {
            "items": [item.told(self.worker.before(item.id)) for item in self.items.values()],
            "limits": {"megabytes": limits.megabytes, "files": limits.set_files},
        }

    def item(self, key: str) -> Item:
        """Return an item. Raises UploadRefused if it is not there (any more)."""
        if key not in self.items:
            raise UploadRefused("it is not here any more; send it again", 404)
        return self.items[key]

    async def add_photo(self, name: str, body: AsyncIterator[bytes], declared: str | None) -> Item:
        """Take a photo and queue it.

        Args:
            name: As the browser calls it.
            body: The file.
            declared: Its length as the header states it.

        Raises:
            UploadRefused: If it is no photo, too large, or too many wait.
        """
        safe = uploads.safe_name(name)
        uploads.require_photo(safe)
        item = self._new("photo", name)
        try:
            await uploads.receive(body, item.source / safe, self.limits.megabytes, declared)
        except BaseException:
            self.remove(item.id)
            raise
        self._queue(item)
        return item

    def add_set(self, name: str) -> Item:
        """Begin a set, whose files are sent one by one.

        Args:
            name: What it is called on the page and in its files.
        """
        item = self._new("set", name)
        (item.source / uploads.safe_name(name)).mkdir()
        return item

    async def add_file(self, key: str, name: str, body: AsyncIterator[bytes], declared: str | None) -> None:
        """Take one file of a set: a photograph, a file of lights, mask, ambient or ball_mask.

        Raises:
            UploadRefused: If it is none of these, too large, or the set is complete.
        """
        item, limits = self.item(key), self.limits
        safe = uploads.safe_name(name)
        uploads.require_photo_or_lights(safe)
        sent, count = item.sent
        if item.kind != "set" or item.state != "empty":
            raise UploadRefused(f"{safe}: the set is complete; send a new one", 409)
        if count >= limits.set_files:
            raise UploadRefused(f"{safe}: a set has at most {limits.set_files} files", 413)
        (folder,) = item.source.iterdir()
        if (folder / safe).exists():
            raise UploadRefused(f"{safe}: two files of the set have this name", 409)
        room = limits.set_megabytes - sent / uploads.MEGABYTE
        if room <= 0:
            raise UploadRefused(f"{safe}: the set has more than {limits.set_megabytes:g} megabytes", 413)
        size = await uploads.receive(body, folder / safe, min(limits.megabytes, room), declared)
        item.sent = sent + size, count + 1

    def solve(self, key: str, options: Mapping[str, Any]) -> None:
        """Queue a set.

        Args:
            key: Of the set.
            options: "ball": "chrome", "matte" or None; "srgb": whether the photographs are sRGB-coded.

        Raises:
            UploadRefused: If an option is none, or it is no set.
        """
        item = self.item(key)
        if item.kind != "set" or not item.sent[1]:
            raise UploadRefused("only a set of photographs is solved; send its files first", 409)
        ball, srgb = options.get("ball"), options.get("srgb", False)
        if ball not in (None, *BALLS) or not isinstance(srgb, bool):
            raise UploadRefused(f"ball is one of {', '.join(BALLS)} or null, srgb is true or false", 400)
        item.options = {"ball": ball, "srgb": srgb}
        self._queue(item)

    def paint(self, key: str, png: bytes) -> None:
        """Take a painted mask and queue the item again.

        Args:
            key: Of the item.
            png: A picture of the size of that of the page; white on the object.

        Raises:
            UploadRefused: If it is no mask of the item.
        """
        item = self.item(key)
        if not item.version:
            raise UploadRefused("there is nothing to paint yet", 409)
        try:
            with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
                if image.width * image.height > 4 * uploads.MEGABYTE:
                    raise UploadRefused("the mask is too large", 413)
                painted = np.asarray(image.convert("L")) > 127
            paint(item, painted)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UploadRefused("the mask is no PNG", 400) from error
        except (SolveError, ImageFileError) as error:
            raise UploadRefused(str(error), 400) from error
        self._queue(item)

    def unpaint(self, key: str) -> None:
        """Forget the painted mask, so that the mask is found again."""
        item = self.item(key)
        item.painted.unlink(missing_ok=True)
        self._queue(item)

    def shown(self, key: str, name: str) -> bytes:
        """Return a file that the page shows. Raises UploadRefused if there is none yet."""
        item = self.item(key)
        with item.lock:
            if not item.version:
                raise UploadRefused("there is no result yet", 404)
            return (item.shown / name).read_bytes()

    def result(self, key: str, name: str) -> Path:
        """Return a file to download. Raises UploadRefused if there is none of this name."""
        item = self.item(key)
        if all(file["name"] != name for file in item.files()):
            raise UploadRefused(f"{name[:80]!r} is no file of it", 404)
        return item.results / name

    def archive(self, key: str) -> Path:
        """Make and return the ZIP archive of all files."""
        item = self.item(key)
        names = [file["name"] for file in item.files()]
        if not names:
            raise UploadRefused("there are no files yet", 404)
        path = item.folder / f"{item.version}.zip"
        if not path.is_file():
            stem = Path(uploads.safe_name(item.name)).stem
            with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
                for name in names:
                    archive.write(item.results / name, f"{stem}/{name}")
        return path

    def remove(self, key: str) -> None:
        """Forget an item and remove its files; what runs for it ends without its files."""
        item = self.items.pop(key, None)
        self.worker.drop(key)
        if item is not None:
            shutil.rmtree(item.folder, ignore_errors=True)

    def _new(self, kind: Kind, name: str) -> Item:
        if self.worker.waiting >= self.limits.waiting:
            raise UploadRefused(f"{self.worker.waiting} are waiting already; wait until some are done", 503)
        while len(self.items) >= self.limits.kept + self.worker.waiting:
            old = next((key for key in self.items if not self.worker.works_on(key)), None)
            if old is None:
                break
            self.remove(old)
        item = Item(secrets.token_hex(8), kind, name[:200], self._folder / secrets.token_hex(8))
        for folder in (item.folder, item.source, item.results):
            folder.mkdir()
        self.items[item.id] = item
        return item

    def _queue(self, item: Item) -> None:
        item.state, item.step = "waiting", ""
        self.worker.put(item.id, lambda: self._make(item))

    def _make(self, item: Item) -> None:
        try:
            self._maker.make(item)
        except Exception:
            if item.id in self.items:  # else its files were removed meanwhile, and nobody waits for it
                raise
