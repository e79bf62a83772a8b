# SPDX-License-Identifier: Apache-2.0
"""`multishade-inspect --html`: one file with all that it needs, whatever the names in the shards are."""

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np

from multishade.cli.inspect import main
from multishade.shards.record import DatasetRecord, open_dataset
from tests.support.synthetic import make_sample, with_meta, write_synthetic_shard

HOSTILE = "</script><script>window.hacked=1</script><!--"


def page_of(tmp_path: Path) -> tuple[int, str]:
    samples = [make_sample(f"s000000-g{group:04d}-v0", size=40) for group in range(3)]
    samples[2] = with_meta(samples[2], "object", id=HOSTILE)
    write_synthetic_shard(tmp_path / "multishade-000000.tar", samples)
    open_dataset(tmp_path, DatasetRecord({"name": "demo"}, {}, {}))
    page = tmp_path / "page.html"
    code = main([str(tmp_path / "multishade-000000.tar"), "--html", str(page), "--rows", "2"])
    return code, page.read_text()


def test_the_page_stands_alone_and_shows_samples_exactly(tmp_path: Path) -> None:
    code, html = page_of(tmp_path)
    assert code == 0 and "Sound: all checks passed." in html
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", html), "nothing is loaded"
    assert "import " not in html.split('<script type="module">')[1].replace("// ", "").split("\n\n")[0]
    data = json.loads(html.split('id="data">')[1].split("</script>")[0])
    assert [sample["key"] for sample in data] == ["s000000-g0000-v0", "s000000-g0001-v0"]
    packed = data[0]["packed"]
    normals = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), "<i2")
    lengths = np.linalg.norm(normals.reshape(packed["side"], packed["side"], 3) / 32767.0, axis=2)
    assert set(np.round(lengths[lengths > 0], 2)) == {1.0}
    assert data[0]["command"] == f"multishade replay {tmp_path} s000000-g0000-v0"


def test_a_hostile_name_does_not_end_the_script_element(tmp_path: Path) -> None:
    samples = [with_meta(make_sample(size=40), "object", id=HOSTILE)]
    write_synthetic_shard(tmp_path / "multishade-000000.tar", samples)
    page = tmp_path / "page.html"
    assert main([str(tmp_path / "multishade-000000.tar"), "--html", str(page)]) == 0
    html = page.read_text()
    assert html.count("<script") == 2 and html.count("</script>") == 2
    shown = json.loads(html.split('id="data">')[1].split("</script>")[0])[0]
    assert shown["title"] == HOSTILE
    assert shown["command"] is None, "a tar alone cannot be rendered again"
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None and "default-src 'none'" in policy[1]
