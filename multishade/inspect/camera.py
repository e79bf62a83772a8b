# SPDX-License-Identifier: Apache-2.0
"""A decoded sample -> checks of its camera: a pinhole matrix and a pose that a camera can have."""

import numpy as np

from multishade.inspect.results import CheckResult
from multishade.shards.sample import Sample

TOLERANCE = 1e-4  # of fixed entries of the matrices, and of the pose's rotation
# Focal lengths, by the larger side of the image: 170 degrees of view to a quarter of a degree. An orthographic
# camera's scale lies within them too, since objects have a radius of 0.5 scene units.
LEAST_FOCAL, MOST_FOCAL = 0.04, 250.0
CENTRE_BEYOND = 1.0  # sides of the image by which the principal point may lie outside of it
FARTHEST = 1e4  # scene units from the object


def check_camera(sample: Sample) -> CheckResult:
    """K is a pinhole matrix with plausible focal lengths and centre; the pose is a rotation and a translation."""
    camera = sample.info.camera
    matrix = np.asarray(camera.K, np.float64)
    size = np.array([camera.width, camera.height], np.float64)
    messages = []
    if not np.allclose(matrix[2], [0, 0, 1], rtol=0, atol=TOLERANCE):
        messages.append(f"camera: the last row of K is {_listed(matrix[2])}, not 0, 0, 1")
    if np.abs([matrix[0, 1], matrix[1, 0]]).max() > TOLERANCE * size.max():
        messages.append(f"camera: K has a skew of {_listed([matrix[0, 1], matrix[1, 0]])}")
    focal = np.diag(matrix)[:2]
    if focal.min() <= 0:
        messages.append(f"camera: the focal lengths of K are {_listed(focal)}, not positive")
    elif focal.min() < LEAST_FOCAL * size.max() or focal.max() > MOST_FOCAL * size.max():
        messages.append(
            f"camera: the focal lengths of K are {_listed(focal)} pixels; {LEAST_FOCAL * size.max():g} to "
            f"{MOST_FOCAL * size.max():g} are plausible for {camera.width} x {camera.height}"
        )
    beyond = np.maximum(-matrix[:2, 2], matrix[:2, 2] - size) / size
    if beyond.max() > CENTRE_BEYOND:
        messages.append(f"camera: its principal point {_listed(matrix[:2, 2])} lies far outside of the image")
    pose = np.asarray(camera.camera_to_world, np.float64)
    rotation = pose[:3, :3]
    bounded = np.abs(rotation).max() <= 2  # before products, which overflow
    turned = bounded and np.allclose(rotation @ rotation.T, np.eye(3), rtol=0, atol=TOLERANCE)
    if not turned or np.linalg.det(rotation) < 0:
        messages.append("camera: camera_to_world has no rotation in its upper left 3 x 3")
    if not np.allclose(pose[3], [0, 0, 0, 1], rtol=0, atol=TOLERANCE):
        messages.append(f"camera: the last row of camera_to_world is {_listed(pose[3])}, not 0, 0, 0, 1")
    if np.abs(pose[:3, 3]).max() > FARTHEST:
        messages.append(f"camera: it is farther than {FARTHEST:g} scene units from the object")
    return CheckResult(messages, {})


def _listed(values: "np.typing.ArrayLike") -> str:
    return ", ".join(f"{value:.6g}" for value in np.ravel(np.asarray(values)))
