# SPDX-License-Identifier: Apache-2.0
"""A rendered view and its group -> a `Sample`: exposed images, shading sequence, and the meta that explains them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multishade.config import models
from multishade.geometry.camera import intrinsics
from multishade.geometry.conventions import CONVENTIONS
from multishade.imaging.color import luminance
from multishade.imaging.exposure import exposure_to_median
from multishade.photometry.shading import lambert
from multishade.protocol import scene
from multishade.protocol.messages import RendererInfo
from multishade.render.blender.views import RenderedView
from multishade.render.plan import PlannedGroup
from multishade.shards import meta
from multishade.shards.fields import FieldFormat
from multishade.shards.material_passes import CONVENTIONS as PASS_CONVENTIONS
from multishade.shards.sample import Sample

Array = NDArray[np.float32]
EXPOSURES = 1  # spawn key: exposures are sampled apart from everything else about a view


def build_sample(
    rendered: RenderedView, group: PlannedGroup, config: models.Config, renderer: RendererInfo
) -> Sample:
    """Build the sample of one view.

    Args:
        rendered: Images and buffers of the view, unexposed.
        group: The group that the view belongs to.
        config: The recipe; its `exposure`, `shading` and `formats` are used.
        renderer: Version and device reported by Blender.

    Returns:
        The sample, ready to be encoded.
    """
    view, mask = rendered.view, rendered.mask
    rng = np.random.default_rng(np.random.SeedSequence(view.seed, spawn_key=(EXPOSURES,)))
    exposures: dict[str, float] = {}
    images = {}
    for field, image in rendered.images.items():
        exposures[field] = sample_exposure(image[mask], config.exposure, rng)
        images[field] = image * np.float32(exposures[field])
    shading = _shading(rendered, config, exposures, rng)
    basis = None
    if rendered.basis is not None:
        # One exposure for all of its lights, or they could not be added up.
        pixels = rendered.basis[:, mask].reshape(-1, 3)
        exposures["light_basis"] = sample_exposure(pixels, config.exposure, rng)
        basis = rendered.basis * np.float32(exposures["light_basis"])
    return Sample(
        key=view.key,
        images=images,
        alpha=rendered.alpha,
        mask=mask,
        normal=rendered.normal,
        depth=rendered.depth,
        shading=shading,
        normal_geometry=rendered.normal_geometry if config.formats.normal_geometry else None,
        light_basis=basis,
        passes=rendered.passes,
        meta=_meta(rendered, group, config, exposures, renderer).to_mapping(),
    )


def sample_exposure(pixels: Array, settings: models.Exposure, rng: np.random.Generator) -> float:
    """Sample an exposure: the factor that brings the median luminance to a value sampled from the band.

    Args:
        pixels: (N, 3) linear pixels of the object.
        settings: The band and the limits (`imaging.exposure`); the sample is uniform in stops.
        rng: Source of the sample.

    Returns:
        The factor; 1 for an object that is completely black, which `inspect` reports.
    """
    low, high = settings.median
    return _exposure_to(math.exp(rng.uniform(math.log(low), math.log(high))), pixels, settings)


def middle_exposure(pixels: Array, settings: models.Exposure) -> float:
    """Compute the factor that brings (N, 3) linear pixels of the object to the middle of the band, in stops."""
    return _exposure_to(math.sqrt(settings.median[0] * settings.median[1]), pixels, settings)


def _exposure_to(target: float, pixels: Array, settings: models.Exposure) -> float:
    return exposure_to_median(
        luminance(pixels), target, settings.highlight, settings.highlight_percentile, settings.limit
    )


def field_format(config: models.Config) -> FieldFormat:
    """Return the file formats of a recipe."""
    return FieldFormat(
        image=config.formats.image,
        image_compression=config.formats.image_compression,
        shading_stored=config.shading.stored,
        basis_compression=config.light_basis.compression if config.light_basis else "zip",
        hashes=config.formats.hashes,
    )


def _shading(
    rendered: RenderedView, config: models.Config, exposures: dict[str, float], rng: np.random.Generator
) -> Array | None:
    if config.shading.mode == "lambert":
        if not config.shading.stored:
            return None
        directions = np.asarray(rendered.view.sequence.directions)
        return lambert(rendered.normal, directions, rendered.mask)
    assert rendered.sequence is not None
    if config.shading.mode == "cast":
        return rendered.sequence
    # One exposure for the whole sequence: its frames have a meaning only in relation to one another.
    pixels = rendered.sequence[:, rendered.mask].reshape(-1, 3)
    exposures["shading"] = sample_exposure(pixels, config.exposure, rng)
    return rendered.sequence * np.float32(exposures["shading"])


def _meta(
    rendered: RenderedView,
    group: PlannedGroup,
    config: models.Config,
    exposures: dict[str, float],
    renderer: RendererInfo,
) -> meta.SampleMeta:
    view, chosen, material = rendered.view, group.object, group.material
    camera = view.camera
    # Absent keys stay absent, so optional sections are passed only if there is something in them.
    optional: dict[str, Any] = {}
    if view.basis:
        # All lights of a basis are white and differ in their directions only.
        optional["light_basis"] = meta.BasisMeta(
            directions=tuple(_direction(light) for light in view.basis),
            strength=view.basis[0].strength,
            angle=view.basis[0].size,
        )
    if rendered.quality:
        optional["quality"] = {
            field: meta.QualityMeta(parts=found.parts, samples=found.samples, psnr=round(found.psnr, 2))
            for field, found in rendered.quality.items()
        }
    return meta.SampleMeta(
        schema_=meta.SCHEMA,
        key=view.key,
        seed=view.seed,
        object=meta.ObjectMeta(
            id=chosen.id,
            source=chosen.source,
            family=chosen.family,
            licence=chosen.licence,
            sha256=group.object_sha256,
            **({"findings": rendered.findings} if rendered.findings else {}),
        ),
        material=meta.MaterialMeta(
            id=material.id if material else "own",
            kind=material.kind if material else "own",
            licence=material.licence if material else chosen.licence,
        ),
        camera=meta.CameraMeta(
            type=camera.type,
            K=intrinsics(camera),
            camera_to_world=camera.camera_to_world,
            width=camera.width,
            height=camera.height,
        ),
        lights={light.field: light_meta(light, group) for light in view.lights},
        shading=_sequence_meta(view.sequence, group),
        exposure=exposures,
        conventions={**CONVENTIONS, **{name: PASS_CONVENTIONS[name] for name in rendered.passes}},
        renderer=_renderer_meta(view, config, renderer),
        **optional,
    )


def _renderer_meta(view: scene.View, config: models.Config, renderer: RendererInfo) -> meta.RendererMeta:
    settings = config.render
    paths: dict[str, int] = settings.samples.model_dump()
    optional: dict[str, Any] = {}
    if config.geometry.samples > 1:
        optional["geometry_samples"] = config.geometry.samples
    if settings.adaptive.threshold > 0:
        optional["adaptive_threshold"] = settings.adaptive.threshold
    denoise = settings.denoise
    denoiser = meta.DenoiserMeta(
        name="OpenImageDenoise", quality=denoise.quality, prefilter=denoise.prefilter, guides=denoise.guides
    )
    return meta.RendererMeta(
        name="Cycles",
        version=renderer.blender,
        device=settings.device,
        samples={kind: paths[kind] for kind in _kinds(view)},
        denoiser=denoiser if denoise.enabled else None,
        **optional,
    )


def _kinds(view: scene.View) -> list[str]:
    """The kinds of light that a view was rendered under, as `render.samples` names them."""
    kinds: list[str] = [
        kind for kind in scene.LIGHT_KINDS if any(light.kind == kind for light in view.lights)
    ]
    kinds += ["shading"] if view.sequence.mode == "photometric" else []
    return kinds + (["basis"] if view.basis else [])


def light_meta(light: scene.Light, group: PlannedGroup) -> meta.LightMeta:
    """Describe a light; an environment by its id, since its path is of no use elsewhere."""
    if light.kind == "point":
        assert light.position is not None
        return meta.PointMeta(
            type="point",
            position=light.position,
            strength=light.strength,
            radius=light.size,
            colour=light.colour,
        )
    if light.kind == "parallel":
        return meta.ParallelMeta(
            type="parallel",
            direction=_direction(light),
            strength=light.strength,
            angle=light.size,
            colour=light.colour,
        )
    if light.kind == "environment":
        return _environment_meta(light, group)
    assert light.environment is not None
    return meta.MixedMeta(
        type="mixed",
        direction=_direction(light),
        strength=light.strength,
        angle=light.size,
        colour=light.colour,
        environment=group.environment_id(light.environment),
        rotation=light.rotation_degrees,
        environment_strength=light.environment_strength,
    )


def _environment_meta(light: scene.Light, group: PlannedGroup) -> meta.EnvironmentMeta:
    assert light.environment is not None
    return meta.EnvironmentMeta(
        type="environment",
        environment=group.environment_id(light.environment),
        rotation=light.rotation_degrees,
        strength=light.environment_strength,
    )


def _sequence_meta(sequence: scene.Sequence, group: PlannedGroup) -> meta.ShadingMeta:
    if sequence.ambient is None:
        return meta.ShadingMeta(mode=sequence.mode, directions=sequence.directions)
    ambient = _environment_meta(sequence.ambient, group)
    return meta.ShadingMeta(mode=sequence.mode, directions=sequence.directions, ambient=ambient)


def _direction(light: scene.Light) -> scene.Vector:
    assert light.direction is not None
    return light.direction
