# SPDX-License-Identifier: Apache-2.0
"""Seconds per sample by stage, and the overhead of the pipeline over Cycles: `make bench`.

Renders groups of a config in this process, without Ray, and prints seconds per sample by stage. Groups are rendered
with the denoiser and without it in turn, so that a machine whose speed drifts affects both alike; the difference is the
cost of denoising. The overhead is the time outside Blender's render calls, in relation to the time inside.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from multishade.config import load_config
from multishade.render.assemble import field_format
from multishade.render.group_renderer import GroupRenderer
from multishade.render.plan import Plan, make_plan
from multishade.render.stopwatch import Stopwatch
from multishade.shards.layout import shard_file
from multishade.shards.sample import encode_sample
from multishade.shards.tar import write_tar

CYCLES = ("geometry", "images", "sequence")
STAGES = {
    "object": "building the mesh, or checking its hash",
    "import": "importing it into Blender",
    "material": "building the material",
    "geometry": "Cycles: normal, depth, mask",
    "pilots": "Cycles: small images for the exposure (adaptive sampling)",
    "images": "Cycles: input images",
    "sequence": "Cycles: shading sequence (cast, photometric)",
    "request": "Blender outside Cycles, and the pipe",
    "read": "reading the buffers",
    "assemble": "exposure, shading, meta",
    "encode": "EXR and PNG",
    "write": "tar, flush, rename",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, nargs="?", default=Path("configs/demo.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--groups", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    without = make_plan(load_config(args.config, [*args.overrides, "render.denoise.enabled=false"]))
    plan = make_plan(load_config(args.config, args.overrides))
    camera, views = plan.config.camera, plan.config.views.count
    print(
        f"{args.config}: {args.groups} groups x {views} views, {camera.width} x {camera.height}, "
        f"{args.threads} thread(s); samples per pixel {plan.config.render.samples.model_dump()}"
    )
    full = [Run(plan, args.threads), Run(without, args.threads)]
    for number in range(args.groups):
        for run in full:
            run.group(number)
    for run in full:
        run.close()
    report(*full)


class Run:
    """One plan, rendered group by group into one-group shards."""

    def __init__(self, plan: Plan, threads: int) -> None:
        self.plan, self.watch = plan, Stopwatch()
        self.renderer = GroupRenderer(plan.config, threads, self.watch)
        self.renderer.blender()  # Blender starts once per shard; this is printed separately
        self.start = self.watch.seconds.pop("start")
        self.overheads: list[float] = []
        self.total, self.samples = 0.0, 0
        self._folder = tempfile.TemporaryDirectory()

    def group(self, number: int) -> None:
        cycles_before, started = self.cycles(), time.perf_counter()
        samples = self.renderer.render(self.plan.group(0, number))
        encoding = time.perf_counter()
        files = [(sample.key, encode_sample(sample, field_format(self.plan.config))) for sample in samples]
        writing = time.perf_counter()
        write_tar(shard_file(Path(self._folder.name), number), files)
        done = time.perf_counter()
        self.watch.add("encode", writing - encoding)
        self.watch.add("write", done - writing)
        cycles = self.cycles() - cycles_before
        self.overheads.append((done - started - cycles) / cycles)
        self.total += done - started
        self.samples += len(samples)

    def cycles(self) -> float:
        return sum(self.watch.seconds.get(stage, 0.0) for stage in CYCLES)

    def close(self) -> None:
        self.renderer.close()
        self._folder.cleanup()


def report(full: Run, without: Run) -> None:
    seconds = full.watch.seconds
    denoise = seconds.get("images", 0) - without.watch.seconds.get("images", 0)
    print(f"\n{'stage':<10} {'s/sample':>9} {'share':>7}")
    for stage, what in STAGES.items():
        if stage in seconds:
            print(
                f"{stage:<10} {seconds[stage] / full.samples:9.4f} {seconds[stage] / full.total:7.1%}  {what}"
            )
            if stage == "images":
                print(
                    f"{'  denoise':<10} {denoise / full.samples:9.4f} {denoise / full.total:7.1%}  (part of images)"
                )
    idle = full.total - sum(seconds.get(stage, 0.0) for stage in STAGES)
    print(f"{'idle':<10} {idle / full.samples:9.4f} {idle / full.total:7.1%}  everything else")
    print(f"{'total':<10} {full.total / full.samples:9.4f}")
    low, high = np.min(full.overheads), np.max(full.overheads)
    print(
        f"\noverhead over the bare Cycles calls: {full.total / full.cycles() - 1:.1%} in all, by group median "
        f"{np.median(full.overheads):.1%} ({low:.1%} to {high:.1%}); Blender starts in {full.start:.2f} s, once a shard"
    )


if __name__ == "__main__":
    main()
