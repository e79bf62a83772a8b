# SPDX-License-Identifier: Apache-2.0
"""The part of the Hub's protocol that takes uploads: new repositories, LFS batches, objects, commits."""

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

SMALL = (".md", ".json", ".yaml", ".uuid")  # kept in git itself; everything else is a large file


class HubUploads:
    """What was sent to a Hub. `hub` is the content of its repositories, into which commits go.

    `large`: objects by sha256. `stored`: sha256 of each object that was sent, in order. `commits`: their titles.
    `refuse_after`: number of objects after which the storage answers 403.
    """

    def __init__(self, url: str, hub: dict[str, dict[str, bytes]]) -> None:
        self.url, self.hub = url, hub
        self.large: dict[str, bytes] = {}
        self.stored: list[str] = []
        self.commits: list[str] = []
        self.refuse_after: int | None = None

    def post(self, path: str, sent: bytes) -> tuple[int, Any] | None:
        """The answer to a POST, None if the path is none of uploads."""
        if path == "/api/repos/create":
            asked = json.loads(sent)
            name = f"{asked['organization'] or 'user'}/{asked['name']}"
            known = name in self.hub
            self.hub.setdefault(name, {})
            place = {"url": f"{self.url}/datasets/{name}", "name": name, "id": "1"}
            return (409 if known else 200), place
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "regular" if file["path"].endswith(SMALL) else "lfs",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(sent)["files"]
            ]
            return 200, {"files": modes}
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {
                "transfer": "basic",
                "objects": [self._offer(each) for each in json.loads(sent)["objects"]],
            }
        if "/commit/" in path:
            repository = path.removeprefix("/api/datasets/").partition("/commit/")[0]
            self._commit(repository, map(json.loads, sent.splitlines()))
            address = f"{self.url}/datasets/{repository}/commit/{len(self.commits)}"
            return 200, {"commitUrl": address, "commitOid": "0" * 40, "success": True}
        return None

    def put(self, path: str, sent: bytes) -> int:
        """Store an object; the status."""
        name = path.rpartition("/")[2]
        if self.refuse_after is not None and len(self.stored) >= self.refuse_after:
            return 403
        if hashlib.sha256(sent).hexdigest() != name:
            return 400
        self.large[name] = sent
        self.stored.append(name)
        return 200

    def _offer(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["oid"] in self.large:
            return wanted
        return {
            **wanted,
            "actions": {"upload": {"href": f"{self.url}/objects/{wanted['oid']}", "header": {}}},
        }

    def _commit(self, repository: str, lines: Iterable[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                self.hub[repository][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub[repository][value["path"]] = self.large[value["oid"]]
