# SPDX-License-Identifier: Apache-2.0
"""A decoded sample -> checks of its structure: meta, sizes, finite values, mask, coverage, unit lengths."""

import numpy as np

from multishade.geometry.camera import view_directions
from multishade.inspect.results import CheckResult, count, disagreement, grown, normals
from multishade.shards.material_passes import pass_shape
from multishade.shards.meta import meta_problems
from multishade.shards.sample import Sample

UNIT_TOLERANCE = 2e-3  # length of a stored normal; half floats deviate by up to 7e-4
ALPHA_SHARE = 0.005  # of the mask's pixels that may disagree with the coverage
TURNED_AWAY_SHARE = 0.25  # strong bump turns some normals near the rim away from the camera
# Beyond the rim sound samples have up to 0.03 of their normals turned away, and none by far; a mesh of which one face
# in twenty-five is inside out has 0.04, and 0.03 by far.
INNER_PIXELS, INNER_AWAY_SHARE, INNER_FAR_SHARE = 100, 0.1, 0.005
FAR_COSINE = -0.5
RIM = 2  # pixels


def check_meta(sample: Sample) -> CheckResult:
    """Meta has all names with the right kind of value, the key is the tar's, and no value is a path."""
    messages = meta_problems(sample.meta)
    if not messages and (key := sample.info.key) != sample.key:
        messages = [f"key: '{key}' is not the tar's"]
    return CheckResult(messages, {})


def check_sizes(sample: Sample) -> CheckResult:
    """Every array has the size of the camera, and the sequence one frame for each light."""
    info = sample.info
    size = (info.camera.height, info.camera.width)
    expected: dict[str, tuple[int, ...]] = {name: (*size, 3) for name in sample.images}
    expected |= {"alpha": size, "mask": size, "normal": (*size, 3), "depth": size}
    if sample.normal_geometry is not None:
        expected["normal_geometry"] = (*size, 3)
    if sample.light_basis is not None:
        lights = len(info.light_basis.directions) if info.light_basis else 0
        expected["light_basis"] = (lights, *size, 3)
    expected |= {name: pass_shape(name, size) for name in sample.passes}
    count, mode = len(info.shading.directions), info.shading.mode
    if sample.shading is not None:
        expected["shading"] = (count, *size, 3) if mode == "photometric" else (count, *size)
    elif mode != "lambert":
        reason = f"shading of mode {mode} is not stored, and cannot be derived from the normal"
        return CheckResult([reason], {})
    shapes = {name: sample.images[name].shape for name in sample.images}
    shapes |= {name: values.shape for name, values in sample.passes.items()}
    shapes |= {name: getattr(sample, name).shape for name in expected if name not in shapes}
    wrong = [
        f"{name} is {shapes[name]}, not {shape}" for name, shape in expected.items() if shapes[name] != shape
    ]
    return CheckResult(wrong, {})


def check_finite(sample: Sample) -> CheckResult:
    """No value is NaN, and only depths are infinite."""
    arrays = {**sample.images, **sample.passes, "alpha": sample.alpha, "normal": sample.normal}
    for name in ("normal_geometry", "shading", "light_basis"):
        if getattr(sample, name) is not None:
            arrays[name] = getattr(sample, name)
    wrong = [
        f"{name}: {count(~np.isfinite(array))} values are not finite"
        for name, array in arrays.items()
        if not np.isfinite(array).all()
    ]
    if np.isnan(sample.depth).any():
        wrong.append(f"depth: {count(np.isnan(sample.depth))} values are not a number")
    return CheckResult(wrong, {})


def check_unit_normals(sample: Sample) -> CheckResult:
    """Normals on the object have length 1 and face the camera."""
    messages: list[str] = []
    measures: dict[str, float] = {}
    camera = sample.info.camera
    toward = view_directions(sample.mask.shape, camera.K, camera.type)[sample.mask]
    inner = ~sample.mask
    for _ in range(RIM):
        inner = grown(inner)
    inner = ~inner[sample.mask]
    for name, normal in normals(sample):
        length = np.linalg.norm(normal[sample.mask], axis=-1)
        stray = np.abs(length - 1)
        if stray.size and (worst := float(stray.max())) > UNIT_TOLERANCE:
            messages.append(
                f"{name}: {count(stray > UNIT_TOLERANCE)} are not of unit length (off by up to {worst:.3g})"
            )
        cosine = np.einsum("ij,ij->i", normal[sample.mask], toward)
        away = float(np.mean(cosine < 0)) if stray.size else 0.0
        if away > TURNED_AWAY_SHARE:
            messages.append(f"{name}: {away:.0%} face away from the camera")
        elif inner.sum() >= INNER_PIXELS:
            turned, far = float(np.mean(cosine[inner] < 0)), float(np.mean(cosine[inner] < FAR_COSINE))
            if turned > INNER_AWAY_SHARE:
                messages.append(f"{name}: {turned:.0%} beyond the rim face away from the camera")
            elif far > INNER_FAR_SHARE:
                messages.append(
                    f"{name}: {far:.1%} beyond the rim face away from the camera by more than 30 degrees"
                )
        measures[f"{name}_length_error"] = float(stray.max()) if stray.size else 0.0
        measures[f"{name}_turned_away"] = away
    return CheckResult(messages, measures)


def check_mask(sample: Sample) -> CheckResult:
    """The mask has an object inside the frame; normal, depth and shading are present exactly on it."""
    mask, off = sample.mask, ~sample.mask
    if not mask.any():
        return CheckResult(["mask: is empty"], {"object_share": 0.0})
    messages = []
    if mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any():
        messages.append("mask: the object touches the image's border")
    for name, normal in normals(sample):
        messages += disagreement(name, (normal != 0).any(axis=-1), mask)
    messages += disagreement("depth", np.isfinite(sample.depth), mask)
    if np.any(sample.depth[mask] <= 0):
        messages.append(f"depth: {count(sample.depth[mask] <= 0)} are not in front of the camera")
    # Photometric frames are images, whose edges are weighted by coverage.
    if sample.shading is not None and sample.shading.ndim == 3 and sample.shading[:, off].any():
        messages.append(
            f"shading: is not 0 at {count((sample.shading != 0).any(axis=0) & off)} pixels off the mask"
        )
    return CheckResult(messages, {"object_share": float(mask.mean())})


def check_alpha(sample: Sample) -> CheckResult:
    """Coverage is full inside the mask and none outside, except at the rim."""
    # Parts thinner than a pixel may cover some of it and miss its centre, but cannot cover most of it.
    outside = (sample.alpha > 0.75) & ~grown(sample.mask)
    inside = (sample.alpha < 0.5) & ~grown(~sample.mask)
    allowed = max(8.0, ALPHA_SHARE * sample.mask.sum())
    messages = []
    if outside.sum() > allowed:
        messages.append(f"alpha: covers {count(outside)} pixels beyond the mask's rim")
    if inside.sum() > allowed:
        messages.append(f"alpha: leaves {count(inside)} pixels inside the mask uncovered")
    return CheckResult(messages, {})
