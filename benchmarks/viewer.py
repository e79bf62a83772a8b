# SPDX-License-Identifier: Apache-2.0
"""`multishade view` on 1,000 shards of 64 samples: first page, memory, filters, frame times (make bench-view).

    python -m benchmarks.viewer [--shards 1000] [--keep FOLDER] [--browser]

The shards are copies of one synthetic shard whose keys are changed in place, with the checksums of their headers. The
figures are wall times on this machine and include whatever else runs on it; the load is printed beside them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

import psutil

from multishade.shards.index import BLOCK
from multishade.shards.marker import read_marker
from tests.support.chromium import chromium, open_page, until
from tests.support.synthetic import make_sample, with_meta, write_synthetic_shard

SAMPLES = 64
FILTERS = {
    "one facet": "family=family-3",
    "two facets and a range": "family=family-3&material=material-1&exposure=0.5,2",
    "search": "q=object-1",
    "facet counts": "",
}


def make_shards(folder: Path, shards: int) -> None:
    """Write the shards: one real one, and copies whose keys have the shard's own number."""
    first = folder / "multishade-000000.tar"
    samples = []
    for number in range(SAMPLES):
        sample = make_sample(f"s000000-g{number // 2:04d}-v{number % 2}", size=16, lights=3)
        sample = with_meta(sample, "object", id=f"object-{number // 2}", family=f"family-{number % 7}")
        samples.append(with_meta(sample, "material", id=f"material-{number % 5}"))
    write_synthetic_shard(first, samples)
    template, marker = first.read_bytes(), read_marker(first)
    assert marker is not None and marker.members is not None
    headers = [int(offset) - BLOCK for offset in marker.members.offsets.ravel()]
    text = first.with_suffix(".json").read_text()
    for shard in range(1, shards):
        name = f"s{shard:06d}-".encode()
        data = bytearray(template.replace(b"s000000-", name))
        for start in headers:
            block = data[start : start + BLOCK]
            block[148:156] = b"        "
            data[start + 148 : start + 156] = b"%06o\0 " % sum(block)
        (folder / f"multishade-{shard:06d}.tar").write_bytes(data)
        copied = text.replace("s000000-", f"s{shard:06d}-").replace(
            "multishade-000000", f"multishade-{shard:06d}"
        )
        (folder / f"multishade-{shard:06d}.json").write_text(copied)


def fetch(url: str) -> tuple[float, bytes]:
    start = time.perf_counter()
    with urllib.request.urlopen(url, timeout=120) as response:
        data = response.read()
    return time.perf_counter() - start, data


def measure(folder: Path, browser: bool) -> None:
    command = [
        sys.executable,
        "-m",
        "multishade",
        "view",
        str(folder),
        "--port",
        "0",
        "--cache",
        str(folder / "cache"),
    ]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = re.search(r"http://\S+", line)
            assert url is not None, line
            base = url[0]
            took, used = time.perf_counter() - start, sum(psutil.Process(process.pid).cpu_times()[:2])
            print(
                f"command to address     {took:.2f} s, of it {used:.2f} s of the processor (imports among them)"
            )
            page = sum(fetch(base + path)[0] for path in ("", "app.js", "api/sets", "api/samples?limit=100"))
            print(f"first page             {page:.3f} s (page, script, data sets, 100 samples)")
            while True:
                counts = json.loads(fetch(base + "api/facets")[1])
                if counts["scanned"] == counts["samples"]:
                    break
                time.sleep(1)
            print(
                f"all meta.json read     {time.perf_counter() - start:.0f} s after the start, in the background"
            )
            for name, query in FILTERS.items():
                address = "api/facets?" if name == "facet counts" else "api/samples?limit=100&"
                parts = quote(query, safe="=&,")
                times = [
                    fetch(f"{base}{address}{parts}{'&' if parts else ''}order=&n={i}")[0] for i in range(5)
                ]
                print(f"filter: {name:<22} {sorted(times)[2]:.3f} s (worst of 5: {max(times):.3f})")
            times = [fetch(f"{base}thumbnail?key=s{i:06d}-g0001-v0&name=normal")[0] for i in range(20)]
            print(f"thumbnail, not cached  {sorted(times)[10]:.3f} s")
            if browser:
                scroll(base)
            memory = psutil.Process(process.pid).memory_info().rss / 1e6
            print(f"memory of the server   {memory:.0f} MB (resident)")
        finally:
            process.terminate()


def scroll(url: str) -> None:
    """Frame times while the list is scrolled from end to end in Chromium."""
    with chromium() as found:
        start = time.perf_counter()
        page = open_page(found, url)
        until(page, "document.querySelectorAll('.tile img[src]').length > 5")
        print(f"first tiles in browser {time.perf_counter() - start:.2f} s")
        frames = page.evaluate(
            """() => new Promise((resolve) => {
              const grid = document.getElementById("grid"), times = [];
              let last = performance.now(), step = 0;
              const frame = (now) => {
                times.push(now - last);
                last = now;
                grid.scrollTop = (grid.scrollHeight * step) / 300 + 40 * step;
                step += 1;
                if (step <= 300) requestAnimationFrame(frame);
                else resolve(times.slice(1).sort((a, b) => a - b));
              };
              requestAnimationFrame(frame);
            })"""
        )
        middle, high = frames[len(frames) // 2], frames[int(len(frames) * 0.95)]
        print(
            f"frames while scrolling {middle:.0f} ms median, {high:.0f} ms at 95 %, {frames[-1]:.0f} ms longest"
        )
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="where the shards are, or are made and stay"
    )
    parser.add_argument("--browser", action="store_true", help="measure frame times in Chromium too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / f"multishade-{arguments.shards - 1:06d}.json").exists():
            make_shards(folder, arguments.shards)
        load = os.getloadavg()[0]
        print(
            f"{arguments.shards * SAMPLES:,} samples in {arguments.shards:,} shards; load of the machine {load:.1f}"
        )
        measure(folder, arguments.browser)


if __name__ == "__main__":
    main()
