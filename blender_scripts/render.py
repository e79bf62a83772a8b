# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene -> multi-layer float EXR files: geometry buffers at one pixel-centred sample, images with many paths.

Files are multi-layer so that they hold what Cycles computed: no view transform, look or gamma is ever applied.
"""

import math
import time
from pathlib import Path

import bpy
from mathutils import Matrix

from blender_scripts.clay import GEOMETRY_NORMAL
from blender_scripts.material_passes import aovs_of
from multishade.protocol.messages import Shot, Subpixels
from multishade.protocol.scene import Camera, RenderSettings

PIXEL_CENTRE = 0.01  # width in pixels of the box filter when a sample is to fall on the pixel's centre
PILOT_SAMPLES, PILOT_PERCENT = 4, 25  # per pixel, and of the image's width and height


class RenderIncomplete(Exception):
    """Blender reported a finished render, but wrote no image."""


def prepare(scene: bpy.types.Scene, settings: RenderSettings) -> None:
    """Set what stays the same for the whole group."""
    scene.render.engine = "CYCLES"
    cycles, render = scene.cycles, scene.render
    cycles.device = "CPU" if settings.device == "cpu" else "GPU"
    render.threads_mode = "FIXED"
    render.threads = settings.threads
    render.use_persistent_data = True
    render.film_transparent = True
    render.resolution_percentage = 100
    render.use_compositing = render.use_sequencer = False
    render.use_overwrite = True
    render.use_file_extension = False
    render.dither_intensity = 0.0
    render.image_settings.media_type = "MULTI_LAYER_IMAGE"
    render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    render.image_settings.color_depth = "32"
    render.image_settings.exr_codec = "NONE"
    if settings.max_texture is not None:
        render.use_simplify = True
        cycles.texture_limit_render = _texture_limit(settings.max_texture)
    cycles.use_light_tree = settings.light_tree
    cycles.max_bounces = settings.max_bounces
    cycles.diffuse_bounces = settings.diffuse_bounces
    cycles.glossy_bounces = settings.glossy_bounces
    cycles.transmission_bounces = settings.transmission_bounces
    cycles.transparent_max_bounces = 16
    cycles.sample_clamp_indirect = settings.clamp_indirect
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_quality = settings.denoise_quality.upper()
    cycles.denoising_prefilter = settings.denoise_prefilter.upper()
    guides = {"none": "RGB", "albedo": "RGB_ALBEDO", "albedo-normal": "RGB_ALBEDO_NORMAL"}
    cycles.denoising_input_passes = guides[settings.denoise_guides]
    cycles.denoising_use_gpu = settings.device != "cpu"
    layer = scene.view_layers[0]
    layer.name = "layer"
    layer.use_pass_normal = layer.use_pass_z = True
    # Store the image before the denoiser, too: `render_to_psnr` estimates the error with it.
    layer.cycles.denoising_store_passes = settings.psnr is not None and settings.denoise
    for name in (GEOMETRY_NORMAL, *aovs_of(settings.passes)):
        if name not in layer.aovs:
            layer.aovs.add().name = name


def prepare_file(
    scene: bpy.types.Scene, shot: Shot, settings: RenderSettings, kind: str, output: str
) -> None:
    """Set the scene so that a person who renders it gets the image of `shot`, display-encoded, as //OUTPUT.png."""
    _set_image(scene, shot, settings, kind)
    _crop(scene.render, None)
    scene.render.threads_mode = "AUTO"
    view = scene.view_settings
    scene.display_settings.display_device = "sRGB"
    view.view_transform, view.look = "Standard", "None"
    view.exposure, view.gamma = 0.0, 1.0
    view.use_curve_mapping = False
    file = scene.render.image_settings
    file.media_type = "IMAGE"
    file.file_format, file.color_mode, file.color_depth = "PNG", "RGBA", "16"
    scene.render.filepath, scene.render.use_file_extension = f"//{output}", True


def _texture_limit(pixels: int) -> str:
    """Cycles offers powers of two from 128 to 8192: the largest that does not exceed `pixels`."""
    return str(2 ** min(max(int(math.log2(pixels)), 7), 13))


