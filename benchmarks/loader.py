# SPDX-License-Identifier: Apache-2.0
"""Training batches against their limits, in one run: `make bench-loader`.

The limits are the bare decoding of exactly the files that the batches need, from memory, and the bare reading of
those bytes from the tar. Times are seconds of the processor, summed over all processes of a stage, so that others
on the machine count little. Every stage runs once in each round, so that a speed that drifts treats all alike; a
ratio is the median over the rounds of the ratios within a round. Unless --shard is given, the samples are an
analytic sphere's.
"""

import argparse
import os
import resource
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from multishade.data.loader import Loader
from multishade.data.prepare import Preparer
from multishade.data.reader import LocalTars, StreamReader
from multishade.data.settings import Background, Data, Geometric, Photometric
from multishade.geometry.lights import ring
from multishade.imaging.codecs import decode_exr, decode_png
from multishade.shards.fields import FieldFormat
from multishade.shards.locate import open_shards

READ, DECODE = "bare tar read", "bare decode"
EPOCHS_IN_PROCESSES = 24  # so that starting them counts little
AUGMENTED = {
    "geometric": Geometric(scale=(0.8, 1.3), shift=0.1, rotation_degrees=(-180, 180), mirror=0.5),
    "photometric": Photometric(
        exposure_stops=(-1, 1),
        background=Background(black=1, colour=1, gradient=1),
        blur=0.5,
        noise=0.5,
        contrast=(0.8, 1.25),
        shoulder=(0, 1),
        jpeg=0.5,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shard", type=Path, help="a rendered tar")
    parser.add_argument("--size", type=int, default=256, help="pixels a side of the analytic samples")
    parser.add_argument("--samples", type=int, default=48, help="analytic samples")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        tar = args.shard or write_analytic(Path(folder) / "sphere-000000.tar", args.size, args.samples)
        measure(tar, args.batch, args.rounds, args.workers)


def measure(tar: Path, batch: int, rounds: int, workers: int) -> None:
    # Always the same image of a sample, so that all stages decode the same bytes.
    settings = Data(shards=(str(tar),), images=("image_parallel",))
    shards = open_shards(settings.shards)
    preparer = Preparer(settings, ring(9), seed=0)
    reader = StreamReader(shards, LocalTars(shards), preparer.may_need)
    count = reader.samples // batch * batch
    needed = [
        reader.read(index, lambda names, index=index: preparer.choose(names, 0, index)).files  # type: ignore[misc]
        for index in range(count)
    ]
    size = decode_exr(needed[0]["normal.exr"])["R"].shape
    read = sum(len(data) for files in needed for data in files.values()) / count
    print(
        f"{tar.name}: {reader.samples} samples of {size[1]} x {size[0]}, "
        f"{tar.stat().st_size / reader.samples / 1e3:.0f} KB each, of which {read / 1e3:.0f} KB needed "
        f"({', '.join(sorted(needed[0]))}); batches of {batch}\n"
    )
    stages: dict[str, Callable[[], None]] = {
        READ: lambda: read_bare(reader, preparer, count),
        "whole tar through tarfile": lambda: read_whole(tar),
        DECODE: lambda: decode_bare(needed),
        "loader": batches(settings, batch, count),
        "loader, image and shading computed": batches(settings, batch, count, touch=True),
        "loader, augmented": batches(settings.model_copy(update=AUGMENTED), batch, count),
    }
    if workers:
        name = f"loader, {workers} worker processes"
        stages[name] = lambda: in_processes(settings, batch, EPOCHS_IN_PROCESSES * count, workers)
    seconds: dict[str, list[float]] = {name: [] for name in stages}
    for number in range(rounds + 1):
        for name, stage in stages.items():
            started = processor_seconds()
            stage()
            samples = count * (EPOCHS_IN_PROCESSES if "processes" in name else 1)
            if number:  # the first round warms caches
                seconds[name].append((processor_seconds() - started) / samples)
    print("| stage | samples per second per core | ms per sample | of decode | of read and decode |")
    print("| --- | --- | --- | --- | --- |")
    for name, times in seconds.items():
        rows = list(zip(times, seconds[DECODE], seconds[READ], strict=True))
        of_decode = statistics.median(decode / own for own, decode, _ in rows)
        of_both = statistics.median((decode + read) / own for own, decode, read in rows)
        middle = statistics.median(times)
        print(f"| {name} | {1 / middle:.0f} | {1e3 * middle:.2f} | {of_decode:.2f} | {of_both:.2f} |")


def read_bare(reader: StreamReader, preparer: Preparer, count: int) -> None:
    """The needed bytes of each sample."""
    for index in range(count):
        reader.read(index, lambda names, index=index: preparer.choose(names, 0, index))  # type: ignore[misc]


def read_whole(tar: Path) -> None:
    """Every byte of the tar, by the standard library."""
    with tarfile.open(tar, "r:") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            assert stream is not None
            stream.read()


def decode_bare(samples: list[dict[str, bytes]]) -> None:
    """The pixels in each file, as they are stored."""
    for files in samples:
        for name, data in files.items():
            (decode_exr if name.endswith(".exr") else decode_png)(data)


def batches(settings: Data, batch: int, count: int, touch: bool = False) -> Callable[[], None]:
    """A stage that takes `count` samples' batches from a loader in this process that is already running."""
    running = iter(Loader(settings, ring(9), batch_size=batch))

    def stage() -> None:
        for _ in range(count // batch):
            made = next(running)
            if touch:
                made.image.sum(), made.shading.sum()

    return stage


def in_processes(settings: Data, batch: int, count: int, workers: int) -> None:
    """As `batches`, from worker processes, with their start and end."""
    running = iter(Loader(settings, ring(9), batch_size=batch, workers=workers))
    for _ in range(count // batch):
        next(running)
    running.close()  # type: ignore[attr-defined]


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def write_analytic(path: Path, size: int, samples: int) -> Path:
    """A shard of analytic spheres, each with other bump, colours and noise in the light."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from tests.support.synthetic import make_sample, write_synthetic_shard

    rng = np.random.default_rng(0)
    few = [
        make_sample(size=size, bump=0.03 + 0.02 * number, tint=tuple(rng.uniform(0.2, 0.9, 3)))
        for number in range(4)
    ]

    row = [
        replace(
            few[number % len(few)], key=f"s000000-g{number:04d}-v0", meta={**few[0].meta, "key": f"g{number}"}
        )
        for number in range(samples)
    ]
    write_synthetic_shard(path, row, FieldFormat())
    return path


if __name__ == "__main__":
    main()
