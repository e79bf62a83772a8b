# SPDX-License-Identifier: Apache-2.0
"""Bytes in order -> an object of an S3 store, by a multipart upload that can be continued by another process.

Parts have sizes that follow from their numbers alone. A writer that takes up the upload of a killed one sends only
those parts whose MD5 the store does not state already. An object that fits in one part is put in one request.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from multishade.errors import ShardError
from multishade.storage.driver import call, filesystem

PART_BYTES = 16 << 20
_logger = logging.getLogger(__name__)
_STEP = 2000  # parts after which the size doubles: 10,000 parts, the most that S3 takes, are 970 GiB


@dataclass(frozen=True)
class Unfinished:
    """A multipart upload that was begun. path: Of its object, below the folder that was listed."""

    path: str
    key: str
    upload: str
    begun: str


class S3Upload:
    """A `Writer` of one object, which appears when `commit` is called. `sent` counts the bytes that were sent."""

    def __init__(self, url: str, take_up: bool = False) -> None:
        """Begin an object.

        Args:
            url: The object.
            take_up: Continue the newest upload that a killed writer of this object left, and end its others. No other
                writer of it may be at work.

        Raises:
            ShardError: If the store refuses.
        """
        self._url, self._files = url, filesystem(url)
        self._bucket, self._key, _ = self._files.split_path(url)
        self._waiting, self._position, self.sent = bytearray(), 0, 0
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._stored: dict[int, tuple[str, int]] = {}
        self._digests, self._tagged_by_md5 = b"", True
        if take_up:
            self._take_up()

    def write(self, data: bytes) -> int:
        self._waiting += data
        self._position += len(data)
        while len(self._waiting) >= (size := self._part_size()):
            self._send(bytes(self._waiting[:size]))
            del self._waiting[:size]
        return len(data)

    def tell(self) -> int:
        return self._position

    def commit(self) -> None:
        """Make the object appear. Raises ShardError if the store refuses."""
        if not self._parts:
            self._request("put_object", Body=bytes(self._waiting))
            self.sent += len(self._waiting)
            if self._upload is not None:  # a taken-up upload of a longer content
                self.discard()
            return
        if self._waiting:
            self._send(bytes(self._waiting))
        call(self._url, "written", self._complete)

    def discard(self) -> None:
        """End the upload; what was sent of it is removed."""
        if self._upload is not None:
            abort(self._url, self._key, self._upload)
            self._upload = None

    def _take_up(self) -> None:
        try:
            found = [each for each in unfinished(self._url) if each.key == self._key]
        except ShardError as error:
            if not isinstance(error.__cause__, PermissionError):
                raise
            _logger.warning(
                "%s; the upload begins anew", error
            )  # credentials that may write, and not list uploads
            return
        found.sort(key=lambda each: each.begun)
        for older in found[:-1]:
            abort(self._url, older.key, older.upload)
        if found:
            self._upload = found[-1].upload
            for part in self._listed_parts():
                self._stored[part["PartNumber"]] = (part["ETag"].strip('"'), part["Size"])

    def _listed_parts(self) -> Iterator[dict[str, Any]]:
        marker = 0
        while True:
            page = self._request("list_parts", UploadId=self._upload, PartNumberMarker=marker)
            yield from page.get("Parts", ())
            if not page.get("IsTruncated"):
                return
            marker = int(page["NextPartNumberMarker"])

    def _part_size(self) -> int:
        return PART_BYTES << (len(self._parts) // _STEP)

    def _send(self, data: bytes) -> None:
        number, digest = len(self._parts) + 1, hashlib.md5(data, usedforsecurity=False)
        if self._stored.get(number) == (digest.hexdigest(), len(data)):
            tag = f'"{digest.hexdigest()}"'
        else:
            if self._upload is None:
                self._upload = self._request("create_multipart_upload")["UploadId"]
            tag = self._send_part(number, data)
            self.sent += len(data)
        self._digests += digest.digest()
        self._tagged_by_md5 &= (
            tag.strip('"') == digest.hexdigest()
        )  # not so if the store encrypts with a key of its own
        self._parts.append({"PartNumber": number, "ETag": tag})

    def _send_part(self, number: int, data: bytes) -> str:
        def send() -> str:
            place = {"Bucket": self._bucket, "Key": self._key, "UploadId": self._upload}
            try:
                answer = self._files.call_s3("upload_part", **place, PartNumber=number, Body=data)
            except FileNotFoundError as error:
                if _code(error) == "NoSuchUpload":
                    raise self._ended() from None
                raise
            return str(answer["ETag"])

        return call(self._url, "written", send)

    def _ended(self) -> ShardError:
        return ShardError(
            f"{self._url}: cannot be written: its upload was ended by another writer; run again"
        )

    def _complete(self) -> None:
        place = {"Bucket": self._bucket, "Key": self._key}
        parts = {"Parts": self._parts}
        try:
            # A repeated request is answered as the first: by whoever completed the upload.
            tag = self._files.call_s3(
                "complete_multipart_upload", **place, UploadId=self._upload, MultipartUpload=parts
            )["ETag"]
        except FileNotFoundError:  # no such upload: an attempt whose answer was lost may have completed it
            try:
                tag = self._files.call_s3("head_object", **place)["ETag"]
            except FileNotFoundError:
                raise self._ended() from None
        if self._tagged_by_md5 and tag.strip('"') != self._tag():
            raise self._ended()

    def _tag(self) -> str:
        """The object's entity tag, which follows from those of its parts."""
        return f"{hashlib.md5(self._digests, usedforsecurity=False).hexdigest()}-{len(self._parts)}"

    def _request(self, method: str, **arguments: Any) -> Any:
        place = {"Bucket": self._bucket, "Key": self._key}
        return call(self._url, "written", lambda: self._files.call_s3(method, **place, **arguments))


def _code(error: BaseException) -> str:
    """What S3 calls an error."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def unfinished(url: str) -> list[Unfinished]:
    """List the multipart uploads of objects whose keys begin with that of a URL.

    Args:
        url: A folder, with a slash at its end, or an object.

    Returns:
        The uploads, in the order of their keys.

    Raises:
        ShardError: If they cannot be listed.
    """
    files = filesystem(url)
    bucket, prefix, _ = files.split_path(url)
    found: list[Unfinished] = []
    markers: dict[str, str] = {}
    while True:
        arguments = {"Bucket": bucket, "Prefix": prefix, **markers}
        page = call(url, "listed", lambda: files.call_s3("list_multipart_uploads", **arguments))  # noqa: B023
        for each in page.get("Uploads", ()):
            path = each["Key"].removeprefix(prefix)
            found.append(Unfinished(path, each["Key"], each["UploadId"], str(each["Initiated"])))
        if not page.get("IsTruncated"):
            return found
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def abort(url: str, key: str, upload: str) -> None:
    """End an upload, if it is not ended already. Raises ShardError if the store refuses."""
    files = filesystem(url)
    bucket = files.split_path(url)[0]

    def end() -> None:
        try:
            files.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload)
        except FileNotFoundError:
            pass

    call(url, "removed", end)
