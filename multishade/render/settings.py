# SPDX-License-Identifier: Apache-2.0
"""A configuration -> the settings that travel to Blender."""

from multishade.config import Config
from multishade.protocol.scene import RenderSettings


def render_settings(config: Config, threads: int) -> RenderSettings:
    """Collect the settings of Cycles from a configuration.

    Args:
        config: The data set's configuration.
        threads: Threads of one Blender process.

    Returns:
        The settings that are the same for all groups of the data set.
    """
    render = config.render
    return RenderSettings(
        device=render.device,
        threads=threads,
        samples=render.samples.model_dump(),
        denoise=render.denoise.enabled,
        denoise_quality=render.denoise.quality,
        denoise_prefilter=render.denoise.prefilter,
        denoise_guides=render.denoise.guides,
        max_bounces=render.max_bounces,
        diffuse_bounces=render.diffuse_bounces,
        glossy_bounces=render.glossy_bounces,
        transmission_bounces=render.transmission_bounces,
        clamp_indirect=render.clamp_indirect,
        filter_width=render.filter_width,
        light_tree=render.light_tree,
        psnr=render.quality.psnr,
        first_samples=render.quality.first,
        adaptive_threshold=render.adaptive.threshold,
        adaptive_min_samples=render.adaptive.min_samples,
        importance_map=render.importance_map,
        crop=render.crop,
        max_texture=config.materials.max_texture,
        geometry_samples=config.geometry.samples,
        passes=config.formats.passes,
    )
