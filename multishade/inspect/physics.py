# SPDX-License-Identifier: Apache-2.0
"""A decoded sample -> checks of its physics: lights, shading, least squares, depth, exposure.

The bounds are wide enough for half floats, bump and the pixel filter, and narrow enough to detect a flipped axis, a
wrong lens, or a light that was off.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.geometry.angles import angular_error_degrees
from multishade.geometry.camera import view_directions
from multishade.geometry.depth import depth_to_points, patch_means, points_to_normals
from multishade.imaging.color import luminance
from multishade.inspect.results import CheckResult, count, grown, normals, numbers
from multishade.photometry.shading import lambert
from multishade.shards.meta import CameraMeta, MixedMeta, ParallelMeta, PointMeta, Vector
from multishade.shards.recovery import recovered_error
from multishade.shards.sample import Sample

LIGHT_TOLERANCE = 1e-4
FARTHEST = 1e4  # scene units to a point light
LAMBERT_TOLERANCE = 1e-3  # shading and normal each rounded to half floats
CAST_TOLERANCE = 2 / 255
CAST_BRIGHTER_SHARE, CAST_DIFFERENT_SHARE = 0.001, 0.02
SOLVED_DEGREES = {"lambert": 0.1, "cast": 1.0}  # mean error of least squares on the shading
BOUNDING_RADIUS = 0.505  # objects are scaled to 0.5
DEPTH_SUSPECT_DEGREES = 2.0  # median angle to the depth's slope at which mistakes are tried
DEPTH_MISTAKE_RATIO = 0.6  # of that angle, to which assuming a mistake must reduce it
DEPTH_DEGREES = 40.0  # whatever the strength of the bump
DEPTH_PIXELS = 100  # fewer smooth pixels determine nothing
BLACK_LUMINANCE = 0.02  # an image whose 99th percentile stays below is black
UNLIT_EXPOSURE = 16.0  # an object that is dark even at this factor is reached by no light
BLOWN_SHARE = 0.25  # of the object's pixels at or above display white
BACKGROUND_LUMINANCE = 0.01  # mean off the object; DWAB's ringing stays below 1e-4


def check_lights(sample: Sample) -> CheckResult:
    """Each image has one light, of the kind in its name; directions are unit vectors in front of the object."""
    info = sample.info
    lights = info.lights
    messages = [f"lights: {name} has no entry" for name in sample.images if name not in lights]
    messages += [f"lights: {name} is no image of this sample" for name in lights if name not in sample.images]
    for name, light in lights.items():
        kind = name.removeprefix("image_").rstrip("0123456789")
        if {"env": "environment"}.get(kind, kind) != light.type:
            messages.append(f"lights: {name} is lit by a light of type {light.type}")
        if isinstance(light, PointMeta) and (reason := _misplaced(info.camera, light.position)):
            messages.append(f"lights: {name} {reason}")
        if isinstance(light, ParallelMeta | MixedMeta):
            messages += _unit(f"lights: {name}", np.array([light.direction]))
            if light.direction[2] <= 0:
                messages.append(f"lights: {name} shines from behind the object")
    directions = np.asarray(info.shading.directions, np.float64)
    messages += _unit("shading: light", directions)
    if np.linalg.matrix_rank(directions, tol=1e-3) < 3:
        messages.append("shading: its lights lie in one plane, so they do not determine a normal")
    exposed = [*sample.images, *(["shading"] if info.shading.mode == "photometric" else [])]
    messages += [f"exposure: {name} has none" for name in exposed if name not in info.exposure]
    return CheckResult(messages, {})


def check_shading(sample: Sample) -> CheckResult:
    """lambert: max(0, n . l). cast: the same, or 0 in shadow. photometric: not negative, and no frame is black."""
    shading, mask = sample.info.shading, sample.mask
    mode = shading.mode
    if sample.shading is None:
        return CheckResult([], {})
    if sample.shading.min() < -1e-6:
        return CheckResult([f"shading: {count(sample.shading < -1e-6)} values are negative"], {})
    if mode == "photometric":
        dark = [k for k, frame in enumerate(sample.shading) if not frame[mask].any()]
        return CheckResult([f"shading: frame {numbers(dark)} is black"] if dark else [], {})
    expected = lambert(_unit_length(sample.normal), shading.directions)[:, mask]
    stored = sample.shading[:, mask]
    difference = np.abs(stored - expected)
    if mode == "lambert":
        measures = {"shading_error": float(difference.max(initial=0))}
        frames = np.flatnonzero(difference.max(axis=1, initial=0) > LAMBERT_TOLERANCE)
        if not len(frames):
            return CheckResult([], measures)
        wrong = f"shading: frame {numbers(frames)} is not max(0, n . l) (off by up to {difference.max():.3g})"
        return CheckResult([wrong], measures)
    messages = []
    brighter = float(np.mean(stored > expected + CAST_TOLERANCE))
    lit = stored > CAST_TOLERANCE
    different = float(np.mean(difference[lit] > CAST_TOLERANCE)) if lit.any() else 0.0
    if brighter > CAST_BRIGHTER_SHARE:
        messages.append(f"shading: {brighter:.1%} of it is brighter than max(0, n . l)")
    if different > CAST_DIFFERENT_SHARE:
        messages.append(f"shading: {different:.1%} of what is lit is not max(0, n . l)")
    return CheckResult(messages, {"shadowed_share": float(np.mean(~lit & (expected > CAST_TOLERANCE)))})


def check_least_squares(sample: Sample) -> CheckResult:
    """Least squares on the shading recovers the normal (a bound for lambert and cast; measured for photometric)."""
    mode = sample.info.shading.mode
    try:
        error, determined = recovered_error(sample)
    except SolveError as problem:
        return CheckResult([str(problem)], {})
    errors = error[determined]
    if not errors.size:
        return CheckResult(["least squares: no pixel is lit by three lights"], {})
    mean = float(errors.mean())
    measures = {
        "least_squares_degrees": mean,
        "determined_share": errors.size / max(1, int(sample.mask.sum())),
    }
    bound = SOLVED_DEGREES.get(mode, 180.0)
    message = f"least squares: {mean:.2f} degrees off the normal on average (bound {bound:g})"
    return CheckResult([message] if mean > bound else [], measures)


def check_depth(sample: Sample) -> CheckResult:
    """The slope of the depth agrees with the normal except for bump, and its points lie in the bounding sphere."""
    camera, mask = sample.info.camera, sample.mask & np.isfinite(sample.depth)
    points = depth_to_points(sample.depth, camera.K, camera.type)
    messages: list[str] = []
    measures: dict[str, float] = {}
    pose = np.asarray(camera.camera_to_world, np.float64)
    rotation, shift = pose[:3, :3], pose[:3, 3]
    if not np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-4) or np.linalg.det(rotation) < 0:
        messages.append("camera_to_world: is not a rotation and a shift")
    radius = float(np.linalg.norm(points[mask] @ rotation.T + shift, axis=-1).max(initial=0))
    measures["object_radius"] = radius
    if radius > BOUNDING_RADIUS:
        messages.append(f"depth: points lie up to {radius:.3f} from the object's centre, not 0.5")
    name, normal = normals(sample)[-1]
    error, measured = _depth_error(points, normal, mask)
    measures |= measured
    if error > DEPTH_SUSPECT_DEGREES:
        better = {
            reason: _depth_error(other_points, other_normal, mask)[0]
            for reason, other_points, other_normal in _mistakes(sample, points, normal)
        }
        reason = min(better, key=lambda key: better[key])
        off = f"depth: its slope is {error:.1f} degrees (median) off the {name}"
        if better[reason] < DEPTH_MISTAKE_RATIO * error:
            messages.append(f"{off}, but {better[reason]:.1f} {reason}")
        elif error > DEPTH_DEGREES:
            messages.append(off)
    return CheckResult(messages, measures)


def _depth_error(
    points: NDArray[np.float64], normal: NDArray[np.floating], mask: NDArray[np.bool_]
) -> tuple[float, dict[str, float]]:
    """Median angle between the slope of `points` and the normals, and the outward tilt; NaN if little is smooth.

    Both are averaged over patches: bump turns normals by tens of degrees in all directions, a mistake turns all in one.
    The outward tilt indicates a wrong lens.
    """
    slope, reliable = points_to_normals(points, mask)
    reliable &= (normal != 0).any(axis=-1)
    if reliable.sum() < DEPTH_PIXELS:
        return np.nan, {}
    means, stored = patch_means(slope, reliable)[reliable], patch_means(normal, reliable)[reliable]
    outward = points[reliable][:, :2]
    outward = outward / np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-9)
    tilt = np.arcsin(np.clip(np.einsum("ij,ij->i", means[:, :2] - stored[:, :2], outward), -1, 1))
    error = float(np.median(angular_error_degrees(means, stored)))
    return error, {"depth_degrees": error, "depth_tilt_degrees": float(np.rad2deg(np.median(tilt)))}


def _mistakes(
    sample: Sample, points: NDArray[np.float64], normal: NDArray[np.floating]
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.floating]]]:
    """Common mistakes with depth and normals, each with the points and normals that it would imply."""
    yield "with the normal's x flipped", points, normal * np.array([-1, 1, 1])
    yield "with the normal's y flipped", points, normal * np.array([1, -1, 1])
    yield "with the normal's x and y flipped", points, normal * np.array([-1, -1, 1])
    yield "with the normal's x and y exchanged", points, normal[..., [1, 0, 2]]
    camera = sample.info.camera
    for factor in (0.5, 2.0):
        matrix = np.asarray(camera.K, np.float64) * [[factor, 1, 1], [1, factor, 1], [1, 1, 1]]
        scaled = depth_to_points(sample.depth, matrix.tolist(), camera.type)
        yield f"if the focal lengths are {factor:g} times those of K", scaled, normal
    if camera.type == "perspective":
        toward = view_directions(sample.mask.shape, camera.K, camera.type)
        along_axis = sample.depth * toward[..., 2]
        yield (
            "if it is distance along the ray",
            depth_to_points(along_axis, camera.K, camera.type),
            normal,
        )


def check_exposure(sample: Sample) -> CheckResult:
    """No image is black or blown out, and the background is 0."""
    messages: list[str] = []
    measures: dict[str, float] = {}
    exposure = sample.info.exposure
    behind = (sample.alpha == 0) & ~grown(sample.mask)
    frames = dict(sample.images)
    if sample.shading is not None and sample.shading.ndim == 4:
        frames["shading"] = sample.shading.max(axis=0)
    for name, image in frames.items():
        light = luminance(image[sample.mask])
        if not light.size or not np.isfinite(light).all():
            continue
        median, high = (float(value) for value in np.percentile(light, [50, 99]))
        white = float(np.mean(light >= 1))
        measures |= {f"{name}_median": median, f"{name}_p99": high, f"{name}_white": white}
        if high < BLACK_LUMINANCE and exposure.get(name, 1.0) < UNLIT_EXPOSURE:
            messages.append(f"{name}: is black (99th percentile {high:.3g})")
        if white > BLOWN_SHARE:
            messages.append(f"{name}: is blown out ({white:.0%} of the object at or above white)")
        if behind.any() and (mean := float(luminance(image[behind]).mean())) > BACKGROUND_LUMINANCE:
            messages.append(f"{name}: the background is {mean:.3g}, not 0")
    return CheckResult(messages, measures)


def _unit_length(normal: NDArray[np.float32]) -> NDArray[np.float32]:
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)


def _unit(name: str, directions: NDArray[np.float64]) -> list[str]:
    length = np.linalg.norm(directions, axis=-1)
    wrong = np.flatnonzero(np.abs(length - 1) > LIGHT_TOLERANCE)
    return (
        [f"{name} {numbers(wrong)}: direction has length {length[wrong[0]]:.4g}, not 1"] if len(wrong) else []
    )


def _misplaced(camera: CameraMeta, position: Vector) -> str | None:
    pose = np.asarray(camera.camera_to_world, np.float64)
    centre = -pose[:3, :3].T @ pose[:3, 3]
    offset = np.asarray(position, np.float64) - centre
    if np.abs(offset).max() <= 0.5 and np.linalg.norm(offset) <= 0.5:
        return "lies inside the object's bounding sphere"
    if np.abs(offset).max() > FARTHEST:
        return f"is farther than {FARTHEST:g} scene units from the object"
    return "lies behind the object" if offset[2] <= 0 else None
