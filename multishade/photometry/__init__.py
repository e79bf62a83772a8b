# SPDX-License-Identifier: Apache-2.0
"""Photometric stereo over arrays: lights, shading, normals out of shading, surfaces out of normals.

Camera frame everywhere: +x right, +y up, +z from the scene toward the camera. Nothing in here reads images or
knows of files, except `lights`, which reads the text formats that light directions come in. Only
`torch_twins` needs torch.
"""
