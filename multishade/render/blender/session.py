# SPDX-License-Identifier: Apache-2.0
"""A group and a running Blender -> the arrays of each of its views.

All views' geometry is rendered first (the object in clay), then all images (in its material), so that materials are
swapped twice per group, not twice per view.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from multishade.errors import ObjectUnseen, RenderFailed
from multishade.geometry.boxes import Box, bounding_box
from multishade.geometry.camera import intrinsics
from multishade.imaging.color import luminance
from multishade.imaging.exposure import visible_share
from multishade.protocol import messages
from multishade.protocol.messages import Rendered, Request, Shot, Subpixels
from multishade.protocol.scene import Group, Light, RenderSettings, View
from multishade.render.blender import footprint
from multishade.render.blender.convergence import EstimatedQuality, Part, QualityTarget, render_to_psnr
from multishade.render.blender.load import load
from multishade.render.blender.passes import camera_normals, hit_mask, material_passes, read_passes
from multishade.render.blender.process import BlenderProcess
from multishade.render.blender.views import GeometryBuffers, RenderedImage, RenderedView
from multishade.render.blender.visibility import Visibility, choose_light
from multishade.render.stopwatch import Stopwatch

Array = NDArray[np.float32]
# (N, 3) linear pixels of the object -> the exposure with which they are displayed
Expose = Callable[[Array], float]
ImageKind = Literal["image", "photometric", "basis"]

REQUESTS = {"image": messages.Image, "photometric": messages.Photometric, "basis": messages.Basis}
STAGES = {"image": "images", "photometric": "sequence", "basis": "sequence"}
SEED_STREAMS = ("image", "photometric", "basis")  # append only: the position decides the seed
MAX_PILOTS = 8  # frames of a sequence that are rendered to choose its exposure
CROP_MARGIN = 4  # pixels; more than the pixel filter's radius, so that no edge pixel is lost


def render_views(
    blender: BlenderProcess,
    group: Group,
    settings: RenderSettings,
    watch: Stopwatch,
    expose: Expose | None = None,
    visibility: Visibility | None = None,
) -> Iterator[RenderedView]:
    """Load a group and render its views.

    Args:
        blender: A running Blender.
        group: The object, its material and its views.
        settings: How Cycles renders.
        watch: Collects the seconds of each stage.
        expose: The exposure with which pixels of the object will be displayed. If it is given, noise is judged in
            display values: from the first parts of an image if `settings.psnr` is set, from a quick small pilot
            for adaptive sampling. If not, the exposure is 1.
        visibility: What each light has to show of the object, or it is sampled again; None: lights stay.

    Yields:
        The views, in order, with the lights and the cameras with which they were rendered.

    Raises:
        AssetError: If a file of the group cannot be used, or no pixel's centre hits the object.
        BlenderError: As `BlenderProcess.request`.
    """
    loaded = load(blender, group, settings)
    watch.add("import", loaded.import_seconds)
    watch.add("material", loaded.material_seconds)
    session = Session(blender, settings, watch, expose, visibility)
    views = group.views
    if loaded.framings:
        views = tuple(view.framed(by) for view, by in zip(views, loaded.framings, strict=True))
    geometry = [session.geometry(view) for view in views]
    for view, buffers in zip(views, geometry, strict=True):
        yield dataclasses.replace(session.complete(view, buffers), findings=loaded.findings)


class Session:
    """Renders the views of the group that is loaded."""

    def __init__(
        self,
        blender: BlenderProcess,
        settings: RenderSettings,
        watch: Stopwatch,
        expose: Expose | None = None,
        visibility: Visibility | None = None,
    ) -> None:
        self._blender, self._settings, self._watch = blender, settings, watch
        self._expose, self._visibility = expose, visibility
        self._resampled: dict[tuple[str, int], Light] = {}  # by view and number of the light

    def geometry(self, view: View) -> GeometryBuffers:
        """Render a view's buffers in clay. Raises ObjectUnseen if no pixel's centre hits the object."""
        path = str(self._path)
        passes = self._render("geometry", messages.Geometry(view.key, path))
        mask = hit_mask(passes["Depth"])
        if not mask.any():
            raise ObjectUnseen(
                f"{view.key}: no pixel's centre hits the object: it is thinner than a pixel, or all holes"
            )
        sequence = None
        if view.sequence.mode == "cast":
            frames = [
                self._render("sequence", messages.Cast(view.key, number, path))["Combined"][..., 0]
                for number in range(len(view.sequence.directions))
            ]
            sequence = np.where(mask, np.stack(frames), np.float32(0))
        buffers = GeometryBuffers(
            mask=mask,
            normal=camera_normals(passes["Normal"], mask, view.camera),
            normal_geometry=camera_normals(passes["normal_geometry"], mask, view.camera),
            depth=np.where(mask, passes["Depth"], np.float32(np.inf)),
            sequence=sequence,
            passes=material_passes(passes, self._settings.passes, mask, view.camera),
        )
        return self._averaged(view, buffers) if self._settings.geometry_samples > 1 else buffers

    def _averaged(self, view: View, buffers: GeometryBuffers) -> GeometryBuffers:
        """Average the normals over each pixel's footprint, and shade the cast frames by them; mask and depth stay."""
        grid = math.isqrt(self._settings.geometry_samples)
        normal = buffers.normal.copy()
        sequence = None if buffers.sequence is None else buffers.sequence.copy()
        box = bounding_box(buffers.mask)
        assert box is not None
        path = str(self._path)
        for band in footprint.bands(box, grid):
            subpixels = Subpixels(grid, (band.left, band.top, band.right, band.bottom))
            passes = self._render("geometry", messages.Geometry(view.key, path, subpixels))
            hit = hit_mask(passes["Depth"])
            if hit.shape != (grid * band.height, grid * band.width):
                raise RenderFailed(
                    f"{view.key}: requested {grid} samples a side in the box {tuple(band)} from Cycles, got "
                    f"{hit.shape[1]} x {hit.shape[0]}"
                )
            rows = band.window
            geometry_normal = camera_normals(passes["normal_geometry"], hit, view.camera)
            centre = buffers.normal_geometry[rows]
            counted = footprint.same_surface(
                np.where(hit, passes["Depth"], np.float32(np.inf)),
                geometry_normal,
                buffers.depth[rows],
                centre,
                footprint.box_intrinsics(intrinsics(view.camera), band),
                view.camera.type,
            )
            samples = camera_normals(passes["Normal"], hit, view.camera)
            mean = footprint.mean_normals(samples, geometry_normal, buffers.normal[rows], centre, counted)
            normal[rows] = np.where(buffers.mask[rows][..., None], mean, np.float32(0))
            for number, direction in enumerate(view.sequence.directions if sequence is not None else ()):
                assert sequence is not None
                light = np.asarray(direction, np.float32)
                frame = self._render("sequence", messages.Cast(view.key, number, path, subpixels))["Combined"]
                lit = footprint.lit_pixels(frame[..., 0], samples, light, counted) & buffers.mask[rows]
                sequence[number][rows] = np.where(lit, np.maximum(normal[rows] @ light, 0), np.float32(0))
        return dataclasses.replace(buffers, normal=normal, sequence=sequence)

    def complete(self, view: View, buffers: GeometryBuffers) -> RenderedView:
        """Render a view's images, of which the box of the object is enough."""
        mask = buffers.mask
        box = bounding_box(mask, CROP_MARGIN) if self._settings.crop else None
        images: dict[str, Array] = {}
        alphas: dict[str, Array] = {}
        quality: dict[str, EstimatedQuality] = {}
        if self._visibility is not None:
            lights = (self._chosen_light(view, number, box) for number in range(len(view.lights)))
            view = dataclasses.replace(view, lights=tuple(lights))
        for number, light in enumerate(view.lights):
            image = self.image(view, "image", number, box, mask.shape)
            images[light.field], alphas[light.kind] = image.rgba[..., :3], image.rgba[..., 3]
            quality |= _least_quality(light.field, [image])
        sequence = buffers.sequence
        if view.sequence.mode == "photometric":
            frames = self._frames(view, "photometric", len(view.sequence.directions), box, mask.shape)
            sequence = np.stack([frame.rgba[..., :3] for frame in frames])
            alphas["shading"] = np.mean([frame.rgba[..., 3] for frame in frames], axis=0)
            quality |= _least_quality("shading", frames)
        basis = None
        if view.basis:
            frames = self._frames(view, "basis", len(view.basis), box, mask.shape)
            basis = np.stack([frame.rgba[..., :3] for frame in frames])
            if not alphas:  # otherwise the alpha is the same with a basis and without
                alphas["basis"] = np.mean([frame.rgba[..., 3] for frame in frames], axis=0)
            quality |= _least_quality("light_basis", frames)
        # Coverage is the same under every light; it is taken from the image with the most paths.
        alphas = alphas or {"shading": mask.astype(np.float32)}
        best = max(alphas, key=lambda kind: self._settings.samples[kind])
        return RenderedView(
            view=view,
            mask=mask,
            normal=buffers.normal,
            normal_geometry=buffers.normal_geometry,
            depth=buffers.depth,
            alpha=np.clip(alphas[best], 0, 1),
            images=images,
            sequence=sequence,
            basis=basis,
            quality=quality,
            passes=buffers.passes,
        )

    def _frames(
        self, view: View, kind: ImageKind, count: int, box: Box | None, shape: tuple[int, ...]
    ) -> list[RenderedImage]:
        """All frames of a sequence, which share one exposure."""
        exposure = self._exposure(view, kind, list(range(0, count, -(-count // MAX_PILOTS))), box)
        return [self.image(view, kind, number, box, shape, exposure) for number in range(count)]

    def image(
        self,
        view: View,
        kind: ImageKind,
        number: int,
        box: Box | None,
        shape: tuple[int, ...],
        exposure: float | None = None,
    ) -> RenderedImage:
        """Render one image, unexposed, and paste it into the whole frame.

        Args:
            view: A view of the loaded group.
            kind: Which lights `number` counts: the view's, those of its sequence, those of its basis.
            number: Of the light.
            box: Crop; None: the whole frame.
            shape: (H, W) of the frame.
            exposure: The exposure at which noise is judged; None: chosen from the image.

        Returns:
            The image, 0 outside the box.

        Raises:
            RenderFailed: If values are not finite or the crop has another size.
            BlenderError: As `BlenderProcess.request`.
        """
        quality = None
        if self._settings.psnr is None:
            if exposure is None:
                exposure = self._exposure(view, kind, [number], box)
            rgba = self._shot(STAGES[kind], view, kind, number, box, exposure=exposure)["Combined"]
            rgba[..., :3] /= np.float32(exposure)  # a power of two: nothing is rounded
        else:
            most = self._settings.samples[_samples_name(view, kind, number)]
            target = QualityTarget(self._settings.psnr, self._settings.first_samples, most)

            def part(samples: int, place: int) -> Part:
                passes = self._shot(STAGES[kind], view, kind, number, box, part=place, samples=samples)
                raw = passes["Noisy Image"][..., :3] if self._settings.denoise else None
                return Part(samples, passes["Combined"], raw)

            rgba, quality = render_to_psnr(part, target, lambda pixels: exposure or self._displayed(pixels))
        if box is None:
            return RenderedImage(rgba, quality)
        frame = np.zeros((*shape, 4), dtype=np.float32)
        if rgba.shape[:2] != (box.height, box.width):
            raise RenderFailed(
                f"{view.key}: requested the box {tuple(box)} from Cycles, got {rgba.shape[1]} x {rgba.shape[0]} pixels"
            )
        frame[box.window] = rgba
        return RenderedImage(frame, quality)

    def _chosen_light(self, view: View, number: int, box: Box | None) -> Light:
        """The light of an image, sampled again if it shows too little of the object."""
        assert self._visibility is not None

        def shown(light: Light) -> float:
            self._resampled[view.key, number] = light
            pixels = self._pilot_pixels(view, "image", number, box)
            return visible_share(luminance(pixels) * np.float32(self._displayed(pixels)))

        light = choose_light(view, number, self._visibility, shown)
        self._resampled[view.key, number] = light
        return light

    def _pilot_pixels(self, view: View, kind: ImageKind, number: int, box: Box | None) -> Array:
        """(N, 3) pixels of the object in a small, quick render of an image."""
        rgba = self._shot("pilots", view, kind, number, box, pilot=True)["Combined"]
        covered = rgba[..., 3] > 0.5
        return rgba[covered, :3] / rgba[covered, 3:]

    def _displayed(self, pixels: Array) -> float:
        """The exposure with which (N, 3) pixels are displayed; 1 without `expose`."""
        return self._expose(pixels) if self._expose is not None else 1.0

    def _exposure(self, view: View, kind: ImageKind, numbers: list[int], box: Box | None) -> float:
        """The power of two nearest to the exposure of these images, from pilots; 1 if nothing depends on it."""
        judged = self._settings.psnr is not None or self._settings.adaptive_threshold > 0
        if self._expose is None or not judged:
            return 1.0
        seen = np.concatenate([self._pilot_pixels(view, kind, number, box) for number in numbers])
        return float(2.0 ** round(math.log2(self._expose(seen)))) if len(seen) else 1.0

    def _shot(
        self,
        stage: str,
        view: View,
        kind: ImageKind,
        number: int,
        box: Box | None,
        part: int = 0,
        exposure: float = 1.0,
        pilot: bool = False,
        samples: int | None = None,
    ) -> dict[str, Array]:
        """The passes of one render call for an image."""
        shot = Shot(str(self._path), box, _seed(view, kind, number, part), exposure, pilot, samples)
        request = REQUESTS[kind](view.key, number, shot)
        if isinstance(request, messages.Image) and (view.key, number) in self._resampled:
            request = dataclasses.replace(request, light=self._resampled[view.key, number])
        passes = self._render(stage, request)
        if not np.isfinite(passes["Combined"]).all():
            raise RenderFailed(
                f"{view.key}: Cycles computed values that are not finite", self._blender.output
            )
        return passes

    @property
    def _path(self) -> Path:
        return self._blender.folder / "render.exr"

    def _render(self, stage: str, request: Request[Rendered]) -> dict[str, Array]:
        self._path.unlink(missing_ok=True)
        started = time.perf_counter()
        seconds = self._blender.request(request).seconds
        answered = time.perf_counter()
        passes = read_passes(self._path)
        self._watch.add(stage, seconds)
        self._watch.add("request", answered - started - seconds)
        self._watch.add("read", time.perf_counter() - answered)
        return passes


def seed_of_image(view: View, number: int) -> int:
    """Return the seed of the noise of a view's image under light `number`."""
    return _seed(view, "image", number, 0)


def _seed(view: View, kind: ImageKind, number: int, part: int) -> int:
    """The seed of Cycles' noise, from the place of the image alone."""
    place = (SEED_STREAMS.index(kind), number, *([part] if part else []))
    return int(np.random.SeedSequence(view.seed, spawn_key=place).generate_state(1)[0]) >> 1


def _samples_name(view: View, kind: ImageKind, number: int) -> str:
    """The name under which the settings hold an image's samples."""
    if kind == "image":
        return view.lights[number].kind
    return "shading" if kind == "photometric" else kind


def _least_quality(field: str, images: list[RenderedImage]) -> dict[str, EstimatedQuality]:
    """field -> the least quality and the most samples of the images; empty if `psnr` is not set."""
    estimates = [image.quality for image in images if image.quality is not None]
    if not estimates:
        return {}
    most = max(estimates, key=lambda estimate: estimate.samples)
    return {field: dataclasses.replace(most, psnr=min(estimate.psnr for estimate in estimates))}
