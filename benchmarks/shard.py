# SPDX-License-Identifier: Apache-2.0
"""Seconds and bytes of encoding, writing, reading, decoding and inspecting samples, by format, in one run.

    python -m benchmarks.shard [SHARD.tar] [--size 576] [--repeats 5]

Measures the first samples of SHARD.tar, or without one an analytic sphere with texture and bump. Prints a
Markdown
table: the median over the repeats, for one sample; "raw" is the time to copy the same files once in memory.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from multishade.geometry.angles import angular_error_degrees
from multishade.inspect.checks import check_sample
from multishade.shards.fields import FieldFormat, round_normals_to_half
from multishade.shards.sample import Sample, decode_sample, encode_sample
from multishade.shards.tar import read_shard, write_tar

FORMATS = {
    "default (EXR half, DWAB)": FieldFormat(),
    "shading not stored": FieldFormat(shading_stored=False),
    "images ZIP": FieldFormat(image_compression="zip"),
    "images PIZ": FieldFormat(image_compression="piz"),
    "data ZSTD": FieldFormat(data_compression="zstd"),
    "normals float": FieldFormat(normal="float"),
    "images PNG 16": FieldFormat(image="png16"),
    "images PNG 8": FieldFormat(image="png8"),
}
SAMPLES = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shard", nargs="?", type=Path)
    parser.add_argument("--size", type=int, default=576, help="of the analytic sphere's image")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    samples = read_samples(args.shard) if args.shard else analytic_samples(args.size)
    height, width = samples[0].mask.shape
    print(
        f"{len(samples)} samples of {width} x {height}, {len(samples[0].images)} images; milliseconds for one sample\n"
    )
    print("| format | KB | encode | write | read | raw | decode | inspect |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, format in FORMATS.items():
        if format.shading_stored and samples[0].shading is None:
            continue
        row = measure(samples, format, args.repeats)
        print(
            f"| {name} | {row.pop('bytes') / 1000:.0f} | {' | '.join(f'{1e3 * t:.1f}' for t in row.values())} |"
        )
    if not args.shard:  # those of a shard have been rounded before
        print_normal_precision(samples[0])


def measure(samples: list[Sample], format: FieldFormat, repeats: int) -> dict[str, float]:
    """Bytes, and seconds by stage, of one sample."""
    count = len(samples)
    encoded = [(sample.key, encode_sample(sample, format)) for sample in samples]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tar"
        digest = write_tar(path, encoded)
        decoded = [decode_sample(key, files) for key, files in read_shard(path)]
        stages: dict[str, Callable[[], object]] = {
            "encode": lambda: [encode_sample(sample, format) for sample in samples],
            "write": lambda: write_tar(path, encoded),
            "read": lambda: list(read_shard(path)),
            "raw": lambda: [bytearray(data) for _, files in encoded for _, data in files],
            "decode": lambda: [decode_sample(key, dict(files)) for key, files in encoded],
            "inspect": lambda: [check_sample(sample) for sample in decoded],
        }
        times = {name: median_seconds(stage, repeats) / count for name, stage in stages.items()}
    return {"bytes": digest.bytes / count, **times}


def median_seconds(stage: Callable[[], object], repeats: int) -> float:
    stage()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        stage()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def print_normal_precision(sample: Sample) -> None:
    """Angular error of half-float normals: rounded number by number, and as they are stored."""
    normal = sample.normal[sample.mask].astype(np.float64)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    print("\n| normals as half floats | mean | 99 % | worst (degrees) |\n| --- | --- | --- | --- |")
    for name, stored in (
        ("each number rounded", normal.astype(np.float16)),
        ("as stored", round_normals_to_half(normal.astype(np.float32))),
    ):
        error = angular_error_degrees(stored.astype(np.float64), normal)
        print(f"| {name} | {error.mean():.4f} | {np.percentile(error, 99):.4f} | {error.max():.4f} |")


def read_samples(path: Path) -> list[Sample]:
    pairs = zip(read_shard(path), range(SAMPLES), strict=False)
    return [decode_sample(key, files) for (key, files), _ in pairs]


def analytic_samples(size: int) -> list[Sample]:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from tests.support.synthetic import make_sample

    return [
        make_sample(f"s000000-g000{group}-v0", size=size, bump=0.03 + 0.05 * group)
        for group in range(SAMPLES)
    ]


if __name__ == "__main__":
    main()
