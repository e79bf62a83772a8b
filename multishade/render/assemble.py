# SPDX-License-Identifier: Apache-2.0
"""A rendered view and its group -> a `Sample`: exposed images, the shading sequence, the meta that explains them."""

import dataclasses
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
from multishade.shards.fields import FieldFormat
from multishade.shards.sample import SCHEMA, Sample

Array = NDArray[np.float32]


def assemble(
    rendered: RenderedView, group: PlannedGroup, config: models.Config, renderer: RendererInfo
) -> Sample:
    """`renderer`: version and device reported by Blender."""
    view, mask = rendered.view, rendered.mask
    rng = np.random.default_rng(np.random.SeedSequence(view.seed, spawn_key=(EXPOSURE_DRAWS,)))
    exposures: dict[str, float] = {}
    images = {}
    for field, image in rendered.images.items():
        exposures[field] = exposure(image[mask], config.exposure, rng)
        images[field] = image * np.float32(exposures[field])
    shading = _shading(rendered, config, exposures, rng)
    basis = None
    if rendered.basis is not None:
        # One exposure for all of its lights, or they could not be added up.
        pixels = rendered.basis[:, mask].reshape(-1, 3)
        exposures["light_basis"] = exposure(pixels, config.exposure, rng)
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
        meta=_meta(view, group, config, exposures, renderer) | _quality(rendered),
    )


EXPOSURE_DRAWS = 1  # spawn key: exposures are drawn apart from everything else about a view


def exposure(pixels: Array, settings: models.Exposure, rng: np.random.Generator) -> float:
    """The factor that brings (N, 3) linear pixels of the object to a median luminance drawn from the band.

    The draw is uniform in stops. Where the highlights would pass their limit first (a dark metal with bright
    reflections), the limit decides; where hardly anything is lit, the limit of the factor itself does, and the image
    stays dark. A wholly black object keeps its exposure of 1; `inspect` reports it.
    """
    low, high = settings.median
    return _exposure_to(math.exp(rng.uniform(math.log(low), math.log(high))), pixels, settings)


def usual_exposure(pixels: Array, settings: models.Exposure) -> float:
    """The factor that brings (N, 3) linear pixels of the object to the middle of the band, in stops."""
    return _exposure_to(math.sqrt(settings.median[0] * settings.median[1]), pixels, settings)


def _exposure_to(target: float, pixels: Array, settings: models.Exposure) -> float:
    return exposure_to_median(
        luminance(pixels), target, settings.highlight, settings.highlight_percentile, settings.limit
    )


def field_format(config: models.Config) -> FieldFormat:
    """The file formats that the config asks for."""
    return FieldFormat(
        image=config.formats.image,
        image_compression=config.formats.image_compression,
        shading_stored=config.shading.stored,
        basis_compression=config.light_basis.compression if config.light_basis else "zip",
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
    # One exposure for the whole sequence: its frames are only worth something in relation to one another.
    pixels = rendered.sequence[:, rendered.mask].reshape(-1, 3)
    exposures["shading"] = exposure(pixels, config.exposure, rng)
    return rendered.sequence * np.float32(exposures["shading"])


def _meta(
    view: scene.View,
    group: PlannedGroup,
    config: models.Config,
    exposures: dict[str, float],
    renderer: RendererInfo,
) -> dict[str, Any]:
    chosen, material = group.object, group.material
    render = config.render
    return {
        "schema": SCHEMA,
        "key": view.key,
        "seed": view.seed,
        "object": {
            "id": chosen.id,
            "source": chosen.source,
            "family": chosen.family,
            "licence": chosen.licence,
            "sha256": chosen.sha256,
        },
        "material": {
            "id": material.id if material else "own",
            "kind": material.kind if material else "own",
            "licence": material.licence if material else chosen.licence,
        },
        "camera": _camera(view.camera),
        "lights": {light.field: light_meta(light, group) for light in view.lights},
        "shading": _sequence(view.sequence, group),
        **({"light_basis": _basis(view.basis)} if view.basis else {}),
        "exposure": exposures,
        "conventions": CONVENTIONS,
        "renderer": {
            "name": "Cycles",
            "version": renderer.blender,
            "device": render.device,
            "samples": {kind: render.samples.model_dump()[kind] for kind in _kinds(view)},
            **({"adaptive_threshold": render.adaptive.threshold} if render.adaptive.threshold > 0 else {}),
            "denoiser": _denoiser(render.denoise),
        },
    }


def _quality(rendered: RenderedView) -> dict[str, Any]:
    """What the images were estimated to have, where a quality was asked for."""
    found = {
        field: dataclasses.asdict(quality) | {"psnr": round(quality.psnr, 2)}
        for field, quality in rendered.quality.items()
    }
    return {"quality": found} if found else {}


def _kinds(view: scene.View) -> list[str]:
    kinds: list[str] = [
        kind for kind in scene.LIGHT_KINDS if any(light.kind == kind for light in view.lights)
    ]
    kinds += ["shading"] if view.sequence.mode == "photometric" else []
    return kinds + (["basis"] if view.basis else [])


def _denoiser(settings: models.Denoise) -> dict[str, str] | None:
    if not settings.enabled:
        return None
    return {
        "name": "OpenImageDenoise",
        "quality": settings.quality,
        "prefilter": settings.prefilter,
        "guides": settings.guides,
    }


def _camera(camera: scene.Camera) -> dict[str, Any]:
    return {
        "type": camera.type,
        "K": intrinsics(camera),
        "camera_to_world": camera.camera_to_world,
        "width": camera.width,
        "height": camera.height,
    }


def light_meta(light: scene.Light, group: PlannedGroup) -> dict[str, Any]:
    """Only what the kind of light has; the environment by name, since a path says nothing elsewhere."""
    meta: dict[str, Any] = {"type": light.kind}
    if light.direction is not None:
        meta |= {
            "direction": light.direction,
            "strength": light.strength,
            "angle": light.size,
            "colour": light.colour,
        }
    if light.position is not None:
        meta |= {
            "position": light.position,
            "strength": light.strength,
            "radius": light.size,
            "colour": light.colour,
        }
    if light.environment is not None:
        sky = {"environment": group.environment_id(light.environment), "rotation": light.rotation_degrees}
        meta |= sky | {
            "environment_strength" if "strength" in meta else "strength": light.environment_strength
        }
    return meta


def _sequence(sequence: scene.Sequence, group: PlannedGroup) -> dict[str, Any]:
    meta: dict[str, Any] = {"mode": sequence.mode, "directions": sequence.directions}
    if sequence.ambient is not None:
        meta["ambient"] = light_meta(sequence.ambient, group)
    return meta


def _basis(lights: tuple[scene.Light, ...]) -> dict[str, Any]:
    """All are white and alike but for their directions."""
    return {
        "directions": [light.direction for light in lights],
        "strength": lights[0].strength,
        "angle": lights[0].size,
    }
