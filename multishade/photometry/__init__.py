# SPDX-License-Identifier: Apache-2.0
"""Photometric stereo over arrays: normals -> shading, shading -> normals, normals -> surfaces.

Vectors are in the camera frame: +x right, +y up, +z from the scene toward the camera. No function reads or writes a
file. Only `differentiable` needs torch.
"""
