# SPDX-License-Identifier: Apache-2.0
"""Normals of a photo, or a solved object -> `Surface`: depth on a grid of bounded size, its points, its mesh."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from multishade.geometry.boxes import bounding_window
from multishade.geometry.camera import Projection, crop_intrinsics
from multishade.geometry.depth import depth_to_points
from multishade.inference.framing import LARGEST_SQUARE, resize
from multishade.inference.photometric import SolvedObject
from multishade.inference.view import UNKNOWN_VIEW, View
from multishade.photometry.integration import methods
from multishade.photometry.integration.mesh import triangulate

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]

LONGEST_SIDE = 384  # of the grid that is integrated; millions of pixels would take minutes
MIN_FACING = 0.1  # cosine to the view axis of normals that are integrated
PREDICTED_CUT = 89.0  # degrees; steeper triangles of a predicted surface bridge a jump
LONGEST_MESH = 1024  # vertices along the longer side of a mesh
BOX_UNIT = "longer side of the object's box; mean height of each connected part is 0"
DEPTH_UNIT = "mean depth of each connected part; normals alone do not tell the true distance"


@dataclass(frozen=True)
class Mesh:
    """Triangles with a vertex for each grid point.

    Attributes:
        points: (V, 3) camera frame: +x right, +y up, +z to the camera.
        normals: (V, 3) unit vectors, camera frame: those of the normal map.
        pixels: (V, 2) places in the photo, u right and v down, origin at the outer corner of the top-left pixel.
        triangles: (T, 3) numbers of vertices, counter-clockwise as seen from the camera.
    """

    points: Float64
    normals: Float32
    pixels: Float64
    triangles: Int32


@dataclass(frozen=True)
class Surface:
    """An integrated surface on a grid over a part of the photo.

    Orthographic: in units of the longer side of the object's box, its centre at x = y = 0 and mean depth 0.
    Perspective: the camera is the origin, in units of the mean depth.

    Attributes:
        depth: (h, w) distance along the camera's z axis, NaN off the object.
        normal: (h, w, 3) the normals that were integrated.
        camera: (3, 3) intrinsics of the grid: grid points, or grid points per unit (orthographic).
        projection: The kind of camera.
        left: Column of the photo where the grid begins, in pixels.
        top: Row of the photo where the grid begins.
        scale: Grid points per pixel of the photo.
        cut_degrees: Triangles steeper than this are left out of the mesh; None: none are.
        unit: The unit of length in words.
    """

    depth: Float64
    normal: Float32
    camera: Float64
    projection: Projection
    left: float
    top: float
    scale: float
    cut_degrees: float | None = None
    unit: str = BOX_UNIT

    def points(self) -> Float64:
        """Compute the points, (h, w, 3), camera frame; depth 0 off the object."""
        return depth_to_points(np.nan_to_num(self.depth), self.camera, self.projection)

    def depth_of_photo(self, given: Bool) -> Float64:
        """Interpolate the depth at the photo's pixels.

        Args:
            given: (H, W), where the photo has a surface.

        Returns:
            (H, W) depth, NaN elsewhere and beyond the grid's surface by more than a grid point.
        """
        import cv2
        from scipy import ndimage

        known = np.isfinite(self.depth)
        distance, nearest = ndimage.distance_transform_edt(~known, return_indices=True)
        height, width = given.shape
        columns = (np.arange(width) + 0.5 - self.left) * self.scale - 0.5
        rows = (np.arange(height) + 0.5 - self.top) * self.scale - 0.5
        u, v = (each.astype(np.float32) for each in np.meshgrid(columns, rows))

        def at_photo(values: Float64) -> Float64:
            remapped = cv2.remap(values, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            return remapped.astype(np.float64, copy=False)

        far = at_photo(distance.astype(np.float64)) > 2
        return np.where(given & ~far, at_photo(self.depth[nearest[0], nearest[1]]), np.nan)

    def mesh(self) -> Mesh:
        """Triangulate at most LONGEST_MESH grid points a side: every n-th point of larger grids."""
        step = -(-max(self.depth.shape) // LONGEST_MESH)
        depth, normal = self.depth[::step, ::step], self.normal[::step, ::step]
        # The centre of the first point, at 0.5, stays at 0.5 of a point that is wider.
        wider = np.array([[1 / step, 0, 0.5 - 0.5 / step], [0, 1 / step, 0.5 - 0.5 / step], [0, 0, 1]])
        camera = wider @ self.camera
        known = np.isfinite(depth)
        rows, columns = np.nonzero(known)
        perspective = self.projection == "perspective"
        _, triangles = triangulate(
            depth,
            camera=camera if perspective else None,
            pixel_size=1.0 if perspective else 1 / float(camera[0, 0]),
            cut_degrees=self.cut_degrees,
        )
        places = np.stack([columns, rows], axis=1) * step + 0.5
        return Mesh(
            depth_to_points(depth, camera, self.projection)[known],
            _unit(normal[known]),
            places / self.scale + (self.left, self.top),
            triangles.astype(np.int32),
        )


def integrate_normals(
    normal: Float32, method: str = "bilateral", view: View = UNKNOWN_VIEW
) -> Surface | None:
    """Integrate predicted normals.

    Args:
        normal: (H, W, 3) unit vectors, camera frame; 0 off the object.
        method: Of `multishade.photometry.integration.methods`.
        view: The photo's camera.

    Returns:
        The surface, on a grid of at most LONGEST_SIDE points a side; None if there is no normal.
    """
    given = (normal != 0).any(axis=2)
    if not given.any():
        return None
    window = bounding_window(given, margin=1)
    cropped = normal[window]
    side = max(cropped.shape[:2])
    scale = min(1.0, LONGEST_SIDE / side)
    if scale < 1:
        cropped = _fitted(cropped, side)
    inside = np.linalg.norm(cropped, axis=2) > 0.5
    if not inside.any():
        return None
    camera = None
    facing = np.where(inside[..., None], cropped, 0)
    if view.camera is not None:
        camera = np.diag([scale, scale, 1.0]) @ crop_intrinsics(view.camera, window)
    else:
        # What is seen cannot face away; a predicted normal that does would put a cliff into the surface.
        facing[..., 2] = np.where(inside, np.maximum(facing[..., 2], MIN_FACING), 0)
    facing = _unit(facing)
    longer = side * scale
    depth = methods.integrate(facing, inside, camera=camera, method=method, pixel_size=1 / longer).depth
    projection: Projection = "orthographic" if camera is None else "perspective"
    unit = BOX_UNIT if camera is None else DEPTH_UNIT
    if camera is None:
        camera = _orthographic(depth.shape, longer)
    top, left = float(window[0].start), float(window[1].start)
    return Surface(depth, facing, camera, projection, left, top, scale, PREDICTED_CUT, unit)


def surface_of(solved: SolvedObject) -> Surface | None:
    """Take the surface of a solved object, at the size of its photographs.

    Args:
        solved: What `solve` found.

    Returns:
        The surface, None if the normals were not integrated.
    """
    if solved.depth is None:
        return None
    depth = np.where(solved.determined[solved.window], solved.depth, np.nan)
    normal = solved.normal[solved.window]
    top, left = float(solved.window[0].start), float(solved.window[1].start)
    if solved.camera is not None:
        unit = solved.unit or DEPTH_UNIT
        return Surface(depth, normal, solved.camera, "perspective", left, top, 1.0, unit=unit)
    longer = float(max(depth.shape))
    return Surface(depth / longer, normal, _orthographic(depth.shape, longer), "orthographic", left, top, 1.0)


def _orthographic(shape: tuple[int, ...], points_per_unit: float) -> Float64:
    """Intrinsics of an orthographic grid whose centre is the origin."""
    return np.array([[points_per_unit, 0, shape[1] / 2], [0, points_per_unit, shape[0] / 2], [0, 0, 1.0]])


def _unit(normal: Float32) -> Float32:
    return (normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)).astype(np.float32)


def _fitted(normal: Float32, side: int) -> Float32:
    """Normals at LONGEST_SIDE grid points for the longer side."""
    if side > LARGEST_SQUARE:
        import cv2

        scale = LONGEST_SIDE / side
        width, height = (max(2, round(length * scale)) for length in normal.shape[1::-1])
        return cv2.resize(normal, (width, height), interpolation=cv2.INTER_AREA).astype(
            np.float32, copy=False
        )
    # A square, so that both axes keep one scale; then cut to the rows and columns that the object has.
    square = np.zeros((side, side, 3), np.float32)
    square[: normal.shape[0], : normal.shape[1]] = normal
    rows, columns = (int(np.ceil(length * LONGEST_SIDE / side)) for length in normal.shape[:2])
    return resize(square, LONGEST_SIDE)[:rows, :columns]
