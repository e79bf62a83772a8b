# SPDX-License-Identifier: Apache-2.0
"""Cameras, depth, boxes, angles, light directions, and every axis and pixel convention."""