def place_camera(scene: bpy.types.Scene, camera: Camera) -> Matrix:
    """Look through `camera`; returns its camera-to-world matrix."""
    if scene.camera is None:
        scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        scene.collection.objects.link(scene.camera)
    matrix = Matrix(camera.camera_to_world)
    scene.camera.matrix_world = matrix
    data = scene.camera.data
    data.sensor_fit = "AUTO"
    data.clip_start, data.clip_end = 1e-3, 1e3
    if camera.type == "perspective":
        data.type, data.lens, data.sensor_width = "PERSP", camera.focal_mm, camera.sensor_mm
    else:
        data.type, data.ortho_scale = "ORTHO", camera.orthographic_scale
    data.shift_x, data.shift_y = camera.shift
    scene.render.resolution_x, scene.render.resolution_y = camera.width, camera.height
    return matrix


def pixel_centres(scene: bpy.types.Scene, path: Path, subpixels: Subpixels | None = None) -> float:
    """Render one sample at each pixel's centre, direct light only: buffers, lit clay. Returns seconds in Cycles.

    With `subpixels`, one sample at the centre of each cell of a grid inside the pixels of a box: those are the centres
    of the pixels of an image that has as many more of them.
    """
    cycles, render = scene.cycles, scene.render
    cycles.samples, cycles.seed, cycles.use_denoising = 1, 0, False
    cycles.use_adaptive_sampling = False
    cycles.pixel_filter_type, cycles.filter_width = "BOX", PIXEL_CENTRE
    bounces, cycles.max_bounces = cycles.max_bounces, 0
    _crop(render, subpixels.box if subpixels is not None else None)
    resolution = render.resolution_x, render.resolution_y
    if subpixels is not None:
        render.resolution_x, render.resolution_y = (pixels * subpixels.grid for pixels in resolution)
    try:
        return _render(scene, path)
    finally:
        cycles.max_bounces = bounces
        render.resolution_x, render.resolution_y = resolution


def image(scene: bpy.types.Scene, shot: Shot, settings: RenderSettings, kind: str) -> float:
    """Render one image; returns seconds in Cycles.

    The exposure is applied by Cycles, so that adaptive sampling judges the noise of the exposed image.
    """
    cycles, render = scene.cycles, scene.render
    _set_image(scene, shot, settings, kind)
    if shot.pilot:
        cycles.samples = PILOT_SAMPLES
        cycles.use_denoising = cycles.use_adaptive_sampling = False
        render.resolution_percentage = PILOT_PERCENT
    _crop(render, shot.box)
    try:
        return _render(scene, Path(shot.path))
    finally:
        cycles.film_exposure, render.resolution_percentage = 1.0, 100


def _set_image(scene: bpy.types.Scene, shot: Shot, settings: RenderSettings, kind: str) -> None:
    """Set what an image needs: samples, seed, exposure, denoiser, adaptive sampling, pixel filter."""
    cycles = scene.cycles
    cycles.samples, cycles.seed = shot.samples or settings.samples[kind], shot.seed
    cycles.film_exposure = shot.exposure
    cycles.use_denoising = settings.denoise
    cycles.use_adaptive_sampling = settings.adaptive_threshold > 0
    cycles.adaptive_threshold = settings.adaptive_threshold
    cycles.adaptive_min_samples = settings.adaptive_min_samples
    cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", settings.filter_width


def _crop(render: bpy.types.RenderSettings, box: tuple[int, int, int, int] | None) -> None:
    """Render only the pixels of a box (left, top, right, bottom); None: all of them."""
    render.use_border = render.use_crop_to_border = box is not None
    if box is not None:
        left, top, right, bottom = box
        width, height = render.resolution_x, render.resolution_y
        render.border_min_x, render.border_max_x = left / width, right / width
        render.border_min_y, render.border_max_y = 1 - bottom / height, 1 - top / height


def _render(scene: bpy.types.Scene, path: Path) -> float:
    scene.render.filepath = str(path)
    started = time.perf_counter()
    status = bpy.ops.render.render(write_still=True)
    seconds = time.perf_counter() - started
    if status != {"FINISHED"} or not path.is_file():
        raise RenderIncomplete(f"Cycles ended with {', '.join(status)} and wrote no image")
    return seconds
