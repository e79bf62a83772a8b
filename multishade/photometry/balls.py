# SPDX-License-Identifier: Apache-2.0
"""Images of a ball under one light each -> the directions of the lights: by reflection (chrome) or by shading (matt).

A ball is seen as a circle, as by an orthographic camera; `view`, the direction from the ball to the camera, corrects
the frame of a ball that a perspective camera sees aside of its axis.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.errors import SolveError
from multishade.threads import one_blas_thread

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

KINDS = ("chrome", "matte")
AXIS = (0.0, 0.0, 1.0)
# The rim of a ball, where its normals and its mask are uncertain, is left out (share of the radius).
USED_RADIUS = {"chrome": 0.98, "matte": 0.92}
LEAST_RADIUS = 6.0  # pixels; the normals of a smaller ball differ by ten degrees from pixel to pixel
HIGHLIGHT = 0.5  # of the way from the ball's median to its brightest pixel
SURROUNDINGS = 0.05  # of the highlight: how much what is reflected beside it may vary
LEAST_CONTRAST = 0.1  # of the highlight over the ball's median, relative to the highlight
# Matt ball: rounds, the cosine to the light below which a pixel counts as in shadow, and the scale of outliers.
ROUNDS, GRAZING, OUTLIER = 20, 0.1, 3.0
LEAST_LIT = 20  # pixels
# Search for a circle: rays, and the share of them that must find an edge on it.
RAYS, LEAST_SUPPORT = 360, 0.6
LEAST_EDGE = 0.03  # of the brightest, sRGB-like coded
LEAST_OVERLAP = 0.95  # of a mask and its circle


@dataclass(frozen=True)
class Circle:
    """A circle in pixels, origin at the outer corner of the top-left pixel, u to the right and v down."""

    u: float
    v: float
    radius: float

    def inside(self, shape: tuple[int, ...], share: float = 1.0) -> Bool:
        """(H, W) where a pixel's centre is within `share` of the radius."""
        x, y = self.coordinates(shape)
        return x * x + y * y < share * share

    def coordinates(self, shape: tuple[int, ...]) -> tuple[Float64, Float64]:
        """(H, W) x to the right and y up of the pixels' centres, in units of the radius."""
        v, u = np.mgrid[: shape[0], : shape[1]] + 0.5
        return (u - self.u) / self.radius, (self.v - v) / self.radius

    def normals(self, shape: tuple[int, ...]) -> Float64:
        """(H, W, 3) normals of the ball as seen along its own line of sight; z is 0 outside."""
        x, y = self.coordinates(shape)
        return np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))], axis=2)


@dataclass(frozen=True)
class BallLights:
    """What a ball tells about the lights.

    Attributes:
        directions: (K, 3) unit vectors toward the lights, camera frame.
        strengths: (K, C) relative intensities, mean 1 in each channel, of a matt ball; None of a chrome one.
    """

    directions: Float64
    strengths: Float64 | None


def circle_of_mask(mask: Bool, source: str = "mask") -> Circle:
    """Fit a circle to the mask of a ball.

    Args:
        mask: (H, W), true on the ball, which is whole.
        source: How messages name it.

    Returns:
        The circle of the same centre and area.

    Raises:
        SolveError: If the mask is no disc.
    """
    if not mask.any():
        raise SolveError(f"{source}: the ball's mask is empty; mark the ball with white")
    rows, columns = np.nonzero(mask)
    circle = Circle(float(columns.mean() + 0.5), float(rows.mean() + 0.5), float(np.sqrt(mask.sum() / np.pi)))
    disc = circle.inside(mask.shape)
    overlap = (disc & mask).sum() / (disc | mask).sum()
    if overlap < LEAST_OVERLAP:
        raise SolveError(
            f"{source}: overlaps a disc by {overlap:.0%} only; a ball's mask is a whole disc and nothing else"
        )
    return _large_enough(circle, source)


