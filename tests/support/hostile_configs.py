# SPDX-License-Identifier: Apache-2.0
"""Texts of configurations and rows of manifests that attack their readers."""

import json
from pathlib import Path
from typing import Any


def hostile_texts(demo: Path) -> dict[str, bytes]:
    """Contents of YAML files, by what they try; each is an error."""
    begin = f"extends: {demo}\n"
    laughs = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}' if i else 'lol'] * 9)}]\n" for i in range(10))
    merged = "a0: &a0 {k: 1}\n" + "".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 9)
    )
    texts = {
        "duplicate key": begin + "seed: 1\nseed: 2\n",
        "duplicate section": begin + "views: {count: 1}\nviews: {count: 2}\n",
        "duplicate by another spelling": begin + "1: a\n0x1: b\n",
        "aliases": begin + laughs,
        "aliases as the name": begin + laughs + "name: *x9\n",
        "merged keys": begin + merged,
        "alias to itself": begin + "name: &a [*a]\n",
        "deep lists": begin + "name: " + "[" * 50_000,
        "deep mappings": begin + "name: " + "{a: " * 50_000,
        "deep blocks": begin + "\n".join(" " * i + "a:" for i in range(2000)),
        "deep sequences": begin + "name:\n" + "- " * 20_000,
        "moderately deep": begin + "name: " + "[" * 300 + "]" * 300,
        "long decimal": begin + "seed: " + "9" * 5000 + "\n",
        "long hexadecimal": begin + "seed: 0x" + "f" * 300_000 + "\n",
        "long binary": begin + "seed: 0b" + "1" * 300_000 + "\n",
        "base sixty": begin + "seed: 1" + ":59" * 100_000 + "\n",
        "base sixty float": begin + "seed: 1" + ":59" * 100_000 + ".0\n",
        "large within limits": begin + "seed: " + "9" * 390 + "\n",
        "infinite": begin + "camera: {sensor_mm: 1.0e999}\n",
        "not a number": begin + "camera: {sensor_mm: .nan}\n",
        "impossible date": begin + "name: 2026-13-45\n",
        "python object": begin + "name: !!python/object/apply:os.system [id]\n",
        "unknown tag": begin + "name: !secret x\n",
        "two documents": begin + "---\nname: b\n",
        "list at the top": "- name: a\n",
        "text at the top": "just words\n",
        "number at the top": "7\n",
        "empty": "",
        "comment only": "# nothing\n",
        "only extends a list": "extends: [a, b]\n",
        "surrogate": begin + 'name: "\\ud800"\n',
        "zero byte in a text": begin + 'sources: {objects: "a\\0b.jsonl"}\n',
        "escape sequence": begin + 'name: "\\e[2J"\n',
        "long text": begin + "name: " + "a " * 500_000 + "\n",
        "many unknown names": begin + "".join(f"k{i}: {i}\n" for i in range(10_000)),
        "list as a key": begin + "? [a, b]\n: c\n",
        "mapping as a key": begin + "{a: b}: c\n",
        "no value": "name:\nsources:\n",
        "sources of lists": begin + "sources: {objects: [[a]]}\n",
        "sources of mappings": begin + "sources: {objects: {a: b}}\n",
        "section as a number": begin + "camera: 7\n",
        "tabs": begin + "views:\n\tcount: 2\n",
        "unclosed text": begin + 'name: "abc\n',
        "unclosed flow": begin + "views: {count: 2\n",
        "undefined alias": begin + "name: *nowhere\n",
        "directive": "%YAML 9.9\n---\nname: a\n",
        "anchor without end": begin + "name: &" + "a" * 10_000 + "\n",
    }
    found = {name: text.encode() for name, text in texts.items()}
    plain = (begin + "name: é\nseed: x\n").encode("utf-8").decode()
    found |= {
        "latin-1": (begin + "# é\n").encode("latin-1"),
        "windows-1252": (begin + "# “quoted”\n").encode("cp1252"),
        "utf-16 without mark": plain.encode("utf-16-le"),
        "utf-16 with mark": plain.encode("utf-16"),
        "utf-32 with mark": plain.encode("utf-32"),
        "utf-16 cut short": plain.encode("utf-16")[:-1],
        "zero bytes": begin.encode() + b"\0" * 100,
        "noise": bytes(range(256)) * 16,
        "gzip": b"\x1f\x8b\x08\0\0\0\0\0" + b"x" * 100,
        "overlong": begin.encode() + b"name: \xc0\xaf\n",
    }
    return found


def hostile_rows(good: dict[str, Any]) -> dict[str, str]:
    """Lines of a manifest, by what they try; each is an error."""
    text = json.dumps(good)
    return {
        "duplicate field": text[:-1] + f', "id": {json.dumps(good["id"])}}}',
        "duplicate inside": text[:-1] + ', "x": {"a": 1, "a": 2}}',
        "deep list": text[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "deep mapping": text[:-1] + ', "x": ' + '{"a": ' * 100_000 + "1" + "}" * 100_000 + "}",
        "huge integer": json.dumps({**good, "vertices": 10**4000}),
        "longer integer": text[:-1] + ', "vertices": ' + "9" * 10_000 + "}",
        "huge exponent": text[:-1] + ', "scale": 1e999}',
        "not a number": text[:-1] + ', "scale": NaN}',
        "infinite": text[:-1] + ', "scale": -Infinity}',
        "many unknown names": json.dumps({**good, **{f"n{i}": i for i in range(40_000)}}),
        "long id": json.dumps({**good, "id": "a b" * 100_000}),
        "surrogate": text[:-1] + ', "licence": "\\ud800"}',
        "zero byte": json.dumps({**good, "location": "a\0b.glb"}),
        "line break": json.dumps({**good, "location": "a\nb.glb"}),
        "escape sequence": json.dumps({**good, "licence": "\x1b[2J"}),
        "absolute file": json.dumps({**good, "files": ["/etc/passwd"]}),
        "list": "[1, 2]",
        "text": '"a"',
        "null": "null",
        "number": "7",
        "cut short": text[: len(text) // 2],
        "two rows in a line": text + text,
        "comment": "// a row",
        "yaml": "id: a",
    }
