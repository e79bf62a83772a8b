# SPDX-License-Identifier: Apache-2.0
"""Cost and benefit of a light basis: `make bench-light-basis` writes the tables of docs/light-basis.md.

For a few objects, images under each of M lights are rendered once, and images under random combinations of them are
both composed and rendered. The two alternate, and the CPU time of the Blender process is measured, so that other work
on the machine affects both alike. Quality is PSNR of display values inside the mask against
a reference with many paths and no denoiser.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from benchmarks.pages import replace_measured
from multishade.config import Config, load_config
from multishade.data.relight import relit, sample_weights
from multishade.geometry.boxes import bounding_box
from multishade.imaging.color import luminance
from multishade.imaging.exposure import exposure_to_median
from multishade.imaging.quality import psnr
from multishade.protocol.messages import Geometry, Load
from multishade.protocol.scene import View
from multishade.render.blender import BlenderProcess
from multishade.render.blender.combined import render_combined
from multishade.render.blender.passes import hit_mask, read_passes
from multishade.render.blender.session import CROP_MARGIN
from multishade.render.plan import PlannedGroup, make_plan
from multishade.render.scenes import scene_group
from multishade.render.settings import render_settings
from multishade.shards.fields import FieldFormat, encode_basis, encode_image
from multishade.shards.light_basis import LightBasis

DEMO, PAGE = Path("configs/demo.yaml"), Path("docs/light-basis.md")
MEDIAN = 0.2  # luminance to which images are exposed before they are compared
COMPRESSIONS = ("zip", "piz", "dwab")
Image = NDArray[np.float32]


@dataclass
class Tally:
    """CPU seconds and PSNR of one way to render images, over all objects."""

    seconds: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)


@dataclass
class Results:
    basis: dict[int, Tally] = field(
        default_factory=dict
    )  # samples -> seconds of M images; PSNR of composed ones
    direct: dict[int, Tally] = field(default_factory=dict)  # samples -> seconds of one image; its PSNR
    bytes: dict[str, list[int]] = field(
        default_factory=dict
    )  # compression -> of each basis; "image": of one image
    loss: dict[str, list[float]] = field(
        default_factory=dict
    )  # compression -> PSNR against composing what was rendered
    compose: list[float] = field(default_factory=list)  # seconds an image
    names: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--lights", type=int, default=16, help="M")
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--combinations", type=int, default=4, help="of lights, for each object")
    parser.add_argument(
        "--samples", type=int, nargs="+", default=[4, 8, 16, 32], help="paths a pixel, a light"
    )
    parser.add_argument("--reference", type=int, default=512, help="paths a pixel of the reference")
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    overrides = [
        f"camera={{width: {args.size}, height: {args.size}}}",
        "views={count: 1, canonical: []}",
        "lights={parallel: {count: 0}, point: {count: 0}, environment: {count: 0}}",
        "objects.rotation=full",
        f"light_basis.count={args.lights}",
    ]
    config = load_config(DEMO, overrides)
    results, started = Results(), time.perf_counter()
    plan = make_plan(config)
    with BlenderProcess(config.render.device, config.runtime) as blender:
        for number in range(args.objects):
            Trial(blender, config, plan.group(number, 0), results, number).run(
                args.samples, args.combinations, args.reference
            )
            print(f"{results.names[-1]}: {time.perf_counter() - started:.0f} s so far", flush=True)
    report = write_report(results, args, config)
    print(report)
    replace_measured(args.output, "bench-light-basis", report)


class Trial:
    """One object in Blender: its basis and combinations of it, at several sample counts."""

    def __init__(
        self, blender: BlenderProcess, config: Config, group: PlannedGroup, results: Results, number: int
    ) -> None:
        self.blender, self.config, self.group, self.results = blender, config, group, results
        self.view: View = group.views[0]
        self.rng = np.random.default_rng([2026, number])
        self.process = psutil.Process(blender.pid)
        material = group.material.id if group.material else "its own"
        results.names.append(f"{group.object.id} in {material}")

    def run(self, samples: list[int], combinations: int, reference: int) -> None:
        weights = [sample_weights(len(self.view.basis), self.rng) for _ in range(combinations)]
        self._load(reference, denoise=False)
        self.mask = self._mask()
        self.box = bounding_box(self.mask, CROP_MARGIN)
        truth = [self._direct(weight, 1)[0] for weight in weights]
        exposures = [exposure_to_median(luminance(image[self.mask]), MEDIAN) for image in truth]
        for count in samples:
            self._load(count, denoise=self.config.render.denoise.enabled)
            basis, seconds = self._basis_and_direct(count, weights, truth, exposures)
            tally = self.results.basis.setdefault(count, Tally())
            tally.seconds.append(seconds)
            stored, one = self._stored(basis, "zip")
            for weight, true, exposed in zip(weights, truth, exposures, strict=True):
                composed = self._compose(stored, weight) / one
                tally.psnr.append(psnr(composed * exposed, true * np.float32(exposed), self.mask))
        self._storage(basis, weights, exposures)

    def _basis_and_direct(
        self, count: int, weights: list[NDArray[np.float32]], truth: list[Image], exposures: list[float]
    ) -> tuple[Image, float]:
        """The basis (M, H, W, 3) and its seconds; images under all lights are rendered in between."""
        frames, seconds = [], 0.0
        tally = self.results.direct.setdefault(count, Tally())
        each = len(self.view.basis) // len(weights)
        for number in range(len(self.view.basis)):
            one = np.zeros((len(self.view.basis), 3))
            one[number] = 1
            frame, spent = self._direct(one, 100 + number)
            frames.append(frame)
            seconds += spent
            turn, place = divmod(number, each)
            if place == each - 1 and turn < len(weights):
                image, spent = self._direct(weights[turn], 200 + turn)
                tally.seconds.append(spent)
                exposed = np.float32(exposures[turn])
                tally.psnr.append(psnr(image * exposed, truth[turn] * exposed, self.mask))
        return np.stack(frames), seconds

    def _storage(self, basis: Image, weights: list[NDArray[np.float32]], exposures: list[float]) -> None:
        """Measure the bytes of the basis in each compression, and the error that it adds to composed images."""
        for compression in COMPRESSIONS:
            stored, one = self._stored(basis, compression)
            for weight, exposed in zip(weights, exposures, strict=True):
                factor = np.float32(exposed)
                plain = np.einsum("mhwc,mc->hwc", basis, weight) * factor
                composed = self._compose(stored, weight) / one * factor
                self.results.loss.setdefault(compression, []).append(psnr(composed, plain, self.mask))
        for weight, exposed in zip(weights, exposures, strict=True):
            image = np.einsum("mhwc,mc->hwc", basis, weight) * np.float32(exposed)
            self.results.bytes.setdefault("image", []).append(
                len(encode_image("image", image, FieldFormat())[1])
            )

    def _stored(self, basis: Image, compression: str) -> tuple[LightBasis, float]:
        """The basis as a shard holds it, and its exposure."""
        one = exposure_to_median(luminance(basis[:, self.mask]).ravel(), MEDIAN)
        data = encode_basis(basis * np.float32(one), FieldFormat(basis_compression=compression))
        self.results.bytes.setdefault(compression, []).append(len(data))
        return LightBasis("basis", {"light_basis.exr": data}), one

    def _compose(self, stored: LightBasis, weight: NDArray[np.float32]) -> Image:
        started = time.process_time()
        image = relit(stored, weight).permute(1, 2, 0).numpy()
        self.results.compose.append(time.process_time() - started)
        return image

    def _direct(self, weights: NDArray[np.floating], seed: int) -> tuple[Image, float]:
        """The image under all lights at once, and CPU seconds."""
        before = self.process.cpu_times()
        image, _ = render_combined(self.blender, self.view, weights, self.box, seed)
        after = self.process.cpu_times()
        return image, after.user + after.system - before.user - before.system

    def _mask(self) -> NDArray[np.bool_]:
        path = self.blender.folder / "geometry.exr"
        self.blender.request(Geometry(self.view.key, str(path)))
        return hit_mask(read_passes(path)["Depth"])

    def _load(self, samples: int, denoise: bool) -> None:
        render = self.config.render
        render = render.model_copy(
            update={
                "samples": render.samples.model_copy(update={"basis": samples}),
                "denoise": render.denoise.model_copy(update={"enabled": denoise}),
            }
        )
        settings = render_settings(self.config.model_copy(update={"render": render}), 1)
        group = scene_group(self.group, self.blender.folder, self.config)
        self.blender.request(Load(group, settings))


def write_report(results: Results, args: argparse.Namespace, config: Config) -> str:
    """The tables as Markdown."""
    quality = config.render.denoise.quality
    lines = [
        f"{args.lights} lights, {args.size} x {args.size} pixels, denoiser {quality}, {args.combinations} combinations "
        f"of one to four lights for each of {args.objects} objects ({', '.join(results.names)}); reference "
        f"{args.reference} samples per pixel. Seconds are CPU time of Blender on one thread, medians over the objects.",
        "",
        "| samples per pixel | basis, s per view | composed, dB | rendered, s per image | rendered, dB | pays from N "
        "| pays at equal dB from N |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for count in args.samples:
        basis, direct = results.basis[count], results.direct[count]
        spent, each = float(np.median(basis.seconds)), float(np.median(direct.seconds))
        lines.append(
            f"| {count} | {spent:.2f} | {np.mean(basis.psnr):.1f} | {each:.3f} | {np.mean(direct.psnr):.1f} "
            f"| {np.ceil(spent / each):.0f} | {_equal(results, args.samples, count, spent)} |"
        )
    least = results.bytes["image"]
    lines += [
        "",
        "| compression | KB per view | equals N images in DWAB | PSNR of composed images, dB: mean, minimum |",
        "| --- | ---: | ---: | ---: |",
    ]
    for compression in COMPRESSIONS:
        size = float(np.mean(results.bytes[compression]))
        loss, images = results.loss[compression], size / np.mean(least)
        lines.append(
            f"| {compression} | {size / 1000:.0f} | {images:.0f} | {np.mean(loss):.1f}, {min(loss):.1f} |"
        )
    lines += [
        "",
        f"Composing one image takes {np.median(results.compose) * 1000:.1f} ms after its file is decoded.",
    ]
    return "\n".join(lines)


def _equal(results: Results, samples: list[int], count: int, spent: float) -> str:
    """Images from which a basis pays if rendered ones must be as good as the composed: cost, interpolated by PSNR."""
    wanted = float(np.mean(results.basis[count].psnr))
    reached = [float(np.mean(results.direct[number].psnr)) for number in samples]
    cost = [float(np.median(results.direct[number].seconds)) for number in samples]
    if wanted > max(reached):
        return f"below {np.ceil(spent / cost[-1]):.0f}"
    if wanted < min(reached):
        return f"above {np.floor(spent / cost[0]):.0f}"
    return f"{np.ceil(spent / np.interp(wanted, reached, cost)):.0f}"


if __name__ == "__main__":
    main()