@one_blas_thread()
def find_circle(images: NDArray[np.floating], source: str = "photographs") -> Circle:
    """Find the ball in photographs: the circle along most of whose rim the brightest of all images has an edge.

    Args:
        images: (K, H, W) grey.
        source: How messages name them.

    Returns:
        The circle.

    Raises:
        SolveError: If there is no clear circle.
    """
    import cv2

    brightest = images.max(axis=0).astype(np.float32)
    top = float(np.percentile(brightest, 99.5))
    coded = np.sqrt(np.clip(brightest / max(top, 1e-12), 0, 1)).astype(np.float32)
    shorter = min(coded.shape)
    scale = min(1.0, 400 / shorter)
    small = cv2.resize(coded, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = cv2.HoughCircles(
        cv2.GaussianBlur(np.rint(small * 255).astype(np.uint8), (5, 5), 1.5),
        cv2.HOUGH_GRADIENT,
        dp=1.5,
        minDist=shorter * scale / 8,
        param1=80,
        param2=20,
        minRadius=max(4, int(shorter * scale / 40)),
        maxRadius=int(shorter * scale / 2),
    )
    candidates = [] if found is None else [Circle(*(float(n) / scale for n in each)) for each in found[0][:8]]
    refined = [_refined(coded, circle) for circle in candidates]
    best = max(refined, key=lambda pair: pair[1], default=None)
    if best is None or best[1] < LEAST_SUPPORT:
        share = 0.0 if best is None else best[1]
        raise SolveError(
            f"{source}: no ball is found (the best circle has an edge along {share:.0%} of its rim, "
            f"{LEAST_SUPPORT:.0%} are needed); give its mask with --ball-mask"
        )
    return _large_enough(best[0], source)


@one_blas_thread()
def lights_of_ball(
    images: NDArray[np.floating],
    circle: Circle,
    kind: str,
    measured: Bool | None = None,
    view: tuple[float, float, float] = AXIS,
) -> BallLights:
    """Compute where the lights are.

    Args:
        images: (K, H, W) or (K, H, W, C) linear.
        circle: The ball.
        kind: One of KINDS.
        measured: (K, H, W) or (K, H, W, C), False where a value is clipped; such pixels are left out of a matt ball.
            None: all are measurements.
        view: Unit vector from the ball to the camera, camera frame.

    Returns:
        The lights.

    Raises:
        SolveError: If the ball shows a light in none of its pixels; the message says in which image.
    """
    if kind not in KINDS:
        raise SolveError(f"--ball {kind}: expected one of {', '.join(KINDS)}")
    colour = images if images.ndim == 4 else images[..., None]
    normal = circle.normals(images.shape[1:3])
    used = circle.inside(images.shape[1:3], USED_RADIUS[kind])
    strengths = None
    if kind == "chrome":
        directions = [_reflected(image.mean(axis=2), normal, used, k) for k, image in enumerate(colour)]
    else:
        shown = np.ones(images.shape[:3], bool) if measured is None else measured
        if shown.ndim == 4:
            shown = shown.all(axis=3)
        fits = [_shaded(colour[k], normal, used & shown[k], k) for k in range(len(colour))]
        directions = [direction for direction, _ in fits]
        strengths = np.array([strength for _, strength in fits])
        strengths = strengths / strengths.mean(axis=0)
    return BallLights(np.array(directions) @ _rotation_to(view).T, strengths)


def _reflected(grey: NDArray[np.floating], normal: Float64, used: Bool, number: int) -> Float64:
    """l = 2 (n . v) n - v at the centre of the highlight, v the direction to the camera."""
    from scipy import ndimage

    inside = grey[used]
    middle, top = float(np.median(inside)), float(inside.max())
    if not top - middle > LEAST_CONTRAST * top:
        raise SolveError(f"image {number + 1}: the chrome ball shows no highlight; is it matt, or in shadow?")
    threshold = middle + HIGHLIGHT * (top - middle)
    label, count = ndimage.label(used & (grey > threshold))
    # The light is the brightest spot as a whole: a window or a glint may have one bright pixel.
    mass = ndimage.sum_labels(np.where(used, grey - middle, 0), label, np.arange(1, count + 1))
    spot = label == 1 + int(np.argmax(mass))
    # A small lamp is mostly the blurred border of its spot, so all of its light counts, above what is around it.
    near, around = (ndimage.binary_dilation(spot, iterations=count) & used for count in (2, 5))
    ring = around & ~near
    floor = float(np.median(grey[ring])) if ring.any() else middle
    weight = np.maximum(grey[near] - floor - SURROUNDINGS * (top - floor), 0)
    # Directions are averaged, not pixels. All pixels of a mirror ball show equal solid angles of its surroundings.
    n = normal[near]
    reflected = 2 * n[:, 2:] * n - np.array(AXIS)
    return _unit((reflected * weight[:, None]).sum(axis=0))


def _shaded(image: NDArray[np.floating], normal: Float64, used: Bool, number: int) -> tuple[Float64, Float64]:
    """Fit I = a max(0, n . l) to the lit part of the ball, in rounds that leave out shadow, highlights and outliers."""
    values, n = image[used].astype(np.float64), normal[used]
    grey = values.mean(axis=1)
    weight = (grey > 0.2 * np.percentile(grey, 99)).astype(np.float64)
    scaled = np.zeros(3)
    for _ in range(ROUNDS):
        if int((weight > 0).sum()) < LEAST_LIT:
            raise SolveError(
                f"image {number + 1}: the matt ball is lit in {int((weight > 0).sum())} pixels, {LEAST_LIT} are needed"
            )
        scaled = np.linalg.lstsq(n * weight[:, None], grey * weight, rcond=None)[0]
        strength = float(np.linalg.norm(scaled))
        predicted = n @ scaled
        lit = predicted > GRAZING * strength
        residual = grey - predicted
        spread = 1.4826 * float(np.median(np.abs(residual[lit]))) if lit.any() else 0.0
        spread = max(spread, 1e-6 * strength)
        # Square roots of Cauchy's weights, as both sides are multiplied by them.
        weight = np.where(lit, 1 / np.sqrt(1 + (residual / (OUTLIER * spread)) ** 2), 0)
    direction = _unit(scaled)
    shading = np.maximum(n @ direction, 0)
    heavy = weight**2
    per_channel = (heavy * shading) @ values / max(float(heavy @ shading**2), 1e-30)
    return direction, per_channel


def _refined(image: Float32, circle: Circle) -> tuple[Circle, float]:
    """The circle through the strongest edges near another, and the share of its rim whose strongest edge it is."""
    for reach in (0.25, 0.12, 0.06):
        points, strong = _edges(image, circle, reach)
        if strong.sum() < 12:
            return circle, 0.0
        circle = _circle_through(points[strong], circle)
    # Judged among all edges nearby: in noise, the strongest one lies anywhere.
    points, strong = _edges(image, circle, 0.25)
    off = np.abs(np.hypot(points[:, 0] - circle.u, points[:, 1] - circle.v) - circle.radius)
    return circle, float((strong & (off < max(1.0, 0.02 * circle.radius))).mean())


def _edges(image: Float32, circle: Circle, reach: float) -> tuple[Float64, Bool]:
    """(RAYS, 2) places of the strongest edge along each ray within `reach` of the radius, and where it is strong."""
    import cv2

    angle = 2 * np.pi * np.arange(RAYS) / RAYS
    span = max(reach * circle.radius, 1.5)
    steps = np.arange(max(1.0, circle.radius - span), circle.radius + span + 1, 0.25)
    u = circle.u + np.cos(angle)[:, None] * steps
    v = circle.v + np.sin(angle)[:, None] * steps
    profile = cv2.remap(image, (u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32), cv2.INTER_LINEAR)
    change = np.abs(profile[:, :-4] - profile[:, 4:])  # over a pixel
    best = change.argmax(axis=1)
    radius = steps[best + 2]
    points = np.stack([circle.u + np.cos(angle) * radius, circle.v + np.sin(angle) * radius], axis=1)
    return points, change[np.arange(RAYS), best] > LEAST_EDGE


def _circle_through(points: Float64, start: Circle) -> Circle:
    """Least squares of the distances from the circle, outliers with little weight (Gauss-Newton)."""
    u, v, radius = start.u, start.v, start.radius
    for _ in range(30):
        away = points - (u, v)
        distance = np.hypot(away[:, 0], away[:, 1])
        residual = distance - radius
        scale = max(1.4826 * float(np.median(np.abs(residual))), 0.05)
        weight = 1 / (1 + (residual / scale) ** 2)
        jacobian = np.column_stack([-away / distance[:, None], -np.ones(len(points))])
        step = np.linalg.lstsq(jacobian * np.sqrt(weight)[:, None], -residual * np.sqrt(weight), rcond=None)[
            0
        ]
        u, v, radius = u + step[0], v + step[1], radius + step[2]
        if float(np.abs(step).max()) < 1e-4:
            break
    return Circle(float(u), float(v), float(max(radius, 1.0)))


def _large_enough(circle: Circle, source: str) -> Circle:
    if circle.radius < LEAST_RADIUS:
        raise SolveError(
            f"{source}: the ball has a radius of {circle.radius:.1f} pixels; at least {LEAST_RADIUS:g} are needed"
        )
    return circle


def _rotation_to(view: tuple[float, float, float]) -> Float64:
    """The smallest rotation that takes the z axis to `view` (Rodrigues)."""
    target = _unit(np.asarray(view, np.float64))
    axis = np.cross(AXIS, target)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + target[2])


def _unit(vector: Float64) -> Float64:
    return vector / max(float(np.linalg.norm(vector)), 1e-30)
